"""Exact and near duplicates of texts in any script, from hashes and signatures only.

`comparable` gives the view in which texts are compared; `content_hash` finds equal ones; `shingles`,
`minhash` and `choose_bands` find candidates for near duplicates, `first_of_each` decides. The texts themselves are
never held: a caller gives a function that answers for two row numbers.

Shapes: N documents, H hash functions, S shingles of one document.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RECALL = 0.999
"""Least probability that a pair exactly at the threshold becomes a candidate."""
ESTIMATE_DEVIATIONS = 5.0
"""A candidate is passed over when its estimated similarity is this many standard deviations too low."""
SEED = 0x6E65_7774
_BASE = 0x9E37_79B9_7F4A_7C15
_CHUNK = 1024
_PLANES = 0x20000
_SPACE, _NOTHING = 0x20, 0xFFFF_FFFF
_JOINERS_AND_VOWEL_SIGNS = (*range(0x064B, 0x0653), 0x0670, 0x0640, 0x00AD, 0x200B, 0x200C, 0x200D, 0x2060)
_LOOK_ALIKES = {0x06A9: (0x0643, 0x06AA), 0x06CC: (0x064A, 0x0649), 0x06C1: (0x0647, 0x06D5, 0x06BE)}


class Permutations(NamedTuple):
    """H hash functions h(x) = factor * x + offset modulo 2^32, factors odd."""

    factors: NDArray[np.uint32]
    offsets: NDArray[np.uint32]


def comparable(text: str) -> str:
    """Return the view of a text in which duplicates are found: letters, marks and digits, one space between runs.

    Case, width, presentation forms, punctuation, white space, joiners, Arabic vowel signs and look-alike
    Arabic kaf, yeh and heh make no difference; combining marks of all other scripts do. A text without any
    letter or digit is compared as it is.

    Args:
        text: Cleaned text.

    Example:
        >>> comparable("The  END.") == comparable("the end")
        True
        >>> comparable("किताब") == comparable("कताब")
        False
    """
    codes = _codes(unicodedata.normalize("NFKC", text).casefold())
    near = codes < _PLANES
    codes[near] = _folded()[codes[near]]
    codes = codes[codes != _NOTHING]
    spaces = codes == _SPACE
    once = ~spaces
    once[1:] |= ~spaces[:-1]
    return codes[once].tobytes().decode("utf-32-le", "surrogatepass").strip() or text


def content_hash(view: str) -> bytes:
    """Return 16 bytes that are equal for equal views; the chance of a false match is below 10^-20 for 10^9 texts.

    Args:
        view: What `comparable` returned.
    """
    return blake2b(view.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def shingles(view: str, length: int) -> NDArray[np.uint64]:
    """Return the set of hashed character shingles of a text, sorted.

    Args:
        view: What `comparable` returned.
        length: Characters per shingle; a shorter text is one shingle.

    Returns:
        Distinct 64-bit hashes [S], ascending; at least one unless the view is empty.
    """
    codes = _codes(view).astype(np.uint64)
    if not len(codes):
        return codes
    hashes = np.sort(_mixed(_windows(codes, min(length, len(codes)))))
    return hashes[np.flatnonzero(np.diff(hashes, prepend=~hashes[:1]))]


@cache
def permutations(hashes: int, seed: int = SEED) -> Permutations:
    """Return H seeded hash functions.

    Args:
        hashes: H.
        seed: Seed; two signatures can be compared only when made with one seed.
    """
    draws = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**32, size=(2, hashes), dtype=np.uint32)
    return Permutations(draws[0] | np.uint32(1), draws[1])


def minhash(shingle_set: NDArray[np.uint64], functions: Permutations) -> NDArray[np.uint32]:
    """Return the signature of a shingle set: per hash function the smallest value.

    The share of equal places in two signatures estimates the Jaccard similarity of the sets with standard
    deviation sqrt(j(1-j)/H).

    Args:
        shingle_set: Distinct hashes [S].
        functions: H hash functions.

    Returns:
        Signature [H]; all ones for an empty set.

    Source: Broder 1997, "On the resemblance and containment of documents"; multiply-shift hashing after
        Dietzfelbinger et al. 1997 instead of true permutations.
    """
    factors, offsets = functions
    smallest = np.full(len(factors), np.iinfo(np.uint32).max, dtype=np.uint32)
    high = (shingle_set >> np.uint64(32)).astype(np.uint32)
    values = np.empty((len(factors), _CHUNK), dtype=np.uint32)
    for start in range(0, len(high), _CHUNK):
        chunk = high[start : start + _CHUNK]
        block = values[:, : len(chunk)]
        np.multiply(factors[:, None], chunk, out=block)
        block += offsets[:, None]
        np.minimum(smallest, block.min(axis=1), out=smallest)
    return smallest


def jaccard(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> float:
    """Return the Jaccard similarity of two shingle sets, in [0, 1]; 0 when both are empty.

    Example:
        >>> jaccard(np.array([1, 2], np.uint64), np.array([2, 3], np.uint64))
        0.3333333333333333
    """
    union = len(left) + len(right)
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (union - shared) if union else 0.0


def choose_bands(threshold: float, hashes: int) -> tuple[int, int]:
    """Return (bands, rows per band): the longest rows that still find a pair at the threshold.

    Args:
        threshold: Jaccard similarity from which two texts are one, in (0, 1).
        hashes: H.

    Returns:
        Bands and rows with bands * rows <= H and 1 - (1 - threshold^rows)^bands >= RECALL, or one row per band
        when nothing longer is safe.

    Example:
        >>> choose_bands(0.8, 112)
        (22, 5)

    Source: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4.
    """
    rows = 1
    for candidate in range(2, hashes + 1):
        if 1 - (1 - threshold**candidate) ** (hashes // candidate) < RECALL:
            break
        rows = candidate
    return hashes // rows, rows


def first_of_each(
    signatures: NDArray[np.uint32], threshold: float, similarity: Callable[[int, int], float]
) -> NDArray[np.int64]:
    """Decide, in row order, which rows are near duplicates of an earlier row that was kept.

    A row goes when some earlier kept row is at least `threshold` similar; so the first of a family stays and
    a chain of small changes does not swallow everything. Candidates come from locality-sensitive hashing and are
    all verified by `similarity`; a pair at the threshold is missed with probability below 1 - RECALL.

    Args:
        signatures: MinHash signatures [N, H].
        threshold: Similarity from which two rows are one, in (0, 1).
        similarity: True Jaccard similarity of two row numbers (earlier kept row, row).

    Returns:
        Per row the number of the earlier row it duplicates, or -1 for a row that stays [N].
    """
    hashes = signatures.shape[1]
    spread = (threshold * (1 - threshold) / hashes) ** 0.5
    least_equal = (threshold - ESTIMATE_DEVIATIONS * spread) * hashes
    buckets = _shared_buckets(signatures, *choose_bands(threshold, hashes))
    kept_in: dict[tuple[int, int], list[int]] = {}
    original = np.full(len(signatures), -1, dtype=np.int64)
    for row in np.flatnonzero((buckets >= 0).any(axis=1)).tolist():
        places = [(band, bucket) for band, bucket in enumerate(buckets[row].tolist()) if bucket >= 0]
        candidates = sorted({other for place in places for other in kept_in.get(place, ())})
        likely = [c for c in candidates if np.count_nonzero(signatures[c] == signatures[row]) >= least_equal]
        original[row] = next((c for c in likely if similarity(c, row) >= threshold), -1)
        if original[row] < 0:
            for place in places:
                kept_in.setdefault(place, []).append(row)
    return original


def _shared_buckets(signatures: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.int32]:
    """Return per row and band the number of its bucket, or -1 where the row is alone in it [N, bands]."""
    buckets = np.full((len(signatures), bands), -1, dtype=np.int32)
    for band in range(bands):
        keys = np.zeros(len(signatures), dtype=np.uint64)
        for column in range(band * rows, (band + 1) * rows):
            keys = _mixed(keys * np.uint64(_BASE) + signatures[:, column].astype(np.uint64))
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        buckets[:, band] = np.where(counts[inverse] > 1, inverse, -1)
    return buckets


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit values evenly (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return values ^ (values >> np.uint64(31))


def _windows(codes: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """Return the polynomial hash of every window of `width` codes, built from windows of half the width."""
    if width == 1:
        return codes
    half = width // 2
    part = _windows(codes, half)
    count = len(codes) - width + 1
    hashes = part[:count] * np.uint64(pow(_BASE, half, 2**64)) + part[half : half + count]
    return hashes if width % 2 == 0 else hashes * np.uint64(_BASE) + codes[width - 1 :]


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").copy()


@cache
def _folded() -> NDArray[np.uint32]:
    """Return per code point of the first two planes what stands for it in the comparable view."""
    table = np.arange(_PLANES, dtype=np.uint32)
    for code in range(_PLANES):
        if not (chr(code).isalnum() or unicodedata.category(chr(code)) in ("Mn", "Mc")):
            table[code] = _SPACE
    for letter, variants in _LOOK_ALIKES.items():
        table[list(variants)] = letter
    table[list(_JOINERS_AND_VOWEL_SIGNS)] = _NOTHING
    return table
