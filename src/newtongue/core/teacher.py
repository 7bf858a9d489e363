"""Settings of teachers and judges: who answers, at what price, under which licence, and who is asked what.

Shared by every stage that asks a model (`synth`, `translate`, judges of `eval`). Nothing here does any I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from newtongue.core.config import Secret, Settings, operational

Wire = Literal["chat", "libretranslate", "deepl"]
"""Chat completions as OpenAI serves them, LibreTranslate's `/translate`, DeepL's `/v2/translate`."""
TOKEN_PRICES: Final = ("usd_per_million_input_tokens", "usd_per_million_output_tokens")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that are this machine: their endpoints are free where no price is given."""


class Teacher(Settings):
    """A model that answers: any OpenAI-compatible chat endpoint, a translation service, or the offline stand-in."""

    url: str | None = operational(None)
    """Base URL up to and including `/v1`, or `env:NAME` that holds it."""
    serve: Literal["offline"] | None = None
    """`offline` starts the shipped stand-in teacher on loopback for the time of the stage."""
    protocol: Wire = "chat"
    """What the endpoint speaks; `libretranslate` and `deepl` are translation services and only translate."""
    model: str = "offline"
    """Model name sent with every request."""
    api_key: Secret | None = None
    """`env:NAME` of the key, when the endpoint wants one."""
    temperature: float = Field(1.0, ge=0, le=2)
    """Sampling temperature."""
    max_tokens: int = Field(2048, ge=1)
    """Longest answer in tokens, all tasks of one request together."""
    usd_per_million_input_tokens: float | None = operational(None, ge=0)
    """Price of prompt tokens; must be given, 0 included, for an endpoint on another machine."""
    usd_per_million_output_tokens: float | None = operational(None, ge=0)
    """Price of answer tokens; must be given, 0 included, for an endpoint on another machine."""
    usd_per_million_characters: float | None = operational(None, ge=0)
    """Price of a translation service, per character of the source; must be given, 0 included, like the others."""
    language_codes: dict[str, str] = Field(default_factory=dict)
    """Tag -> code a translation service knows the language by, where it is not the shortest one (`por_Latn: PT-BR`)."""
    request: dict[str, Any] = Field(default_factory=dict)
    """Keys added to every request, for providers that differ; null removes one (`{seed: null, top_p: 0.9}`)."""
    structured: Literal["schema", "json", "none"] = "schema"
    """How a wanted form is told to the server: `schema` (`response_format: json_schema`), `json`, or not at all."""
    batch_usd_fraction: float | None = operational(None, gt=0, le=1)
    """Send through the endpoint's batch files at this share of the price; None sends one by one."""
    license: str = "unknown"
    """Terms the answers come under."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """Call a translation service by its protocol where the recipe names no model."""
        service = isinstance(given, dict) and given.get("protocol", "chat") != "chat"
        return {"model": given["protocol"], **given} if service else given

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.serve is None):
            raise ValueError("give either `url` or `serve`")
        return self

    @model_validator(mode="after")
    def _translating(self) -> Self:
        chat = {"batch_usd_fraction": self.batch_usd_fraction, **dict(zip(TOKEN_PRICES, self._given, strict=True))}
        if self.protocol == "chat":
            if self.usd_per_million_characters is not None or self.language_codes:
                raise ValueError("`usd_per_million_characters` and `language_codes` are for translation services")
        elif self.serve:
            raise ValueError("`serve: offline` speaks `protocol: chat`")
        elif wrong := [name for name, value in chat.items() if value is not None]:
            raise ValueError(f"`{wrong[0]}` is for `protocol: chat`; give `usd_per_million_characters`")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.protocol != "chat":
            return self
        if not isinstance(self.body().get("max_tokens", self.request.get("max_completion_tokens")), int):
            raise ValueError("`request` must leave `max_tokens` or give `max_completion_tokens`: the price rests on it")
        if "messages" in self.request or "model" in self.request:
            raise ValueError("`request` cannot change `messages` or `model`")
        return self

    @model_validator(mode="after")
    def _priced(self) -> Self:
        away = self.url and urlsplit(self.url).hostname not in LOOPBACK and not self.url.startswith("env:")
        if away and not self.priced:
            raise ValueError(f"give {self.price_names} (0 where it is free): the budget rests on them")
        return self

    @property
    def _given(self) -> tuple[float | None, float | None]:
        return self.usd_per_million_input_tokens, self.usd_per_million_output_tokens

    @property
    def priced(self) -> bool:
        """Whether the recipe states what an answer costs."""
        return (self.usd_per_million_characters is not None) if self.protocol != "chat" else None not in self._given

    @property
    def price_names(self) -> str:
        """The settings that state a price, for messages."""
        names = TOKEN_PRICES if self.protocol == "chat" else ("usd_per_million_characters",)
        return " and ".join(f"`{name}`" for name in names)

    def body(self) -> dict[str, Any]:
        """Return the settings every request carries, `request` applied."""
        body = {"temperature": self.temperature, "max_tokens": self.max_tokens, **self.request}
        return {key: value for key, value in body.items() if value is not None}

    @property
    def prices(self) -> tuple[float, float]:
        """Dollars per million (prompt, answer) tokens; 0 where none is given."""
        return self.usd_per_million_input_tokens or 0.0, self.usd_per_million_output_tokens or 0.0


class Routing(Settings):
    """Which teacher answers which request, when there are several."""

    mode: Literal["fixed", "best_of_k", "learned"] = "fixed"
    """`fixed`: the first teacher; `best_of_k`: ask several, keep the best; `learned`: most good rows per dollar."""
    by_task: dict[str, str] = Field(default_factory=dict)
    """Task type -> name of its teacher, in every mode; the mode decides about the other tasks."""
    k: int = Field(2, ge=2, le=8)
    """Teachers asked per request, with `best_of_k`; the first ones of the recipe."""
    judges: list[str] = Field(default_factory=list)
    """Names of teachers that only judge; none judges an answer of its own model."""
    min_score: float = Field(0.5, ge=0, le=1)
    """Mean judge score (0 to 1) from which an answer counts as good, with `learned`."""
    explore_fraction: float = Field(0.1, ge=0, le=1)
    """Share of requests that go to a teacher drawn evenly, with `learned`."""
    max_share: float = Field(0.9, gt=0, le=1)
    """Largest share of a task's requests one teacher gets, with `learned`."""
    window: int = Field(32, ge=1)
    """Requests decided together, from what came of the windows before the last, with `learned`."""


