"""Change the rows of a checkpoint's embedding matrices: old rows keep their bytes, an initialiser makes new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint, row_blocks
from newtongue.adapters.hf.row_statistics import RowStatistics, Spread, row_statistics
from newtongue.adapters.hf.safetensors_file import Floats, NewTensor, Span, Tensor, encode, gather_rows, raw, raw_rows
from newtongue.core.errors import DataError

Ids = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Piece = bytes | memoryview


class RowMaker(Protocol):
    """Makes new rows out of old ones (an initialiser of `methods`)."""

    @property
    def spread(self) -> Spread:
        """What it has to know of how the old rows scatter."""

    @property
    def reads_mean(self) -> bool:
        """Whether the mean of the old rows matters to it."""

    def support(self) -> Ids:
        """Return the old ids it reads, sorted."""

    def blocks(self, support_SD: Floats, mean_D: Floats, spread: Floats, salt: int) -> Iterator[Floats]:
        """Yield the new rows of one matrix, some at a time, from its rows at `support()`, their mean and spread."""


@dataclass(frozen=True)
class RowPlan:
    """Which rows a matrix gets.

    Attributes:
        rows: How many.
        new_ids: Ids of the new tokens, ascending, in the order in which initialisers make their rows.
        id_map: New id of each old row, -1 where it is dropped; None leaves every old row where it is.
        used: Ids of the old matrix that tokens have; other rows are padding and count for no statistic. None
            takes all below the first new id.
    """

    rows: int
    new_ids: Ids
    id_map: Ids | None = None
    used: Ids | None = None

    @cached_property
    def old_of(self) -> Ids | None:
        """The old row behind each new one, -1 where there is none; None when no row moves.

        Raises:
            DataError: Two old rows go to one place, or beyond the end.
        """
        if self.id_map is None:
            return None
        kept = np.flatnonzero(self.id_map >= 0)
        places = self.id_map[kept]
        if len(np.unique(places)) < len(places) or (len(places) and places.max() >= self.rows):
            raise DataError(
                f"the id map sends {len(places):,} old rows to {len(np.unique(places)):,} places, "
                f"the highest {places.max():,} of {self.rows:,} rows",
                expected="one new id below the number of rows for each kept row",
            )
        old = np.full(self.rows, -1, np.int64)
        old[places] = kept
        return old

    def padded(self, old_rows: int) -> bool:
        """Return whether some row may be neither old nor new."""
        ends = [int(i) for i in self.new_ids[[0, -1]]] if len(self.new_ids) else [old_rows + 1, 0]
        gapless = ends[0] <= old_rows and ends[1] - ends[0] + 1 == len(self.new_ids)
        return self.id_map is not None or not gapless or ends[1] + 1 < self.rows

    def used_rows(self, rows: int) -> Ids:
        """Return the ids that count among a matrix's old rows."""
        first = int(self.new_ids[0]) if len(self.new_ids) and self.id_map is None else rows
        used = np.arange(min(first, rows)) if self.used is None else self.used
        return used[used < rows]


def rows_digest(tensor: Tensor, last: int) -> str:
    """Return the sha256 of the stored bytes of the first `last` rows: equal digests mean rows equal to the last bit."""
    digest = sha256()
    for first, end in row_blocks(tensor, min(last, tensor.shape[0])):
        digest.update(raw(tensor, first, end))
    return digest.hexdigest()


