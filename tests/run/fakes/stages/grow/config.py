"""A stage for tests of the runner: cheap, resumable, and able to fail in every way a real one can."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from newtongue.core.config import AnyRef, CorpusRef, ModelRef, Secret, Settings, StageConfig, operational


class Teacher(Settings):
    """A nested group with all sorts of settings."""

    url: str | None = operational(None)
    """Where it is."""
    api_key: Secret | None = None
    """Its key."""
    temperature: float = 1.0
    """A semantic one."""


class GrowConfig(StageConfig):
    """Write some chunks of text."""

    MAKES: ClassVar[str] = "Corpus"

    inputs: list[AnyRef] = Field(default_factory=list)
    """Artefacts it depends on."""
    corpus: CorpusRef | None = None
    """Text it depends on."""
    model: ModelRef | None = None
    """Model it depends on."""
    named: dict[str, CorpusRef] = Field(default_factory=dict)
    """Texts by name."""
    language: str | None = None
    """A language tag."""
    teacher: Teacher = Teacher()
    """Nested settings."""
    makes_kind: str = "Corpus"
    """Kind it makes."""
    chunks: int = Field(3, ge=1)
    """How much it writes."""
    text: str = "a"
    """What it writes."""
    learning_rate: float = 1e-3
    """A number."""
    seed: int = 0
    """A seed."""
    gate: bool = False
    """Whether its gate says no."""
    workers: int = operational(1, ge=1)
    """Changes nothing."""
    delay_seconds: float = operational(0.0)
    """Time per chunk."""
    fault: Literal["", "data", "provider", "budget", "bug", "memory", "killed", "leak", "write"] = operational("")
    """How it fails after its first chunk."""
    usd: float = operational(0.0)
    """What it is estimated to cost."""
    memory_gb: float = operational(0.1)
    """What it is estimated to need."""
    disk_gb: float = operational(0.0)
    """What it is estimated to need."""

    def makes(self) -> str:
        """Return the kind asked for."""
        return self.makes_kind

    def rehearsal(self) -> Self:
        """One chunk."""
        return self.model_copy(update={"chunks": 1})
