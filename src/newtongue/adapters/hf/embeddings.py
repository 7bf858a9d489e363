"""Grow the embedding matrices of a checkpoint: old rows keep their bytes, new rows come from an initialiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint, row_blocks
from newtongue.adapters.hf.safetensors_file import Floats, NewTensor, Tensor, encode, gather_rows, raw, read_rows
from newtongue.core.errors import DataError


class RowMaker(Protocol):
    """Makes new rows out of old ones (an `Initialiser` of `methods.embedding_init`)."""

    def support(self) -> NDArray[np.int64]:
        """Return the old ids it reads, sorted."""

    def rows(self, support_SD: Floats, mean_D: Floats, deviation_D: Floats, salt: int) -> Floats:
        """Return the new rows of one matrix from its rows at `support()`, their mean and their spread."""


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """Mean and spread of the used rows of one matrix.

    Attributes:
        mean: Mean row, length D.
        deviation: Standard deviation per dimension, length D.
        norms: Euclidean norm of every row, used or not.
    """

    mean: Floats
    deviation: Floats
    norms: Floats


def grown_rows(rows: int, last_id: int, multiple: int) -> int:
    """Return the rows a matrix gets: room for `last_id`, a multiple of `multiple`, never fewer than before.

    Example:
        >>> grown_rows(100, 119, 64), grown_rows(152, 119, 64)
        (128, 152)
    """
    needed = last_id + 1
    return rows if needed <= rows else -(-needed // multiple) * multiple


def row_statistics(tensor: Tensor, used: NDArray[np.int64], name_of: Callable[[int], str]) -> RowStatistics:
    """Measure the rows of a matrix in one pass over its blocks.

    Args:
        tensor: An embedding matrix (or the bias of an output layer, as a column).
        used: Ids that tokens have; other rows are padding and do not count.
        name_of: Names the token of an id, for messages.

    Raises:
        DataError: A used row is not finite.
    """
    is_used = np.zeros(tensor.shape[0], bool)
    is_used[used[used < tensor.shape[0]]] = True
    total, squares = np.zeros(tensor.shape[1:]), np.zeros(tensor.shape[1:])
    norms = np.zeros(tensor.shape[0], np.float32)
    for first, last in row_blocks(tensor):
        block = read_rows(tensor, first, last).astype(np.float64)
        _refuse_bad_rows(tensor, block, is_used[first:last], lambda row, first=first: name_of(first + row))
        norms[first:last] = np.sqrt((block.reshape(last - first, -1) ** 2).sum(1))
        chosen = block[is_used[first:last]]
        total += chosen.sum(0)
        squares += (chosen**2).sum(0)
    count = max(1, int(is_used.sum()))
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return RowStatistics(mean.astype(np.float32), deviation.astype(np.float32), norms)


def _refuse_bad_rows(
    tensor: Tensor, block: NDArray[np.float64], used: NDArray[np.bool_], name_of: Callable[[int], str]
) -> None:
    bad = np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(1) & used)
    if len(bad):
        raise DataError(
            f"{tensor.name}: the row of token {name_of(int(bad[0]))} is not finite",
            place=str(tensor.file),
            fix="the model is damaged: download or train it again",
        )


def fit_rows(tensor: Tensor, init: RowMaker, statistics: RowStatistics, salt: int) -> Floats:
    """Compute the new rows of one matrix in fp32."""
    ids = init.support()
    old = gather_rows(tensor, ids).reshape(len(ids), statistics.mean.size)
    made = init.rows(old, statistics.mean.reshape(-1), statistics.deviation.reshape(-1), salt)
    return made.reshape(-1, *tensor.shape[1:])


def grown(tensor: Tensor, rows: int, first_new: int, values: Floats, padding: Floats) -> NewTensor:
    """Return a matrix with more rows; rows that are neither new nor beyond the old end keep their bytes.

    Args:
        tensor: The old matrix.
        rows: Rows it gets.
        first_new: Id of the first new token.
        values: New rows in fp32; they may lie on padding rows of the old matrix.
        padding: Row for ids beyond the new tokens and beyond the old matrix (they stay in the softmax).
    """
    return NewTensor(tensor.dtype, (rows, *tensor.shape[1:]), _grown_blocks(tensor, rows, first_new, values, padding))


def _grown_blocks(tensor: Tensor, rows: int, first_new: int, values: Floats, padding: Floats) -> Iterator[bytes]:
    pad, width = encode(padding, tensor.dtype), tensor.row_bytes
    last_new = first_new + len(values)
    for first, last in row_blocks(tensor, rows):
        old_end = min(last, tensor.shape[0])
        block = bytearray(raw(tensor, first, old_end) if old_end > first else b"")
        block += pad * (last - max(first, old_end))
        low, high = max(first, first_new), min(last, last_new)
        if low < high:
            made = encode(values[low - first_new : high - first_new], tensor.dtype)
            block[(low - first) * width : (high - first) * width] = made
        yield bytes(block)


def _refuse_further_tables(checkpoint: Checkpoint) -> None:
    """Refuse tables by token that would be left too short (Gemma-3n has one per layer)."""
    known = {tensor.name for tensor in checkpoint.vocabulary_tensors()}
    for name, tensor in checkpoint.tensors.items():
        by_token = "embed" in name and tensor.shape[:1] == (checkpoint.rows,) and name not in known
        if by_token or ("per_layer" in name and "embed_tokens" in name):
            raise DataError(
                f"tensor {name} (shape {list(tensor.shape)}) has a row per token, and how it grows is not known",
                place=str(checkpoint.folder),
                fix="start from a model with one input and one output embedding, or leave out the tokenizer stage",
            )


def grow_checkpoint(
    checkpoint: Checkpoint, init: RowMaker, first_new: int, rows: int, name_of: Callable[[int], str]
) -> tuple[dict[str, NewTensor], RowStatistics, Floats]:
    """Return the tensors that change when tokens are added, statistics of the input matrix, and its new rows.

    Input and output matrices get the same W, each from its own old rows; a tied matrix is done once.

    Raises:
        DataError: Matrices of different heights, or a row that is not finite.
    """
    tensors = checkpoint.vocabulary_tensors()
    _refuse_further_tables(checkpoint)
    uneven = [tensor for tensor in tensors if tensor.shape[0] != checkpoint.rows]
    if uneven:
        raise DataError(
            f"{uneven[0].name} has {uneven[0].shape[0]:,} rows and {checkpoint.input.name} {checkpoint.rows:,}",
            place=str(checkpoint.folder),
            fix="repair the checkpoint before expanding it",
        )
    used = np.asarray([i for i in range(first_new) if i < checkpoint.rows], np.int64)
    changes, first = {}, None
    for salt, tensor in enumerate(tensors):
        statistics = row_statistics(tensor, used, name_of)
        values = fit_rows(tensor, init, statistics, 0 if checkpoint.tied else salt)
        changes[tensor.name] = grown(tensor, rows, first_new, values, statistics.mean)
        first = first or (statistics, values)
    assert first is not None
    return changes, *first
