"""Combine models in weight space. Every function works on one tensor (or a block of its rows) in fp32.

The caller rounds once, at the end. For tensors with one row per token the rows are aligned by token first
(`align_rows`), because vocabularies may differ; a row that other models lack stays what it is.

    R  rows of a block    D  width    K  models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError

Floats = NDArray[np.float32]
Present = NDArray[np.bool_]
Values = TypeVar("Values", Floats, Present)
ABSENT = -1


def linear(tensors: Sequence[Floats], weights: Sequence[float], present_KR: Present | None = None) -> Floats:
    """Average tensors with weights that are scaled to sum to 1.

    Args:
        tensors: One per model, equal shapes; rows a model lacks may hold anything finite.
        weights: One per model, any sign, their sum not 0.
        present_KR: Which model has which row; None means all. A row is averaged over the models that have it;
            where their weights sum to 0 it is the first model's.

    Returns:
        The weighted mean in fp32.

    Raises:
        DataError: The weights sum to 0.

    Example:
        >>> linear([np.float32([[2.0]]), np.float32([[4.0]])], [3, 1])
        array([[2.5]], dtype=float32)

    Source: Wortsman et al. 2022 (arXiv 2203.05482), uniform soup, with weights; per-row presence is ours.
    """
    total = float(np.sum(weights))
    if abs(total) < 1e-12:
        raise DataError(f"the weights {list(weights)} sum to 0", expected="a sum that is not 0")
    scaled = np.asarray(weights, np.float64) / total
    if present_KR is None:
        present_KR = np.ones((len(tensors), 1), bool)
    shares_KR = scaled[:, None] * present_KR
    sums_R = shares_KR.sum(0)
    lost_R = np.abs(sums_R) < 1e-12
    shares_KR = (shares_KR / np.where(lost_R, 1.0, sums_R)).astype(np.float32)
    shares_KR[0, lost_R] = 1.0
    out: Floats = _column(shares_KR[0], tensors[0]) * tensors[0]
    for share_R, tensor in zip(shares_KR[1:], tensors[1:], strict=True):
        out = out + _column(share_R, tensor) * tensor
    return out


def task_arithmetic(
    own: Floats,
    base: Floats,
    tensors: Sequence[Floats],
    weights: Sequence[float],
    shared_KR: Present | None = None,
) -> Floats:
    """Add weighted task vectors (model minus base) to a base.

    Args:
        own: What a row is when the base lacks it: the result's own model.
        base: The common ancestor's tensor.
        tensors: The fine-tuned tensors.
        weights: One per tensor.
        shared_KR: Which rows the base and each model have; None means all. A model adds nothing to a row it lacks.

    Returns:
        `base + sum_k weight_k (tensor_k - base)` in fp32; `own` where the base lacks the row.

    Source: Ilharco et al. 2023 (arXiv 2212.04089), section 2; rows outside the base's vocabulary are ours.
    """
    out = base.astype(np.float32, copy=True)
    for number, (tensor, weight) in enumerate(zip(tensors, weights, strict=True)):
        delta = np.float32(weight) * (tensor - base)
        out += delta if shared_KR is None else np.where(_column(shared_KR[number], delta), delta, np.float32(0))
    if shared_KR is None:
        return out
    return np.where(_column(shared_KR[0], out), out, own)


def chat_vector(
    adapted: Floats, base: Floats, instruct: Floats, weight: float = 1.0, shared_R: Present | None = None
) -> Floats:
    """Add what instruction tuning did to a base onto a model adapted from the same base.

    Args:
        adapted: Tensor of the model that learnt the language.
        base: Tensor of the base model.
        instruct: Tensor of the base's instruction-tuned sibling.
        weight: Scale of the vector.
        shared_R: Rows that all three have; others stay as in `adapted`. None means all.

    Returns:
        `adapted + weight (instruct - base)` in fp32.

    Source: Huang et al. 2024 (arXiv 2310.04799), eq. 1; rows of new tokens stay the adapted model's own.
    """
    moved: Floats = adapted + np.float32(weight) * (instruct - base)
    return moved if shared_R is None else np.where(_column(shared_R, moved), moved, adapted)


def align_rows(result: Mapping[str, int], other: Mapping[str, int], rows: int) -> NDArray[np.int64]:
    """Say for each row of the result's vocabulary where another model keeps the same token.

    Args:
        result: Token -> id of the model that decides the vocabulary.
        other: Token -> id of the other model.
        rows: Rows of the result's matrix; padding rows have no token.

    Returns:
        Row in the other model, or `ABSENT`, per row.

    Example:
        >>> align_rows({"a": 0, "b": 1}, {"b": 0}, 3)
        array([-1,  0, -1])

    Source: own.
    """
    found = np.full(rows, ABSENT, np.int64)
    for token, number in result.items():
        if number < rows:
            found[number] = other.get(token, ABSENT)
    return found


def _column(values: Values, like: Floats) -> Values:
    """Shape one value per row so that it applies to every column of `like`."""
    return values.reshape(-1, *([1] * (like.ndim - 1)))
