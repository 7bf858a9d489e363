"""The similarity filter on 50,000 items: time, memory, verdicts against brute force, and what peers would take.

    python bench/synthesis/similarity.py [--items 50000] [--corpus FILE.jsonl] [--verify FIRST:END]

Items are made from sentences of a corpus (default: the shipped Urdu sample): near-copies, spliced and shuffled ones.
rapidfuzz and rouge_score are measured on pairs and extrapolated to all pairs where they are installed; rapidfuzz then
also gives the brute-force verdicts on more items. One process, one thread.

`--verify 0:5000` compares items 0 to 4,999 with every item kept before them, no sieve anywhere (needs rapidfuzz and
numpy), and prints how many verdicts differ. Ranges can be checked apart from each other: where no verdict before an
item differs, the items kept are those brute force would have kept.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from newtongue.methods.similarity import Pool, rouge_l, similarity_words

SAMPLE = Path(__file__).resolve().parents[2] / "src" / "newtongue" / "assets" / "sample" / "urd_Arab.jsonl"
THRESHOLD = 0.7
PEER_PAIRS = 20_000
TOGETHER = 50
"""Items compared with all before them in one call."""


def make_items(corpus: Path, count: int) -> list[str]:
    """Return instructions with a known share of near-copies, deterministic."""
    rng = random.Random(f"similarity/{count}")
    lines = [line for row in corpus.read_text("utf-8").splitlines() for line in json.loads(row)["text"].split("\n")]
    sentences = [words for line in lines if 6 <= len(words := line.split()) <= 60]
    items: list[str] = []
    for number in range(count):
        words, other = list(rng.choice(sentences)), rng.choice(sentences)
        if items and rng.random() < 0.2:  # a near-copy of an earlier item
            words = rng.choice(items).split()
            for _ in range(rng.randrange(1, 8)):
                words[rng.randrange(len(words))] = f"{number}"
        else:
            words = words[rng.randrange(len(words) // 2) :] + other[: rng.randint(4, 20)] + [f"{number}"]
            rng.shuffle(words)
        items.append(" ".join(words))
    return items


def verdicts(items: Sequence[str]) -> list[bool]:
    """Return for each item, in order, whether the filter keeps it."""
    pool, kept = Pool(THRESHOLD), []
    for number, text in enumerate(items):
        kept.append(pool.nearest(text) is None)
        if kept[-1]:
            pool.add(str(number), text)
    return kept


def brute_force(items: Sequence[str], score: Callable[[list[str], list[str]], float]) -> list[bool]:
    """Return the same by comparing every pair."""
    pool: list[list[str]] = []
    kept = []
    for text in items:
        words = similarity_words(text)
        kept.append(not any(score(words, other) > THRESHOLD for other in pool))
        if kept[-1]:
            pool.append(words)
    return kept


def verify(items: Sequence[str], kept: Sequence[bool], first: int, end: int) -> tuple[int, int]:
    """Return (verdicts that differ from brute force, pairs compared) for a range of items."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    letters: dict[str, str] = {}  # every word a character of its own: what is compared is the same, and faster
    split = [similarity_words(text) for text in items[:end]]
    texts = ["".join(letters.setdefault(word, chr(0x10000 + len(letters))) for word in words) for words in split]
    pool = [place for place in range(end) if kept[place]]
    lengths = np.array([len(texts[place]) for place in pool])
    differ = pairs = 0
    for start in range(first, end, TOGETHER):
        some = range(start, min(start + TOGETHER, end))
        before = bisect_left(pool, some[-1])
        others = [texts[other] for other in pool[:before]]
        found = cdist([texts[place] for place in some], others, scorer=LCSseq.similarity, dtype=np.int32)
        for place, row in zip(some, found, strict=True):
            own = bisect_left(pool, place)
            scores = 2 * row[:own] / (len(texts[place]) + lengths[:own])
            differ += bool((scores > THRESHOLD).any()) == kept[place]
            pairs += own
    return differ, pairs


def peers() -> dict[str, Callable[[list[str], list[str]], float]]:
    """Return name -> score of what is installed."""
    found: dict[str, Callable[[list[str], list[str]], float]] = {}
    try:
        from rapidfuzz.distance import LCSseq

        found["rapidfuzz"] = lambda a, b: 2 * LCSseq.similarity(a, b) / (len(a) + len(b))
    except ImportError:
        pass
    try:
        from rouge_score import rouge_scorer

        found["rouge_score"] = lambda a, b: rouge_scorer._score_lcs(a, b).fmeasure
    except ImportError:
        pass
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--corpus", type=Path, default=SAMPLE)
    parser.add_argument("--verify", metavar="FIRST:END")
    options = parser.parse_args()
    items = make_items(options.corpus, options.items)
    if options.verify:
        first, end = map(int, options.verify.split(":"))
        items, start = items[:end], time.process_time()
        differ, compared = verify(items, verdicts(items), first, len(items))
        seconds = time.process_time() - start
        print(f"items {first:,} to {end:,}, {compared:,} pairs by rapidfuzz: {differ} verdicts differ, {seconds:.0f} s")
        return
    start, cpu = time.perf_counter(), time.process_time()
    kept = verdicts(items)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pairs = sum(kept) * (sum(kept) - 1) // 2 + sum(kept) * (len(kept) - sum(kept)) // 2
    print(f"items {len(items):,}, kept {sum(kept):,}: {seconds:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MiB at most")
    installed = peers()
    sure = min(len(items), 6000 if "rapidfuzz" in installed else 1500)
    equal = brute_force(items[:sure], installed.get("rapidfuzz", rouge_l)) == kept[:sure]
    print(f"verdicts equal to brute force on the first {sure:,} items: {'yes' if equal else 'NO'}")
    words = [similarity_words(text) for text in items[:2000]]
    for name, score in {"ours, every pair": rouge_l, **installed}.items():
        rng, start = random.Random(0), time.process_time()
        for _ in range(PEER_PAIRS):
            score(rng.choice(words), rng.choice(words))
        total = (time.process_time() - start) / PEER_PAIRS * pairs
        print(
            f"{name}: {total / 60:,.0f} CPU-minutes for {pairs:,} pairs (extrapolated), {total / cpu:,.0f} times ours"
        )


if __name__ == "__main__":
    main()
