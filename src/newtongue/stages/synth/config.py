"""Settings of the `synth` stage."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import ConversationsRef, CorpusRef, Secret, Settings, StageConfig, operational


class Teacher(Settings):
    """A model that answers: any OpenAI-compatible chat endpoint, or the shipped offline stand-in."""

    url: str | None = operational(None)
    """Base URL up to and including `/v1`, or `env:NAME` that holds it."""
    serve: Literal["offline"] | None = None
    """`offline` starts the shipped stand-in teacher on loopback for the time of the stage."""
    model: str = "offline"
    """Model name sent with every request."""
    api_key: Secret | None = None
    """`env:NAME` of the key, when the endpoint wants one."""
    temperature: float = Field(1.0, ge=0, le=2)
    """Sampling temperature."""
    max_tokens: int = Field(2048, ge=1)
    """Longest answer in tokens, all tasks of one request together."""
    usd_per_million_input_tokens: float = operational(0.0, ge=0)
    """Price of prompt tokens."""
    usd_per_million_output_tokens: float = operational(0.0, ge=0)
    """Price of answer tokens."""
    request: dict[str, Any] = Field(default_factory=dict)
    """Keys added to every request, for providers that differ; null removes one (`{seed: null, top_p: 0.9}`)."""
    license: str = "unknown"
    """Terms the answers come under."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.serve is None):
            raise ValueError("give either `url` or `serve`")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not isinstance(self.body().get("max_tokens", self.request.get("max_completion_tokens")), int):
            raise ValueError("`request` must leave `max_tokens` or give `max_completion_tokens`: the price rests on it")
        if "messages" in self.request or "model" in self.request:
            raise ValueError("`request` cannot change `messages` or `model`")
        return self

    def body(self) -> dict[str, Any]:
        """Return the settings every request carries, `request` applied."""
        body = {"temperature": self.temperature, "max_tokens": self.max_tokens, **self.request}
        return {key: value for key, value in body.items() if value is not None}


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
