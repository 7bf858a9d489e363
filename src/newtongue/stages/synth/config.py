"""Settings of the `synth` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from newtongue.core.config import ConversationsRef, CorpusRef, Settings, StageConfig, operational
from newtongue.core.teacher import Teacher
from newtongue.stages.synth.generators.self_instruct import SelfInstruct


class Prompt(Settings):
    """What one request shows and asks for."""

    exemplars: int = Field(3, ge=1, le=10)
    """Seed tasks shown."""
    already_written: int = Field(3, ge=0, le=10)
    """Instructions accepted in earlier rounds that are named so that new ones differ."""
    tasks: int = Field(4, ge=1, le=20)
    """Tasks asked for."""
    grounded: list[str] = Field(default_factory=lambda: ["qa", "generation", "translation", "classification"])
    """Task types whose requests carry a document, when there are documents."""
    max_document_characters: int = Field(1500, ge=100)
    """Longer documents are cut at a paragraph or sentence."""


class SynthConfig(StageConfig):
    """Let a teacher write instruction data from seed tasks and documents.

    The held-out side has its own seeds: a row on one side was never shown, and never shows, a seed of the other.
    Documents are read on their training side only, and rows grounded on one stay on that side.
    """

    MAKES: ClassVar[str] = "Conversations"

    teacher: Teacher
    """Who writes."""
    language: str
    """Tag of the language to write in."""
    generator: SelfInstruct = SelfInstruct()
    """How rows come about."""
    prompt_language: Literal["english", "target"] = "english"
    """Whether prompts are in English or, where they are shipped, in the language itself."""
    other_language: str = "eng_Latn"
    """The second language of rows that have two (translation, cross-lingual)."""
    seeds: ConversationsRef
    """Seed tasks: rows with `task`, `instruction`, `input`, `output`, and `labels` where there are some."""
    documents: CorpusRef | None = None
    """Documents that tasks may be grounded on; only the training side is read."""
    translations: CorpusRef | None = None
    """The same documents in another language, matched by group; shown with them in `translation` requests."""
    tasks: dict[str, float] = Field(default_factory=dict)
    """Task type -> relative weight; empty takes every type of the seeds alike."""
    rows: int = Field(500, ge=1)
    """Accepted rows to aim for."""
    max_requests: int | None = Field(None, ge=1)
    """Give up after this many requests; None allows three per row."""
    prompt: Prompt = Prompt()
    """What one request shows and asks for."""
    max_answer_characters: int = Field(1000, ge=20)
    """Longer answers are rejected; the prompt says so."""
    max_similarity: float = Field(0.7, gt=0, le=1)
    """A row is dropped when instruction and input are more similar (ROUGE-L F on Unicode words) to a seed or a row."""
    heldout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of seeds, and of rows, on the held-out side."""
    seed: int = 0
    """Seed of draws and of requests."""
    concurrency: int = operational(8, ge=1)
    """Requests in flight at most."""
    timeout_seconds: float = operational(120.0, gt=0)
    """Time after which a request is tried again, seconds."""
    max_attempts: int = operational(5, ge=1)
    """Attempts per request and run, the first included."""

    def rehearsal(self) -> Self:
        """Ask for forty rows, enough of them held out that both sides have some."""
        heldout = max(self.heldout_fraction, 0.4) if self.heldout_fraction else 0.0
        return self.model_copy(update={"rows": min(self.rows, 40), "heldout_fraction": heldout})
