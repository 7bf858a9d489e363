"""Settings of the `report` stage."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from newtongue.core.config import AnyRef, ScoresRef, StageConfig


class ReportConfig(StageConfig):
    """Show what was gained, what was kept and what it cost, in one page."""

    MAKES: ClassVar[str] = "Report"

    before: ScoresRef
    """Scores of the base model."""
    after: ScoresRef
    """Scores of the final model."""
    steps: dict[str, ScoresRef] = Field(default_factory=dict)
    """Scores of models in between, by label, in order."""
    controls: dict[str, ScoresRef] = Field(default_factory=dict)
    """Scores of control runs, by label."""
    twins: dict[str, str] = Field(default_factory=dict)
    """Name of a set -> name of the set that holds the same items in the reference language."""
    same_items: dict[str, list[str]] = Field(default_factory=dict)
    """Name of a set in the reference language -> names of sets that hold the same items, one per other language:
    who agrees with whom, and how much of the reference each language reaches."""
    stages: list[AnyRef] = Field(default_factory=list)
    """Artefacts whose cards, counts and costs the report shows, in order."""
    max_retention_loss: float = Field(0.03, ge=0)
    """Kept languages may get worse by this share of bits per byte before the verdict says so."""
    min_faithful_fraction: float = Field(0.95, ge=0, le=1)
    """Share of generated answers that must be in the language; loops and empty answers are failures."""
    min_stopped_fraction: float = Field(0.9, ge=0, le=1)
    """Share of generated answers that must end with the stop token."""
    max_accuracy_loss: float = Field(0.02, ge=0)
    """Tasks of kept languages may lose this share of correct answers."""
    max_saving_loss: float = Field(0.02, ge=0)
    """The share of bits saved by examples in the context may fall by this much."""
    samples: int = Field(8, ge=0)
    """Answers of the two models shown side by side, spread over the task types."""
    gate: bool | list[Literal["gain", "controls", "retention", "fidelity", "stopping"]] = False
    """Verdicts that end the run with exit code 6 when they fail, now and whenever it is run again; `true` means all."""
    model_license: str = "unknown"
    """Licence of the final model for its card, as the hub spells it (`apache-2.0`, `llama3.1`)."""
    title: str = ""
    """Heading; empty names the target language."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Coverage of the intervals."""
    bootstrap_draws: int = Field(10_000, ge=200)
    """Draws of the paired bootstrap."""
    seed: int = 0
    """Seed of the bootstrap."""
