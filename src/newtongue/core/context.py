"""What the runner hands to a stage beside its config. Nothing here changes a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from newtongue.core.artefact import Artefact
from newtongue.core.config import Ref


class Journal(Protocol):
    """Writes one line to the stage's `journal.jsonl`: stage events, never one per row."""

    def __call__(self, event: str, **facts: Any) -> None:
        """Record `event` with plain JSON facts."""


class Progress(Protocol):
    """Shows how far the work is; cheap enough to call for every batch."""

    def __call__(self, done: float, total: float | None, unit: str, *, note: str = "") -> None:
        """Report `done` of `total` units (`tokens`, `rows`, `documents`, `bytes`)."""


@dataclass(frozen=True, slots=True)
class Context:
    """Places, inputs and reporters of one running stage.

    Attributes:
        directory: The stage directory; a stage writes only below `payload` and `scratch`.
        payload: Where the artefact goes. Empty when the stage starts.
        scratch: Resume state. Survives a kill; removed after sealing.
        inputs: Text of each reference in the config -> the artefact behind it.
        store: The store's folder, for the ledger. None when a stage runs without one.
        journal: Records stage events.
        progress: Shows progress.
    """

    directory: Path
    payload: Path
    scratch: Path
    inputs: Mapping[str, Artefact]
    store: Path
    journal: Journal
    progress: Progress

    def __getitem__(self, ref: Ref) -> Artefact:
        """Return the artefact behind a reference of the config."""
        return self.inputs[str(ref)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage says of its work when it is done; goes into the manifest and the card.

    Attributes:
        counts: Plural noun -> number (`documents`, `tokens`, `rows`); deterministic.
        metrics: Name with unit -> value; deterministic on one machine.
        licences: Licence -> number of rows or files under it.
        languages: Tags of the languages in the artefact.
        card: Paragraphs for `card.md`: what was done, sources to cite, warnings.
        costs: Name with unit -> value for volatile facts (`seconds`, `usd`), outside the digest.
        volatile: Payload file names outside the digest (a report's HTML, `costs.json`).
        gate: None, or the sentence in which a gate says no (exit code 6 after sealing).
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    licences: Mapping[str, int] = field(default_factory=dict)
    languages: Sequence[str] = ()
    card: Sequence[str] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    volatile: Sequence[str] = ()
    gate: str | None = None
