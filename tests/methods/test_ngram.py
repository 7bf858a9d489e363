"""The vectorised n-gram model equals a dictionary of counts, sums to one, and learns."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product

import numpy as np
import pytest

from newtongue.methods.ngram import EDGE, ngram_bits

TRAIN = [b"abracadabra abra", "اردو زبان اردو".encode(), b"aaab", b"cadabra"]


def kneser_ney_by_hand(train: list[bytes], text: bytes, order: int) -> list[float]:
    """Chen and Goodman's formulas, written with dictionaries of tuples."""
    grams: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]
    for document in train:
        padded = [EDGE] * (order - 1) + list(document)
        for end in range(order, len(padded) + 1):
            for k in range(order):
                grams[k][tuple(padded[end - k - 1 : end])] += 1
    counts = [dict(grams[order - 1])]
    for k in range(order - 2, -1, -1):
        left = Counter(gram[1:] for gram in grams[k + 1])
        counts.insert(0, {g: (grams[k][g] if g[0] == EDGE else left[g]) for g in grams[k]})

    def discounts(k: int) -> list[float]:
        n = [sum(1 for c in counts[k].values() if c == i) for i in range(5)]
        if not n[1] or not n[2]:
            return [0, 0.5, 0.5, 0.5]
        y = n[1] / (n[1] + 2 * n[2])
        found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3] if n[3] else 1.0]
        return [0.0] + [min(max(d, 0.05), i - 0.05) for i, d in enumerate(found, 1)]

    tables = [(counts[k], discounts(k), _by_history(counts[k])) for k in range(order)]
    padded = [EDGE] * (order - 1) + list(text)
    bits = []
    for place in range(order - 1, len(padded)):
        p = 1 / 256
        for k, (table, discount, histories) in enumerate(tables):
            history = tuple(padded[place - k : place])
            followers = histories.get(history)
            if not followers:
                break
            total = sum(table[g] for g in followers)
            spare = sum(discount[min(table[g], 3)] for g in followers)
            own = table.get((*history, padded[place]), 0)
            p = (own - discount[min(own, 3)]) / total + spare / total * p
        bits.append(-np.log2(p))
    return bits


def _by_history(table: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    found = defaultdict(list)
    for gram in table:
        found[gram[:-1]].append(gram)
    return found


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize("text", [b"abra", "اردو!".encode(), b"zzz", b"caab"], ids=["seen", "urdu", "unseen", "mixed"])
def test_equals_the_formulas_written_with_dictionaries(order: int, text: bytes) -> None:
    (fast,) = ngram_bits(TRAIN, [text], order)
    assert fast == pytest.approx(kneser_ney_by_hand(TRAIN, text, order), rel=1e-9)


@pytest.mark.parametrize("smoothing", ["kneser_ney", "witten_bell"])
@pytest.mark.parametrize("history", [b"", b"ab", "ار".encode(), b"\xff\x00"])
def test_probabilities_of_all_bytes_sum_to_one(smoothing: str, history: bytes) -> None:
    found = ngram_bits(TRAIN, [history + bytes([byte]) for byte in range(256)], 4, smoothing)
    assert sum(2.0 ** -bits[-1] for bits in found) == pytest.approx(1)


def test_witten_bell_by_hand() -> None:
    """After 'aab', order 1: a was seen 2 of 3 times, two kinds: p(a) = (2 + 2/256) / 5."""
    (found,) = ngram_bits([b"aab"], [b"a"], 1, "witten_bell")
    assert 2.0 ** -found[0] == pytest.approx((2 + 2 / 256) / 5)


def test_knowing_nothing_costs_eight_bits_per_byte() -> None:
    (found,) = ngram_bits([], ["کچھ".encode()], 6)
    assert found.tolist() == [8.0] * 6


def test_heldout_text_never_counts() -> None:
    alone = ngram_bits(TRAIN, [b"xyxyxyxy"], 3)[0]
    beside = ngram_bits(TRAIN, [b"xyxyxyxy", b"xyxyxyxyxyxyxy"], 3)[0]
    assert np.array_equal(alone, beside)


def test_order_and_empty_documents() -> None:
    assert [len(bits) for bits in ngram_bits(TRAIN, [b"", b"ab", b""], 3)] == [0, 2, 0]
    with pytest.raises(ValueError, match="order is 0"):
        ngram_bits(TRAIN, [b"a"], 0)


def test_is_quick_enough_for_a_laptop() -> None:
    import time

    generator = np.random.default_rng(0)
    words = ["".join(chr(0x627 + c) for c in letters) for letters in product(range(6), repeat=4)]
    train = [" ".join(generator.choice(words, 200)).encode() for _ in range(130)]
    assert sum(map(len, train)) > 220_000
    started = time.process_time()
    ngram_bits(train, train[:12], 6)
    assert time.process_time() - started < 5