def grown_rows(rows: int, last_id: int, multiple: int) -> int:
    """Return the rows a matrix gets: room for `last_id`, a multiple of `multiple`, never fewer than before.

    Example:
        >>> grown_rows(100, 119, 64), grown_rows(152, 119, 64)
        (128, 152)
    """
    needed = last_id + 1
    return rows if needed <= rows else -(-needed // multiple) * multiple


def grow_checkpoint(
    checkpoint: Checkpoint,
    makers: tuple[RowMaker, RowMaker],
    plan: RowPlan,
    name_of: Callable[[int], str],
) -> dict[str, NewTensor]:
    """Return the tensors that change when rows are added, moved or dropped.

    Each matrix gets its new rows from its own old ones; a tied matrix is done once. A bias of the output layer
    follows the head. Every old row is looked at here, before anything is written; new rows are computed while
    `checkpoint.rewrite` copies the old ones.

    Args:
        checkpoint: The source.
        makers: Initialisers of the input and of the output matrix.
        plan: Which rows there will be.
        name_of: Names the token of an old id, for messages.

    Raises:
        DataError: Matrices of different heights, tied matrices with two initialisers, or a row that is not finite.
    """
    tensors = checkpoint.vocabulary_tensors()
    _refuse_uneven(checkpoint, tensors)
    if checkpoint.tied and makers[0] is not makers[1]:
        raise DataError(
            "input and output embeddings are one matrix, which cannot start in two ways",
            place=str(checkpoint.folder),
            fix="leave out init.head",
        )
    _checked = plan.old_of

    chosen = [makers[0] if tensor is checkpoint.input else makers[1] for tensor in tensors]
    with ThreadPoolExecutor(len(tensors)) as pool:
        known = list(pool.map(lambda tensor, maker: _statistics(tensor, maker, plan, name_of), tensors, chosen))
    pool, changes = ThreadPoolExecutor(len(tensors)), {}
    for salt, (tensor, maker, statistics) in enumerate(zip(tensors, chosen, known, strict=True)):
        blocks = fit_rows(tensor, maker, statistics, 0 if checkpoint.tied else salt)
        made = pool.submit(_stored, tensor, blocks, len(plan.new_ids))
        changes[tensor.name] = replaced(tensor, plan, made, encode(statistics.mean, tensor.dtype))
    pool.shutdown(wait=False)
    return changes


def _statistics(tensor: Tensor, maker: RowMaker, plan: RowPlan, name_of: Callable[[int], str]) -> RowStatistics:
    """Look at every used row of a matrix, and measure what its maker or its padding needs."""
    spread: Spread | None = maker.spread
    if spread == "none" and not maker.reads_mean and not plan.padded(tensor.shape[0]):
        spread = None
    return row_statistics(tensor, plan.used_rows(tensor.shape[0]), name_of, spread)


def fit_rows(tensor: Tensor, init: RowMaker, statistics: RowStatistics, salt: int) -> Iterator[Floats]:
    """Yield the new rows of one matrix in fp32, some at a time."""
    ids = init.support()
    old = gather_rows(tensor, ids).reshape(len(ids), statistics.mean.size)
    yield from init.blocks(old, statistics.mean.reshape(-1), statistics.spread, salt)


def _stored(tensor: Tensor, blocks: Iterator[Floats], count: int) -> Bytes:
    """Return so many rows as they will be stored."""
    rows, at = np.empty((count, tensor.row_bytes), np.uint8), 0
    for block in blocks:
        part = np.frombuffer(encode(block, tensor.dtype), np.uint8).reshape(-1, tensor.row_bytes)
        rows[at : at + len(part)] = part
        at += len(part)
    return rows


def replaced(tensor: Tensor, plan: RowPlan, made: Future[Bytes], padding: bytes) -> NewTensor:
    """Return a matrix with the planned rows; those that come from old rows keep their bytes.

    Args:
        tensor: The old matrix.
        plan: Which rows there will be.
        made: New rows, which without an id map may lie on padding rows of the old matrix.
        padding: The row of ids that are neither old nor new (they stay in the softmax).
    """
    return NewTensor(tensor.dtype, (plan.rows, *tensor.shape[1:]), _stretches(tensor, plan, made, padding))


def _stretches(tensor: Tensor, plan: RowPlan, made: Future[Bytes], padding: bytes) -> Iterator[Piece | Span]:
    """Yield the rows that stay in place as one stretch of the old file, the others in blocks."""
    kept = 0
    if plan.id_map is None:
        kept = min([tensor.shape[0], *plan.new_ids[:1].tolist()])
        yield Span(tensor.file, tensor.start, kept * tensor.row_bytes)
    values = made.result()
    for first, last in row_blocks(tensor, plan.rows - kept):
        yield _block(tensor, plan, values, padding, (kept + first, kept + last))


def _block(tensor: Tensor, plan: RowPlan, values: Bytes, padding: bytes, rows: tuple[int, int]) -> Piece:
    first, last = rows
    low, high = np.searchsorted(plan.new_ids, [first, last])
    if high - low == last - first:
        return memoryview(values[low:high]).cast("B")
    old = np.arange(first, last) if plan.old_of is None else plan.old_of[first:last]
    is_old = (old >= 0) & (old < tensor.shape[0])
    block = np.tile(np.frombuffer(padding, np.uint8), (last - first, 1))
    block[is_old] = np.frombuffer(raw_rows(tensor, old[is_old]), np.uint8).reshape(-1, tensor.row_bytes)
    block[plan.new_ids[low:high] - first] = values[low:high]
    return block.tobytes()


def _refuse_uneven(checkpoint: Checkpoint, tensors: list[Tensor]) -> None:
    _refuse_further_tables(checkpoint)
    uneven = [tensor for tensor in tensors if tensor.shape[0] != checkpoint.rows]
    if uneven:
        raise DataError(
            f"{uneven[0].name} has {uneven[0].shape[0]:,} rows and {checkpoint.input.name} {checkpoint.rows:,}",
            place=str(checkpoint.folder),
            fix="repair the checkpoint before expanding it",
        )


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