class Sending(Settings):
    """How requests are sent; changes speed and place, never a result."""

    concurrency: int = operational(8, ge=1)
    """Requests in flight at most, per teacher; fewer while a provider answers 429."""
    timeout_seconds: float = operational(120.0, gt=0)
    """Time after which an attempt counts as lost, seconds."""
    max_attempts: int = operational(5, ge=1)
    """Attempts per request and run, the first included; a 429 counts a quarter."""
    backoff_seconds: float = operational(0.5, gt=0)
    """First pause before a request is tried again, seconds; doubles with each, unless the provider says when."""
    shards: int = operational(1, ge=1)
    """Processes that share a stage's requests by their keys, each with a slice of the budget."""
    ray: bool = operational(False)
    """Run the shards as tasks of a Ray cluster (extra `scale`, `RAY_ADDRESS`) instead of processes of this machine."""


def check_teachers(teachers: Mapping[str, Teacher], routing: Routing) -> None:
    """Refuse a routing that names nobody or leaves nobody to answer.

    Raises:
        ValueError: In the words of the recipe; call it from a validator.
    """
    answering = answering_teachers(teachers, routing)
    for place, name in [*((f"by_task.{task}", n) for task, n in routing.by_task.items()),
                        *(("judges", n) for n in routing.judges)]:  # fmt: skip
        if name not in teachers:
            raise ValueError(f"`routing.{place}` names `{name}`; the teachers are {', '.join(teachers)}")
    if not answering:
        raise ValueError("every teacher is a judge or has tasks of its own; none is left to answer")
    if routing.mode == "best_of_k" and len(answering) < routing.k:
        raise ValueError(f"`routing.k` is {routing.k}; {len(answering)} teachers answer")
    if routing.mode == "learned" and any(one.batch_usd_fraction for one in teachers.values()):
        raise ValueError("`learned` decides window by window, and a batch file may take a day: no `batch_usd_fraction`")


def answering_teachers(teachers: Mapping[str, Teacher], routing: Routing) -> list[str]:
    """Return the names the mode chooses among: those that neither judge nor have tasks of their own.

    With `fixed`, a teacher that has tasks of its own answers the others as well when it is the first.
    """
    own = set(routing.by_task.values()) if routing.mode != "fixed" else set()
    return [name for name in teachers if name not in routing.judges and name not in own]
