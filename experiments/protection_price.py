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
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer
from newtongue.methods.continued_bpe import filter_merges, first_merges
from newtongue.stages.tokenizer import learn as learning
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.measure import measure
from newtongue.stages.tokenizer.plan import plan_expansion
from newtongue.stages.tokenizer.protect import ProtectedSet, protection

VOCABULARY = 4096
NEW_TOKENS = 2000


def texts(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]


def changed(old: FastTokenizer, new: FastTokenizer, some: list[str]) -> int:
    return sum(old.backend.encode(text).ids != new.backend.encode(text).ids for text in some)


def dropping(counts: object, room: int, min_count: int, rules: learning.Rules) -> learning.Learnt:
    """Learn more than needed and merely drop what protected text could feel."""
    learned = learning._free(counts, 6 * room, min_count, rules.objection)  # type: ignore[arg-type]
    filtered = filter_merges(learned, rules.protected, rules.refuse)
    return learning.Learnt(first_merges(filtered.kept, room), learned[:room], filtered)


def main(folder: Path, languages: list[str]) -> None:
    books, course = texts(folder / "en.books.jsonl"), texts(folder / "en.docs.jsonl")
    with tempfile.TemporaryDirectory() as place:
        train_tokenizer(books[:200], VOCABULARY, Path(place), max_positions=1024)
        old = load_tokenizer(Path(place))
    protected, unseen = books[200:330] + course[:60], books[330:]
    known = protection(old, [ProtectedSet("english", "eng_Latn", lambda: iter(protected))])
    config = TokenizerConfig(model="./model", corpus="./corpus", new_tokens=NEW_TOKENS)
    around = learning.learn
    print("language  before  dropped  around  free   protected changed (free)   unseen changed", flush=True)
    for language in languages:
        documents = texts(folder / f"{language}.docs.jsonl")
        train, heldout = [d for n, d in enumerate(documents) if n % 4 != 3], documents[3::4]
        found = {}
        for name, method in (("dropped", dropping), ("around", around)):
            sys.modules["newtongue.stages.tokenizer.plan"].learn = method  # type: ignore[attr-defined]
            found[name] = plan_expansion(config, old, train, known, old.last_id + 1)
        best, free = found["around"].tokenizer, found["around"].unprotected or found["around"].tokenizer
        words = [measure(t, heldout).tokens_per_word for t in (old, found["dropped"].tokenizer, best, free)]
        print(f"{language:8}", *(f"{value:7.2f}" for value in words), end="   ")
        print(f"{changed(old, best, protected)} ({changed(old, free, protected)}) of {len(protected)}", end="   ")
        print(f"{changed(old, best, unseen)} of {len(unseen)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["sw", "id", "ur", "hi"])
