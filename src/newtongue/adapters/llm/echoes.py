"""What an endpoint says of a given text: answers of `/completions` to `echo` with `logprobs`. No network here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from newtongue.adapters.llm.requests import Reading, beginning, read_response

NO_ECHO: Final = "no log-probabilities"
"""Why a run stops whose endpoint answers and does not give what was asked for."""
TIE: Final = 1e-6
"""Log-probabilities nearer than this are equal, nats."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A text as the server's tokenizer cuts it.

    Attributes:
        tokens: Texts of its tokens, with those the server puts before it; parts of a character print as they may.
        logprobs: Natural log-probability of each, None for a first token that nothing stands before.
        greedy: Whether each is the likeliest token at its place.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    greedy: tuple[bool, ...]


def read_echoed(status: int, raw: bytes, retry_after: str | None = None) -> Reading:
    """Decide what a response to `echo` means: `read_response`, and whether it holds what was asked for."""
    reading = read_response(status, raw, retry_after)
    if reading.verdict == "refused" and (b"echo" in raw or b"logprobs" in raw):
        return Reading("stop", NO_ECHO, detail=f"it refuses `echo` with `logprobs`: {beginning(raw)!r}")
    if reading.verdict == "answer":
        try:
            read_echo(raw)
        except ValueError as error:
            return replace(reading, verdict="stop", why=NO_ECHO, detail=str(error))
    return reading


def read_echo(raw: bytes) -> Echo:
    """Read an answer of `/completions` to `echo`, without what was generated after the text.

    Raises:
        ValueError: The log-probabilities of the prompt are not in it; says what is there instead.
    """
    try:
        answer = orjson.loads(raw)
        found = answer["choices"][0]["logprobs"]
        tokens, values, best = (list(found[name] or ()) for name in ("tokens", "token_logprobs", "top_logprobs"))
        said = (answer.get("usage") or {}).get("completion_tokens")
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("it answers without log-probabilities") from None
    kept = len(tokens) - (1 if said is None else int(said))
    # a server that ignores `echo` returns the generated token alone
    if kept < 1 or not len(tokens) == len(values) == len(best) or any(value is None for value in values[1:kept]):
        raise ValueError("it takes no notice of `echo`")
    greedy = tuple(_is_best(value, top) for value, top in zip(values[:kept], best[:kept], strict=True))
    logprobs = tuple(None if value is None else float(value) for value in values[:kept])
    return Echo(tuple(map(str, tokens[:kept])), logprobs, greedy)


def _is_best(value: float | None, top: Mapping[str, Any] | None) -> bool:
    return value is not None and bool(top) and value >= max(map(float, (top or {}).values())) - TIE
