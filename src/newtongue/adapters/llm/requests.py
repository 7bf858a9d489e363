"""Requests to a chat endpoint and what their answers mean: keys, prices, classes of failure. No network here."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, NamedTuple

import orjson

Body = Mapping[str, Any]
"""The JSON object sent: model, messages (or `prompt`, to `/completions`), sampling settings, seed."""

BYTES_PER_MESSAGE: Final = 32
"""Allowance for the template around one message, in tokens; every token covers at least one byte of text."""
PROMPT_PARTS: Final = ("response_format", "tools", "functions", "guided_json")
"""Keys of a request whose content providers put into the prompt."""
RATE_LIMITED: Final = 429
RETRY_STATUS: Final = frozenset({408, 409, 425, RATE_LIMITED})
"""Statuses below 500 that say `later`, not `never`."""
OWN_FAULT_STATUS: Final = frozenset({400, 413, 422})
"""Statuses that refuse one request (too long, content filter) and say nothing about the others."""

NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Error codes that say, under any status, that no request will be answered."""
TOO_LONG_WHY: Final = "too long for the model"
"""Reason of a refusal that says so."""
OWN_FAULTS: Final = {
    "context_length_exceeded": TOO_LONG_WHY,
    "string_above_max_length": TOO_LONG_WHY,
    "content_filter": "content filter",
    "content_policy_violation": "content filter",
}
"""Error codes that refuse one request -> the reason, the same for every provider."""
TOO_LONG: Final = re.compile(
    rb"context[ _](?:length|size|window)|max_model_len|maximum (?:input|sequence) length", re.I
)
"""What refusals of a text longer than the model's context say, where they carry no code for it."""
THINKING: Final = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)\s*", re.DOTALL)
"""Reasoning that a server left inside the answer."""
UNUSABLE: Final = "unusable JSON"
SHOWN_BYTES: Final = 120
"""How much of an unexpected body a message quotes."""

Verdict = Literal["answer", "refused", "retry", "stop"]


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider charges.

    Attributes:
        input: Micro-dollars per prompt token (the same number as dollars per million).
        output: Micro-dollars per answer token.
        character: Micro-dollars per character of the source, for translation services.
    """

    input: float = 0.0
    output: float = 0.0
    character: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> int:
        """Return the price of one request in micro-dollars, rounded up.

        Example:
            >>> Price(0.15, 0.6).of(10, 2)
            3
        """
        return _rounded_up(input_tokens * self.input + output_tokens * self.output)

    def of_characters(self, characters: int) -> int:
        """Return the price of translating so many characters in micro-dollars, rounded up.

        Example:
            >>> Price(character=20.0).of_characters(3)
            60
        """
        return _rounded_up(characters * self.character)

    def worst_case(self, body: Body) -> int:
        """Return the most a request can cost: every byte of its messages or prompt a token, and the longest answers."""
        texts = [message["content"] for message in body["messages"]] if "messages" in body else [body["prompt"]]
        prompt = sum(len(text.encode()) + BYTES_PER_MESSAGE for text in texts)
        prompt += sum(len(orjson.dumps(body[name])) for name in PROMPT_PARTS if name in body)
        longest = int(body.get("max_tokens") or body["max_completion_tokens"]) * int(body.get("n") or 1)
        return self.of(prompt, longest)

    def times(self, fraction: float) -> Price:
        """Return a discounted price (batch files)."""
        return Price(self.input * fraction, self.output * fraction)


FREE: Final = Price()


def _rounded_up(micro_usd: float) -> int:
    """Return whole micro-dollars; what floating point adds to a whole number is no money."""
    return math.ceil(micro_usd - 5e-7)


class Completion(NamedTuple):
    """The useful part of an answer.

    Attributes:
        text: What the model wrote; "" for an empty or refused answer.
        finish_reason: `stop`, `length`, `content_filter`, ….
        model: The model that says it answered.
        input_tokens: Prompt tokens billed, or None when the provider does not say.
        output_tokens: Answer tokens billed, or None when the provider does not say.
        stand_in: Whether the offline stand-in wrote it.
        refusal: What the model says instead of an answer, where the protocol has a field for it.
        characters: Characters billed by a translation service, or None when it does not say.
    """

    text: str
    finish_reason: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    stand_in: bool = False
    refusal: str = ""
    characters: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What to do with one response.

    Attributes:
        verdict: `answer` keep it; `refused` this request will never work; `retry` later; `stop` none will work.
        why: Short reason for journals and messages.
        completion: The answer, when there is one.
        detail: How the body begins, when it is not an answer.
        pause_seconds: The wait the provider asks for, when it asks for one.
    """

    verdict: Verdict
    why: str = ""
    completion: Completion | None = None
    detail: str = ""
    pause_seconds: float | None = None


