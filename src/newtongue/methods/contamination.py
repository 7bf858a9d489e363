"""Whether an evaluation item stands in training data: long runs of the same characters, whatever the script.

Texts are compared after case, width, white space and punctuation are taken away, so that layout does not hide a
copy. An item counts as found when a run of LENGTHS[0] of its characters stands in the data, or, for an item too short
for that, a run of the longest of LENGTHS it has. Of still shorter items nothing is said: a few characters stand in any
data by chance. Runs are compared by 64-bit hashes.

Source: the overlap of 50 characters of GPT-4's report (OpenAI 2023, arXiv 2303.08774, appendix C), there on three
    random places of an item, here on all; 13 words (Brown et al. 2020, arXiv 2005.14165, appendix C) do not count in
    scripts without spaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

LENGTHS = (50, 32, 20)
"""Characters of a run, longest first."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_MIX = np.uint64(0xD6E8FEB86659FD93)

Hashes = NDArray[np.uint64]


def normalised(text: str) -> str:
    """Return text as it is compared: letters, digits and their marks, case and width folded.

    Example:
        >>> normalised("A  b–C؟ ۱۲")
        'abc۱۲'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LNM")


def run_hashes(text: str, length: int) -> Hashes:
    """Return one hash per run of `length` characters of a normalised text; none when it is shorter."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < length:
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(len(codes), _BASE, np.uint64), dtype=np.uint64)
        back = np.cumprod(np.full(len(codes), _INVERSE, np.uint64), dtype=np.uint64)
        sums = np.concatenate([[np.uint64(0)], np.cumsum((codes + np.uint64(1)) * _MIX * powers, dtype=np.uint64)])
        found = (sums[length:] - sums[:-length]) * back[: len(codes) - length + 1]
        return np.asarray((found ^ (found >> np.uint64(29))) * _MIX, dtype=np.uint64)


def contaminated(items: Sequence[str], documents: Iterable[str]) -> list[bool | None]:
    """Return for each item whether it stands in the data; None for one too short to tell.

    Args:
        items: Texts of evaluation items.
        documents: Training data, one text at a time; read once.

    Example:
        >>> quote = "The quick brown fox jumps over the lazy dog and runs away."
        >>> contaminated([quote, "short", quote[::-1]], ["Somebody said: " + quote.upper()])
        [True, None, False]
    """
    texts = [normalised(item) for item in items]
    sizes = [next((n for n in LENGTHS if len(text) >= n), 0) for text in texts]
    wanted = {n: _runs([(k, texts[k]) for k, size in enumerate(sizes) if size == n], n) for n in LENGTHS}
    found: set[int] = set()
    for document in documents:
        text = normalised(document)
        for length, (hashes, owners) in wanted.items():
            if len(hashes):
                found.update(_owners(run_hashes(text, length), hashes, owners))
    return [None if not size else number in found for number, size in enumerate(sizes)]


def _runs(texts: list[tuple[int, str]], length: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the hashes of all runs, sorted, and the item each belongs to."""
    if not texts:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    parts = [run_hashes(text, length) for _, text in texts]
    owners = np.repeat([number for number, _ in texts], [len(part) for part in parts]).astype(np.int64)
    hashes = np.concatenate(parts)
    order = np.argsort(hashes, kind="stable")
    return hashes[order], owners[order]


def _owners(seen: Hashes, hashes: Hashes, owners: NDArray[np.int64]) -> set[int]:
    left = np.searchsorted(hashes, seen, side="left")
    hit = left < len(hashes)
    hit[hit] = hashes[left[hit]] == seen[hit]
    if not hit.any():
        return set()
    right = np.searchsorted(hashes, seen[hit], side="right")
    return {int(o) for a, b in zip(left[hit], right, strict=True) for o in owners[a:b]}
