"""What is known of a matrix's rows after one pass over its file: mean, spread, and that every value is finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import row_blocks
from newtongue.adapters.hf.safetensors_file import CACHED_BYTES, Floats, Tensor, decode, raw, read_rows
from newtongue.core.errors import DataError

Ids = NDArray[np.int64]
Spread = Literal["none", "deviation", "covariance"]
EXPONENTS = {
    "F64": ("<u8", 0x7FF << 52),
    "F32": ("<u4", 0xFF << 23),
    "F16": ("<u2", 0x1F << 10),
    "BF16": ("<u2", 0xFF << 7),
}
"""Unsigned type of each floating-point type's bytes, and the exponent of its values that are not finite."""


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """Mean and spread of the used rows of one matrix.

    Attributes:
        mean: Mean row.
        spread: Standard deviation per dimension, a square root of the covariance, or nothing.
    """

    mean: Floats
    spread: Floats


def row_statistics(
    tensor: Tensor, used: Ids, name_of: Callable[[int], str], spread: Spread | None = "deviation"
) -> RowStatistics:
    """Measure the used rows of a matrix in one pass over its blocks.

    Args:
        tensor: An embedding matrix (or the bias of an output layer, as a column).
        used: Ids that tokens have; other rows are padding and do not count.
        name_of: Names the token of an id, for messages.
        spread: What to measure beside the mean; None measures nothing (the mean is then 0) and only looks for values
            that are not finite.

    Raises:
        DataError: A used row is not finite.
    """
    weights = np.zeros(tensor.shape[0], np.float32)
    weights[used] = 1
    width = int(np.prod(tensor.shape[1:], dtype=np.int64))
    total = np.zeros(width)
    squares = np.zeros((width, width) if spread == "covariance" else width)
    for first, last in row_blocks(tensor):
        some = weights[first:last]
        if spread is None and tensor.floating and all_finite(tensor, first, last):
            continue
        sums = row_sums(tensor, first, last, some)
        if np.isfinite(sums).all() and spread == "none":
            total += sums
            continue
        block = read_rows(tensor, first, last).reshape(last - first, width)
        _refuse_bad_rows(tensor, block, some > 0, lambda row, first=first: name_of(first + row))
        chosen = block[some > 0].astype(np.float64)
        total += chosen.sum(0)
        if spread in ("deviation", "covariance"):
            squares += chosen.T @ chosen if spread == "covariance" else (chosen**2).sum(0)
    count = max(1, len(used))
    mean = total / count
    if spread is None:
        return RowStatistics(np.zeros(tensor.shape[1:], np.float32), np.zeros(0, np.float32))
    return RowStatistics(_shaped(mean, tensor), _spread(mean, squares / count, spread))


def _spread(mean: NDArray[np.float64], squares: NDArray[np.float64], spread: Spread) -> Floats:
    """Return deviations, or R with R R' the covariance (its symmetric square root, which always exists)."""
    if spread == "none":
        return np.zeros(0, np.float32)
    if spread == "deviation":
        return np.sqrt(np.maximum(squares - mean**2, 0)).astype(np.float32)
    values, vectors = np.linalg.eigh(squares - np.outer(mean, mean))
    return ((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T).astype(np.float32)


def _shaped(mean: NDArray[np.float64], tensor: Tensor) -> Floats:
    return mean.astype(np.float32).reshape(tensor.shape[1:])


def _refuse_bad_rows(tensor: Tensor, block: Floats, used: NDArray[np.bool_], name_of: Callable[[int], str]) -> None:
    bad = np.flatnonzero(~np.isfinite(block).all(1) & used)
    if len(bad):
        raise DataError(
            f"{tensor.name}: the row of token {name_of(int(bad[0]))} is not finite",
            place=str(tensor.file),
            fix="the model is damaged: download or train it again",
        )


def row_sums(tensor: Tensor, first_row: int, last_row: int, weights: Floats) -> NDArray[np.float64]:
    """Return the weighted sum of some rows, (D,); a value that is not finite makes it not finite.

    Args:
        tensor: A matrix.
        first_row: First of the rows.
        last_row: Behind the last of them.
        weights: One per row.
    """
    width = tensor.row_bytes // 2
    if tensor.dtype != "BF16" or width % 2:
        rows = decode(raw(tensor, first_row, last_row), tensor).reshape(last_row - first_row, -1)
        return np.asarray(weights @ rows, np.float64)
    sums, step = np.zeros(width), max(1, CACHED_BYTES // tensor.row_bytes)
    stored, part = (np.empty((step, width // 2), np.uint32) for _buffer in range(2))
    with open(tensor.file, "rb", buffering=0) as stream:
        stream.seek(tensor.start + first_row * tensor.row_bytes)
        for at in range(0, last_row - first_row, step):
            factors = weights[at : at + step]
            pairs, values = stored[: len(factors)], part[: len(factors)]
            stream.readinto(memoryview(pairs).cast("B"))
            sums[0::2] += factors @ np.left_shift(pairs, 16, out=values).view(np.float32)
            sums[1::2] += factors @ np.bitwise_and(pairs, np.uint32(0xFFFF0000), out=values).view(np.float32)
    return sums


def all_finite(tensor: Tensor, first_row: int, last_row: int) -> bool:
    """Return whether every value of some rows is finite, judged by the exponents of the stored bits."""
    kind, largest = EXPONENTS[tensor.dtype]
    left = (last_row - first_row) * tensor.row_bytes
    buffer = np.empty(min(left, CACHED_BYTES) // np.dtype(kind).itemsize, kind)
    with open(tensor.file, "rb", buffering=0) as stream:
        stream.seek(tensor.start + first_row * tensor.row_bytes)
        while left:
            part = buffer[: left // buffer.itemsize]
            left -= stream.readinto(memoryview(part).cast("B")) or left
            if np.bitwise_and(part, largest, out=part).max() == largest:
                return False
    return True
