"""Distinct stretches of text between spaces, and how often each occurs, counted in arrays, block by block.

Text is cut before every space that follows something else than white space (or a word mark, which stands for a space
in character vocabularies). Whether a tokenizer may be run on the stretches instead of the text is not decided here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
BLOCK_CHARS = 1_000_000
MERGED_AT_ONCE = 32
"""Blocks whose distinct stretches are held before they are counted together."""
OPENS = 0xFF
"""Stands before each text; no byte of UTF-8."""
SPACE = 0x20
_OPENS = bytes([OPENS])


@dataclass(frozen=True)
class Runs:
    """Strings that stand one behind the other in one buffer.

    Attributes:
        data: All of them, UTF-8.
        ends: Where each ends, in bytes.
    """

    data: bytes
    ends: Ints

    @classmethod
    def of(cls, strings: Sequence[str]) -> Runs:
        """Put strings one behind the other."""
        encoded = [string.encode() for string in strings]
        return cls(b"".join(encoded), np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded))))

    @property
    def offsets(self) -> Ints:
        """Where each begins, and the end of the last."""
        return np.concatenate([np.zeros(1, np.int64), self.ends])

    def __len__(self) -> int:
        return len(self.ends)

    def strings(self, places: Iterable[int] | None = None) -> list[str]:
        """Return some of them, or all, as strings."""
        offsets = self.offsets.tolist()
        return [
            self.data[offsets[k] : offsets[k + 1]].decode() for k in (range(len(self)) if places is None else places)
        ]

    def chosen(self, those: NDArray[np.bool_]) -> Runs:
        """Return some of them."""
        if those.all():
            return self
        lengths = np.diff(self.offsets)
        data = np.frombuffer(self.data, np.uint8)[np.repeat(those, lengths)].tobytes()
        return Runs(data, np.cumsum(lengths[those]))

    def distinct(self) -> tuple[Runs, Ints]:
        """Return the different ones in order of first appearance, and which of them each is."""
        coded = pc.dictionary_encode(_binary(self.data, self.offsets))
        return _runs(coded.dictionary), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


@dataclass(frozen=True)
class Counted:
    """Distinct stretches.

    Attributes:
        runs: Each stretch once; one at the beginning of a text and the same elsewhere are two.
        opening: Whether it stands at the beginning of a text, one flag per stretch.
        counts: How often it occurs.
    """

    runs: Runs
    opening: NDArray[np.bool_]
    counts: Ints


def count_stretches(texts: Iterable[str]) -> Counted:
    """Cut texts before spaces and count the stretches, on every core there is."""
    found: list[tuple[pa.Array, Ints]] = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for counted in pool.map(_count_block, _blocks(texts)):
            found.append(counted)
            if len(found) == MERGED_AT_ONCE:
                found = [_merged(found)]
    if not found:
        return Counted(Runs(b"", np.zeros(0, np.int64)), np.zeros(0, bool), np.zeros(0, np.int64))
    values, counts = _merged(found)
    marked = _runs(values)
    opening = np.frombuffer(marked.data, np.uint8)[marked.offsets[:-1]] == OPENS
    return Counted(Runs(marked.data.replace(_OPENS, b""), marked.ends - np.cumsum(opening)), opening, counts)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= BLOCK_CHARS:
            yield block
            block, size = [], 0
    if block:
        yield block


def _count_block(texts: list[str]) -> tuple[pa.Array, Ints]:
    data = b"".join([_OPENS, _OPENS.join([text.encode() for text in texts])])
    starts = _cuts(np.frombuffer(data, np.uint8))
    counted = pc.value_counts(_binary(data, np.append(starts, len(data))))
    return counted.field(0), counted.field(1).to_numpy()


def _cuts(raw: NDArray[np.uint8]) -> Ints:
    """Return where texts begin, and the spaces after a character that is neither white space nor a word mark."""
    at = np.flatnonzero((raw == SPACE) | (raw == OPENS))
    kinds = _BEFORE[raw[at - 1]]
    unsure = np.flatnonzero(kinds == _UNSURE)
    if len(unsure):
        one, two, three = (raw[at[unsure] - k].astype(np.uint32) for k in (1, 2, 3))
        white = np.isin((three << 16) | (two << 8) | one, _WHITE_THREE) | np.isin((two << 8) | one, _WHITE_TWO)
        kinds[unsure[white]] = 0
    return at[(kinds != 0) | (raw[at] == OPENS)]


def _merged(found: list[tuple[pa.Array, Ints]]) -> tuple[pa.Array, Ints]:
    if len(found) == 1:
        return found[0]
    coded = pc.dictionary_encode(pa.concat_arrays([values for values, _counts in found]))
    weights = np.concatenate([counts for _values, counts in found])
    places = coded.indices.to_numpy(zero_copy_only=False)
    return coded.dictionary, np.bincount(places, weights, len(coded.dictionary)).astype(np.int64)


def _binary(data: bytes, offsets: Ints) -> pa.Array:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets, np.int64)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _runs(values: pa.Array) -> Runs:
    _validity, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    return Runs((data.to_pybytes() if data else b"")[ends[0] : ends[-1]], ends[1:] - ends[0])


_UNSURE = 2
_WHITE = [c for c in "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000▁"] + [chr(c) for c in range(0x2000, 0x200B)]
_WHITE_TWO = np.array([int.from_bytes(c.encode()) for c in _WHITE if len(c.encode()) == 2], np.uint32)
_WHITE_THREE = np.array([int.from_bytes(c.encode()) for c in _WHITE if len(c.encode()) == 3], np.uint32)
_BEFORE = (np.arange(256) > SPACE).astype(np.uint8)
_BEFORE[OPENS] = 0
_BEFORE[[c.encode()[-1] for c in _WHITE]] = _UNSURE
