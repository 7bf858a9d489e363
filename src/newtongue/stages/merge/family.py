"""The models that go into a merge: do they belong together, and which of their rows mean the same token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint, open_checkpoint, same_bytes
from newtongue.adapters.hf.safetensors_file import Floats, Tensor, gather_rows, read_rows
from newtongue.adapters.hf.tokenizers import FastTokenizer, read_tokenizer
from newtongue.core.errors import DataError
from newtongue.methods.merging import ABSENT, align_rows


@dataclass(frozen=True)
class Member:
    """One model of a merge.

    Attributes:
        name: How the recipe names it, for messages.
        checkpoint: Its weights.
        tokenizer: Its tokenizer.
    """

    name: str
    checkpoint: Checkpoint
    tokenizer: FastTokenizer

    @cached_property
    def head(self) -> Tensor:
        """The matrix that makes logits: the head, or the input matrix of a tied model."""
        checkpoint = self.checkpoint
        return checkpoint.input if checkpoint.head is None or checkpoint.tied else checkpoint.head

    def counterpart(self, result: Checkpoint, name: str) -> Tensor:
        """Return this model's tensor for a tensor of the result."""
        if result.head is not None and name == result.head.name:
            return self.head
        if name == result.input.name:
            return self.checkpoint.input
        return self.checkpoint.tensors[name]


def open_member(name: str, folder: Path) -> Member:
    """Open one model directory."""
    return Member(name, open_checkpoint(folder), read_tokenizer(folder))


def check_family(first: Member, others: Sequence[Member]) -> None:
    """Refuse models that cannot be added up.

    Raises:
        DataError: Another architecture, a tensor that is missing or of another shape, or a separate head where
            the result has none.
    """
    for other in others:
        _same_architecture(first, other)
        _same_tensors(first, other)
        separate = other.checkpoint.head is not None and not other.checkpoint.tied
        if first.checkpoint.tied and separate and not same_bytes(other.checkpoint.input, other.head):
            raise DataError(
                f"{other.name} has an output matrix of its own, and {first.name} ties it to the input",
                expected="models that are all tied, or an untied first model",
                fix="put the untied model first in `models`",
            )


def _same_architecture(first: Member, other: Member) -> None:
    kinds = [str(member.checkpoint.text_config.get("model_type", "")) for member in (first, other)]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"{first.name} is a {kinds[0]} model and {other.name} a {kinds[1]} model",
            expected="models of one architecture",
            fix="merge models that come from the same base",
        )


def _same_tensors(first: Member, other: Member) -> None:
    vocabulary = {tensor.name for member in (first, other) for tensor in member.checkpoint.vocabulary_tensors()}
    ours, theirs = first.checkpoint.tensors, other.checkpoint.tensors
    for name in sorted((ours.keys() | theirs.keys()) - vocabulary):
        shapes = [list(found.shape) if (found := side.get(name)) else None for side in (ours, theirs)]
        if shapes[0] != shapes[1]:
            said = ["no such tensor" if shape is None else f"shape {shape}" for shape in shapes]
            raise DataError(
                f"tensor {name}: {said[0]} in {first.name}, {said[1]} in {other.name}",
                expected="equal tensors apart from the vocabulary",
                fix="merge models that come from the same base",
            )
    if first.checkpoint.hidden != other.checkpoint.hidden:
        sizes = [f"shape {list(member.checkpoint.input.shape)} in {member.name}" for member in (first, other)]
        raise DataError(f"tensor {first.checkpoint.input.name}: {', '.join(sizes)}", expected="equal widths")


@dataclass(frozen=True)
class Alignment:
    """Where another model keeps the rows of the result's vocabulary.

    Attributes:
        rows: Row in the other model per row of the result, or `ABSENT`; None when the two vocabularies are equal.
    """

    rows: NDArray[np.int64] | None

    @classmethod
    def of(cls, first: Member, other: Member) -> Alignment:
        """Align by token; equal tokenizers with equally many rows need no alignment."""
        total = first.checkpoint.rows
        if first.tokenizer.ids == other.tokenizer.ids and total == other.checkpoint.rows:
            return cls(None)
        rows = align_rows(first.tokenizer.ids, other.tokenizer.ids, total)
        rows[rows >= other.checkpoint.rows] = ABSENT
        return cls(rows)

    def shared(self, total: int) -> int:
        """Return how many of `total` rows the other model has."""
        return total if self.rows is None else int((self.rows != ABSENT).sum())

    def read(self, tensor: Tensor, first: int, last: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the other model's rows for rows `first` to `last` of the result, and which of them it has."""
        if self.rows is None:
            return read_rows(tensor, first, last), np.ones(last - first, bool)
        wanted = self.rows[first:last]
        present = wanted != ABSENT
        out = np.zeros((last - first, *tensor.shape[1:]), np.float32)
        out[present] = gather_rows(tensor, wanted[present]).reshape(-1, *tensor.shape[1:])
        return out, present
