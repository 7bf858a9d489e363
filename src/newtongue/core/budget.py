"""Money, estimates and the counts that let estimates chain before anything has run.

Money is in integer micro-dollars wherever it is added up; dollars (`usd`) only at the edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from newtongue.core.config import Settings

MICRO = 1_000_000


def micro_usd(usd: float) -> int:
    """Return dollars as integer micro-dollars, rounded up so that a charge is never too small.

    Example:
        >>> micro_usd(0.0000012)
        2
    """
    from math import ceil

    return ceil(round(usd * MICRO, 6))


class Machine(Settings):
    """Speed and price of the machine that trains; decides estimates, never results."""

    name: str = "laptop-cpu"
    """Label shown in plans and reports."""
    usd_per_hour: float = 0.0
    """Price of the whole machine, dollars per hour."""
    teraflops: float = 0.16
    """Sustained training speed in 10^12 floating-point operations per second, all devices together."""
    memory_gb: float = 16.0
    """Memory available to weights, gradients and activations of one device, in 10^9 bytes."""
    devices: int = 1
    """Accelerators used."""


class Budget(Settings):
    """What a recipe may spend over the lifetime of its store."""

    usd: float | None = None
    """Cap in dollars. None means no cap: only free teachers and an unpriced machine are then allowed."""
    machine: Machine = Machine()
    """Machine that estimates and hourly charges are made for."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Size of an artefact, known or predicted.

    Attributes:
        documents: Rows or documents.
        utf8_bytes: Bytes of text in UTF-8.
        tokens: Tokens under the model that comes next, when known.
        parameters: Weights of a model.
        rows: Rows of its embedding matrix.
        hidden: Width of a model.
        layers: Depth of a model.
        tied: Whether input and output embeddings share storage.
        exact: False when any figure is a prediction.
        extra: Anything else a downstream estimate needs.
    """

    documents: int = 0
    utf8_bytes: int = 0
    tokens: int = 0
    parameters: int = 0
    rows: int = 0
    hidden: int = 0
    layers: int = 0
    tied: bool = True
    exact: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a stage will take, before it runs.

    Attributes:
        seconds: Wall time on the budget's machine: (low, likely, high).
        usd: Dollars paid to teachers and judges: (low, likely, high). Machine time is priced by the runner.
        tokens: Tokens processed by the largest model involved.
        memory_gb: Peak memory of one device in 10^9 bytes.
        disk_gb: Peak disk in 10^9 bytes, scratch included.
        makes: Predicted size of the output.
        notes: Sentences for the plan: assumptions, what is unknown.
        cheaper: Setting that would make it fit when memory does not (`lora: {rank: 16}`), or "".
    """

    seconds: tuple[float, float, float] = (1.0, 2.0, 5.0)
    usd: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tokens: int = 0
    memory_gb: float = 0.5
    disk_gb: float = 0.0
    makes: Counts = Counts()
    notes: tuple[str, ...] = ()
    cheaper: str = ""
