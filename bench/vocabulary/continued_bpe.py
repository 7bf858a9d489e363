"""Continuing a byte-level BPE vocabulary: ours, the pure-Python way, and the library's trainer from scratch.

    python bench/vocabulary/continued_bpe.py ../shared/data/corpus [--language ur] [--mb 50] [--tokens 8000]

The text is the course documents of the language in the given folder (`LANGUAGE.docs.jsonl`), repeated to the wanted
size; in each repetition 15 % of the words are drawn anew and 3 % are two halves of other words, so that the number of
distinct words goes on growing (to 170,000 in 50 MB of Urdu). Ours and the trainer may use every core, the pure-Python
way has no threads. Seconds by the clock are compared, so the machine should be idle; seconds of processor stand beside
them. Rounds are interleaved; the median of each is compared.

The pure-Python way is that of tokenizer-extension (arXiv 2512.03989), written anew from its description and its
behaviour: cut and segment every word where it stands, then a heap of pair counts, a set of words per pair, and word
lists rebuilt at every merge. The trainer from scratch gets the same cuts and as many merges; it cannot continue.

Aims: ours at least 20 times as fast as the pure-Python way, and at most 1.5 times as slow as the trainer.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from newtongue.adapters.hf.segmentation import segment_counts
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer
from newtongue.methods.bpe_learning import learn_merges

ROUNDS = 3


def make_text(file: Path, size: int) -> list[str]:
    """Return paragraphs of about `size` bytes in all."""
    rows = [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]
    paragraphs = [part for text in rows for part in text.split("\n\n") if part.strip()]
    words = sorted({word for part in paragraphs for word in part.split()})
    draw = random.Random(0)
    made, total = [], 0
    while total < size:
        parts = draw.choice(paragraphs).split(" ")
        for at in range(len(parts)):
            chance = draw.random()
            if chance < 0.15:
                parts[at] = draw.choice(words)
            elif chance < 0.18:
                one, other = draw.choice(words), draw.choice(words)
                parts[at] = one[: len(one) // 2 + 1] + other[len(other) // 2 :]
        made.append(" ".join(parts))
        total += len(made[-1].encode())
    return made


def ours(old: FastTokenizer, texts: list[str], tokens: int) -> int:
    """Count, segment, learn."""
    return len(learn_merges(segment_counts(old, texts), tokens, 2).merges)


def from_scratch(old: FastTokenizer, texts: list[str], tokens: int) -> int:
    """The library's trainer on the same cuts, from single bytes on."""
    made = Tokenizer(BPE())
    made.normalizer, made.pre_tokenizer = old.backend.normalizer, old.backend.pre_tokenizer
    size = len(old.ids) + tokens
    made.train_from_iterator(texts, BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False))
    return made.get_vocab_size()


def pure_python(old: FastTokenizer, texts: list[str], tokens: int) -> int:
    """Heap, sets and lists."""
    backend = old.backend
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for text in texts:
        for word, _span in backend.pre_tokenizer.pre_tokenize_str(text):
            counts[tuple(token.value for token in backend.model.tokenize(word))] += 1
    words = {"".join(parts): list(parts) for parts in counts}
    often = {"".join(parts): count for parts, count in counts.items()}
    pairs: dict[tuple[str, str], int] = defaultdict(int)
    where: dict[tuple[str, str], set[str]] = defaultdict(set)
    for word, parts in words.items():
        for pair in pairwise(parts):
            pairs[pair] += often[word]
            where[pair].add(word)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapify(heap)
    merges = 0
    while merges < tokens and heap:
        count, pair = heappop(heap)
        if pairs.get(pair) == -count:
            _merge(pair, (words, often), (pairs, where), heap)
            merges += 1
    return merges


def _merge(
    pair: tuple[str, str],
    text: tuple[dict[str, list[str]], dict[str, int]],
    index: tuple[dict[tuple[str, str], int], dict[tuple[str, str], set[str]]],
    heap: list[tuple[int, tuple[str, str]]],
) -> None:
    (words, often), (pairs, where), (left, right) = text, index, pair
    changes: dict[tuple[str, str], int] = defaultdict(int)
    for word in list(where[pair]):
        parts, at, count = words[word], 0, often[word]
        while at < len(parts) - 1:
            if (parts[at], parts[at + 1]) != pair:
                at += 1
                continue
            neighbours = []
            if at > 0:
                neighbours.append(((parts[at - 1], left), (parts[at - 1], left + right)))
            if at + 2 < len(parts):
                neighbours.append(((right, parts[at + 2]), (left + right, parts[at + 2])))
            for gone, made in neighbours:
                changes[gone] -= count
                changes[made] += count
                where[made].add(word)
            parts = [*parts[:at], left + right, *parts[at + 2 :]]
        words[word] = parts
    for changed, difference in changes.items():
        if changed != pair:
            pairs[changed] += difference
            heappush(heap, (-pairs[changed], changed))
    del pairs[pair], where[pair]


def main() -> None:
    """Print one line per subject and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="ur")
    parser.add_argument("--mb", type=float, default=50)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--without-trainer", action="store_true", help="leave out the trainer from scratch")
    given = parser.parse_args()
    old = load_tokenizer(Path(str(files("newtongue").joinpath("assets/nano-en"))))
    texts = make_text(given.folder / f"{given.language}.docs.jsonl", int(given.mb * 1e6))
    subjects: dict[str, Callable[[FastTokenizer, list[str], int], int]] = {
        "ours": ours,
        "pure Python": pure_python,
        "trainer from scratch": from_scratch,
    }
    if given.without_trainer:
        del subjects["trainer from scratch"]
    clock: dict[str, list[float]] = {name: [] for name in subjects}
    processor: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(given.rounds):
        for name, subject in subjects.items():
            start, used = time.perf_counter(), time.process_time()
            subject(old, texts, given.tokens)
            clock[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
    medians = {name: statistics.median(times) for name, times in clock.items()}
    for name, median in medians.items():
        rounds = ", ".join(f"{second:.2f}" for second in clock[name])
        print(f"{name:22} {median:8.2f} s ({rounds}); processor {statistics.median(processor[name]):.2f} s")
    print(f"pure Python / ours: {medians['pure Python'] / medians['ours']:.1f} (aim: at least 20)")
    if given.without_trainer:
        return
    print(f"ours / trainer from scratch: {medians['ours'] / medians['trainer from scratch']:.2f} (aim: at most 1.5)")


if __name__ == "__main__":
    main()