def request_key(body: Body, **beside: Any) -> str:
    """Return the identity of a request: everything that shapes its answer, and nothing else (not the url).

    Args:
        body: Everything that is sent: model, messages, sampling settings, wanted form.
        beside: What is not sent and tells answers apart all the same: the teacher's name where there are several,
            the number of the sample. Empty values count as absent.

    Example:
        >>> request_key({"model": "m", "seed": 1}) == request_key({"seed": 1, "model": "m"}, teacher="", sample=0)
        True
    """
    known = {name: value for name, value in beside.items() if value}
    content = [dict(body), known] if known else dict(body)
    return hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=20).hexdigest()


def read_response(status: int, raw: bytes, retry_after: str | None = None) -> Reading:
    """Decide what a response means.

    Args:
        status: HTTP status.
        raw: The whole body.
        retry_after: The `Retry-After` header, if any.
    """
    html, detail = looks_like_html(raw), beginning(raw)
    code = "" if status == 200 else error_code(raw)
    if code in NO_CREDIT:
        return Reading("stop", f"HTTP {status}", detail=detail)
    if status in OWN_FAULT_STATUS and not html:
        why = OWN_FAULTS.get(code) or (TOO_LONG_WHY if status == 413 or TOO_LONG.search(raw) else f"HTTP {status}")
        return Reading("refused", why, detail=detail)
    if status in RETRY_STATUS or status >= 500:
        return retry_reading(status, raw, retry_after)
    if status != 200:
        return Reading("stop", f"HTTP {status}", detail=detail)
    if html:
        return Reading("stop", "HTML instead of JSON", detail=detail)
    completion = read_completion(raw)
    return Reading("answer", completion=completion) if completion else Reading("retry", UNUSABLE, detail=detail)


def retry_reading(status: int, raw: bytes, retry_after: str | None) -> Reading:
    """Return the reading of a response that says `later`, with the wait it asks for."""
    pause = retry_after_seconds(retry_after, time.time())
    return Reading("retry", f"HTTP {status}", detail=beginning(raw), pause_seconds=pause)


def error_code(raw: bytes) -> str:
    """Return the `code` (else the `type`) of an error body, or "" when it has none.

    Example:
        >>> error_code(b'{"error": {"code": "content_filter", "message": "no"}}')
        'content_filter'
    """
    try:
        error = orjson.loads(raw)["error"]
        return str(error.get("code") or error.get("type") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""


def beginning(raw: bytes) -> str:
    """Return the start of a body in one line, for messages."""
    return " ".join(raw[:SHOWN_BYTES].decode("utf-8", "replace").split())


def read_completion(raw: bytes) -> Completion | None:
    """Return the first choice of a completion, chat or plain, or None when the body is not one."""
    try:
        reply = _parse(raw)
        choice = reply["choices"][0]
        usage = reply.get("usage") or {}
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        text = message.get("content") or ""
        return Completion(
            text=THINKING.sub("", text, count=1) if "<think" in text else text,
            finish_reason=str(choice.get("finish_reason") or ""),
            model=str(reply.get("model") or ""),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            stand_in=bool(reply.get("newtongue_offline")),
            refusal=str(message.get("refusal") or ""),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _parse(raw: bytes) -> Any:
    """Return a JSON body; halves of surrogate pairs, which no text can hold, become question marks."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if b"\\u" not in raw:
            raise
        value = json.loads(raw)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def looks_like_html(raw: bytes) -> bool:
    """Return whether a body is a web page rather than JSON.

    Example:
        >>> looks_like_html(b" <!DOCTYPE html><html>")
        True
    """
    return raw[:200].lstrip().startswith(b"<")


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Return the wait a `Retry-After` header asks for, in seconds; None when it asks for nothing readable.

    Args:
        value: The header: seconds, or an HTTP date.
        now: Present time, seconds since 1970.

    Example:
        >>> retry_after_seconds("1.5", 0)
        1.5
        >>> retry_after_seconds("Thu, 01 Jan 1970 00:00:09 GMT", 4)
        5.0
    """
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
