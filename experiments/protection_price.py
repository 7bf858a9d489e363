"""What it costs in fertility to leave protected English alone, and how far that reaches beyond the protected text.

    python experiments/protection_price.py ../shared/data/corpus [sw id ur hi]

Trains an English vocabulary on books, adds tokens for each language with some English texts protected, and prints
one row per language: tokens per word before, with protected merges merely dropped, learnt around them, and without
protection; then protected texts that change (with and without the rule) and unprotected English texts that change.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from newtongue.adapters.hf.create import train_tokenizer
from newtongue.adapters.hf.segmentation import segment_counts
from newtongue.adapters.hf.tokenizer_editing import extend
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer
from newtongue.methods.bpe_learning import learn_merges
from newtongue.methods.continued_bpe import protects
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.grow import Room, grow_bpe
from newtongue.stages.tokenizer.measure import measure
from newtongue.stages.tokenizer.protect import ProtectedSet, Protection, protection

VOCABULARY = 4096
NEW_TOKENS = 2000


def texts(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]


def changed(old: FastTokenizer, new: FastTokenizer, some: list[str]) -> int:
    return sum(old.backend.encode(text).ids != new.backend.encode(text).ids for text in some)


def dropping(old: FastTokenizer, train: list[str], known: Protection) -> FastTokenizer:
    """Learn more than needed, then drop what protected text could feel and everything built on it."""
    fires, kept, built = protects(known.pairs), [], set()
    for merge in learn_merges(segment_counts(old, train), 6 * NEW_TOKENS, 2).merges:
        parts = [part for part in merge if len(part) > 1]
        if not fires(*merge) and all(part in built for part in parts):
            kept.append(merge)
            built.add(merge.pieces)
    return extend(old, [], kept[:NEW_TOKENS], old.last_id + 1)


def main(folder: Path, languages: list[str]) -> None:
    books, course = texts(folder / "en.books.jsonl"), texts(folder / "en.docs.jsonl")
    with tempfile.TemporaryDirectory() as place:
        train_tokenizer(books[:200], VOCABULARY, Path(place), max_positions=1024)
        old = load_tokenizer(Path(place))
    protected, unseen = books[200:330] + course[:60], books[330:]
    known = protection([old], [ProtectedSet("english", "eng_Latn", lambda: iter(protected))])
    config = TokenizerConfig(model="./model", corpus="./corpus", new_tokens=NEW_TOKENS)
    print("language  before  dropped  around  free   protected changed (free)   unseen changed", flush=True)
    for language in languages:
        documents = texts(folder / f"{language}.docs.jsonl")
        train, heldout = [d for n, d in enumerate(documents) if n % 4 != 3], documents[3::4]
        growth = grow_bpe(config, old, train, known, Room(NEW_TOKENS, old.last_id + 1, 2))
        best = growth.at(NEW_TOKENS)
        free = growth.free(NEW_TOKENS) if growth.free else best
        words = [measure(t, heldout).tokens_per_word for t in (old, dropping(old, train, known), best, free)]
        print(f"{language:8}", *(f"{value:7.2f}" for value in words), end="   ")
        print(f"{changed(old, best, protected)} ({changed(old, free, protected)}) of {len(protected)}", end="   ")
        print(f"{changed(old, best, unseen)} of {len(unseen)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["sw", "id", "ur", "hi"])
