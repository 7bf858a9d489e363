"""What one training is asked to do: its data and schedule as functions of the step, its optimiser, its machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from newtongue.adapters.training.devices import Devices
from newtongue.adapters.training.loss import IGNORED
from newtongue.adapters.training.teacher import Teacher

GRAIN = 32
"""Rows are padded to a multiple of this: kernels are prepared anew for every length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The sequences of one optimiser step.

    Attributes:
        inputs: Token ids, `S x T`.
        labels: The token that follows each, `S x T`; -100 where it carries no loss.
        sources: Number of the source each sequence comes from, `S`.
    """

    inputs: NDArray[np.int64]
    labels: NDArray[np.int64]
    sources: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained, as functions of the step.

    Attributes:
        steps: Optimiser steps in all.
        batch: Step -> sequences.
        rate: Step -> share of the peak learning rate.
        tokens_per_step: Tokens of one step, for progress and the log.
        sources: Name of each source number.
        bytes_per_token: Mean UTF-8 bytes of a labelled token of each source, for bits per byte; 0 when unknown.
    """

    steps: int
    batch: Callable[[int], Batch]
    rate: Callable[[int], float]
    tokens_per_step: int
    sources: Sequence[str]
    bytes_per_token: Sequence[float]


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is trained. The last four change speed and place, never the result beyond rounding."""

    learning_rate: float
    embedding_learning_rate: float
    weight_decay: float
    max_grad_norm: float
    dropout: float = 0.0
    teacher: Teacher | None = None
    mixed: Callable[[int, int], int] = lambda seed, number: seed * 1_000_003 + number
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    betas: tuple[float, float] = (0.9, 0.95)
    seed: int = 0
    micro_batch: int = 8
    save_every_seconds: float = 60.0
    devices: Devices = field(default_factory=lambda: Devices(torch.device("cpu")))
    progress: Callable[..., None] = lambda *_, **__: None

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        return self.devices.device


def padded_lengths(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how much of each row is computed: up to its last label, in whole grains where the rows are wide enough.

    Args:
        labels: Labels of rows in order of length, `S x T`; -100 where there is no loss.

    Returns:
        Tokens, at least 1 and at most T, never fewer than of the row before, shape `S`.
    """
    width = labels.shape[1]
    places = np.arange(1, width + 1) * (labels != IGNORED)
    grains = -(-np.maximum(places.max(axis=1), 1) // GRAIN) * GRAIN
    return np.maximum.accumulate(np.minimum(grains, width))
