"""A loopback chat endpoint for tests and benchmarks: every fault, a meter, and little work per request.

It speaks HTTP/1.1 by hand, because half of its faults are below what a web framework can say: bodies cut in the middle,
connections reset before or after the headers, answers that come after the client has gone. What happens to a request
is `behave(key, attempt)`; what it answers is `write(body)`. The meter counts what was asked, answered and billed, and
is the only truth about money in tests.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

import orjson

from newtongue.adapters.llm.bed_batches import BatchDesk
from newtongue.adapters.llm.bed_connection import Connection
from newtongue.adapters.llm.requests import Price, request_key
from newtongue.adapters.llm.wires import WIRES, source_characters
from newtongue.core.errors import NewtongueError

LOOPBACK: Final = "127.0.0.1"
HANG_SECONDS: Final = 3600.0
LATE_SECONDS: Final = 1.6
"""Delay of an answer that is billed and comes after an impatient client has gone."""
STATUS: Final[Mapping[str, tuple[int, str]]] = {
    "429": (429, "rate_limit_exceeded"), "429 bare": (429, ""), "429 date": (429, ""), "408": (408, ""),
    "500": (500, ""), "500 for ever": (500, ""), "502": (502, ""), "503": (503, ""), "529": (529, "overloaded"),
    "400": (400, "invalid"), "422": (422, ""), "content_filter": (400, "content_filter"),
    "quota": (429, "insufficient_quota"), "context": (400, "context_length_exceeded"),
    "401": (401, "invalid_api_key"), "402": (402, ""), "403": (403, ""),
    "404": (404, ""),
}  # fmt: skip
PAGE: Final = b"<!DOCTYPE html>\n<title>Welcome to nginx</title>"

LANGUAGES: Final = {"libretranslate": ("source", "target"), "deepl": ("source_lang", "target_lang")}
SERVICES: Final = {WIRES[name].path: name for name in LANGUAGES}
"""Path -> the translation service that is spoken there."""
SERVICE_STATUS: Final = {"quota": 456}
"""Faults a translation service tells by a status of its own."""

Write = Callable[[dict[str, Any]], str]
Translate = Callable[[str, str, str], str]
"""(text, code of its language, code of the one wanted) -> translation; a `ValueError` refuses a language."""


@dataclass(slots=True)
class Meter:
    """What the server saw; the only truth about requests and money.

    Attributes:
        attempts: Request key -> how often it came.
        answered: Request key -> how often a whole answer was sent.
        billed: Micro-dollars of everything that was generated, whether or not it arrived.
        told: Micro-dollars of the whole answers whose usage was told.
        statuses: Status or fault -> attempts.
        in_flight: Requests being worked on.
        most_in_flight: Their largest number.
        tokens: Prompt tokens and answer tokens billed.
    """

    attempts: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    told: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    tokens: list[int] = field(default_factory=lambda: [0, 0])

    def totals(self) -> dict[str, Any]:
        """Return the sums, for `GET /meter`."""
        return {
            "requests": sum(self.attempts.values()),
            "distinct": len(self.attempts),
            "answered": sum(self.answered.values()),
            "distinct_answered": len(self.answered),
            "billed_micro_usd": self.billed,
            "told_micro_usd": self.told,
            "most_in_flight": self.most_in_flight,
            "statuses": dict(self.statuses),
            "tokens": self.tokens,
        }


class Bed:
    """One endpoint; `serve` runs it in the present event loop."""

    def __init__(self, behave: Callable[[str, int], str], write: Write) -> None:
        """Serve answers of `write`, each attempt treated as `behave` says (a fault's name, "" for none)."""
        self.behave, self.write = behave, write
        self.meter = Meter()
        self.latency: Callable[[str, int], float] = lambda key, attempt: 0.0
        self.price = Price()
        self.requests_per_second = 0.0
        self.retry_after_seconds = 1.0
        self.translate: Translate = lambda text, source, target: text
        self.api_key = ""
        self.odd: Callable[[str, str], str] = lambda fault, text: text
        self.control: Callable[[dict[str, Any]], None] = lambda settings: None
        self.url = ""
        self.batches = BatchDesk(self)
        self._allowance, self._seen_at = 0.0, 0.0

    async def serve(self, port: int = 0) -> asyncio.Server:
        """Listen on loopback; `url` is the base url up to `/v1` then."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), LOOPBACK, port)
        self.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/v1"
        return server

    async def answer(self, connection: Connection, path: str, raw: bytes) -> None:
        """Answer one request, well or badly."""
        if path.startswith(("/meter", "/control", "/health")):
            return self._aside(connection, path, raw)
        if path.startswith(("/v1/files", "/v1/batches")):
            return connection.send(200, self.batches.answer(path, raw))
        body, service = orjson.loads(raw), SERVICES.get(path, "")
        if self.api_key and self.api_key not in (body.pop("api_key", ""), *connection.authorization.split()):
            return connection.send(403, orjson.dumps({"error": "Invalid API key"}))
        key = request_key(body)
        attempt, meter = self.meter.attempts[key], self.meter
        meter.attempts[key] += 1
        meter.in_flight += 1
        meter.most_in_flight = max(meter.most_in_flight, meter.in_flight)
        try:
            fault = "429" if self._too_fast() else self.behave(key, attempt)
            meter.statuses[fault or "answer"] += 1
            await self._wait(fault, key, attempt)
            self._act(connection, fault, key, body, service)
        finally:
            meter.in_flight -= 1
        return None

    async def _wait(self, fault: str, key: str, attempt: int) -> None:
        seconds = HANG_SECONDS if fault == "hang" else self.latency(key, attempt)
        seconds += LATE_SECONDS if fault == "late" else 0.0
        if seconds and not fault.startswith("429"):
            await asyncio.sleep(seconds)

    def _too_fast(self) -> bool:
        """Return whether a real token bucket, one second deep, is empty."""
        if not self.requests_per_second:
            return False
        now = time.monotonic()
        grown = self._allowance + (now - self._seen_at) * self.requests_per_second
        self._allowance, self._seen_at = min(grown, self.requests_per_second), now
        if self._allowance < 1:
            return True
        self._allowance -= 1
        return False

    def _act(self, connection: Connection, fault: str, key: str, body: dict[str, Any], service: str) -> None:
        if fault in STATUS:
            status, code = STATUS[fault]
            error: dict[str, Any] = {"error": {"message": f"told to fail: {fault}", "code": code}}
            if service:
                status, error = SERVICE_STATUS.get(fault, status), {"error": f"told to fail: {fault}"}
            return connection.send(status, orjson.dumps(error), self._headers(fault))
        if fault in ("html", "html 502"):
            return connection.send(502 if fault == "html 502" else 200, PAGE, {"Content-Type": "text/html"})
        if fault == "reset":
            return connection.drop()
        reply, cost = self._translated(service, fault, body) if service else self.reply(fault, body)
        self.meter.billed += cost
        raw = orjson.dumps(reply) if fault != "surrogate" else orjson.dumps(reply).replace(b"SURROGATE", b"\\ud83d")
        if fault in ("reset late", "cut"):
            return connection.send(200, raw, cut=0 if fault == "reset late" else len(raw) // 2)
        if fault.startswith("cut json"):
            return connection.send(200, raw[: len(raw) // 2])
        if reply.get("choices") or "translations" in reply or "translatedText" in reply:
            self.meter.answered[key] += 1
            self.meter.told += cost if fault not in ("no usage", "odd usage") else 0
        return connection.send(200, raw)

    def _headers(self, fault: str) -> dict[str, str]:
        if fault == "429":
            return {"Retry-After": f"{self.retry_after_seconds:g}"}
        if fault == "429 date":
            return {"Retry-After": formatdate(time.time() + self.retry_after_seconds, usegmt=True)}
        return {}

    def reply(self, fault: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Return a chat completion with the oddity asked for, and what it costs."""
        text = self.odd(fault, self.write(body))
        prompt = sum(len(str(message["content"]).encode()) for message in body["messages"]) // 4 + 1
        written = len(text.encode()) // 4 + 1
        limit = int(body.get("max_tokens") or body.get("max_completion_tokens") or written)
        if fault == "length" or written > limit:
            written, text = min(written, limit), text.encode()[: 4 * limit].decode("utf-8", "ignore")
        cost = self.price.of(prompt, written)
        self.meter.tokens[0] += prompt
        self.meter.tokens[1] += written
        message: dict[str, Any] = {"role": "assistant", "content": text}
        finish = "length" if fault == "length" else "stop"
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        }
        reply: dict[str, Any] = {"id": "bed", "object": "chat.completion", "created": 0, "model": body.get("model", "")}
        reply |= {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
        return self._oddities(fault, reply), cost

    def _translated(self, service: str, fault: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Return what a translation service answers, and what it bills: every character of the source."""
        text, source, target = body.get("q", body.get("text")), *(body.get(n, "") for n in LANGUAGES[service])
        found = self.odd(fault, self.translate("".join(text), source.lower(), target.lower()))
        billed = source_characters(body)
        if fault in ("error object", "no choices"):
            return {"error": "told to fail"}, 0
        if service == "libretranslate":
            return {"translatedText": found}, self.price.of_characters(billed)
        one = {"detected_source_language": source, "text": found}
        told = {"billed_characters": billed} if body.get("show_billed_characters") and fault != "no usage" else {}
        return {"translations": [one | told]}, self.price.of_characters(billed)

    def _oddities(self, fault: str, reply: dict[str, Any]) -> dict[str, Any]:
        choice = reply["choices"][0]
        if fault == "error object":
            return {"error": {"message": "overloaded", "code": 529}}
        if fault == "no choices":
            reply["choices"] = []
        elif fault in ("null content", "refusal"):
            choice["message"] |= {"content": None} | ({"refusal": "I would rather not."} if fault == "refusal" else {})
        elif fault == "filtered":
            choice["finish_reason"] = "content_filter"
        elif fault == "reasoning":
            choice["message"]["reasoning_content"] = "Let me think."
        elif fault == "no usage":
            del reply["usage"]
        elif fault == "odd usage":
            reply["usage"] = {"prompt_tokens": -1, "completion_tokens": "many"}
        elif fault == "other model":
            reply["model"] = "somebody-else"
        return reply

    def _aside(self, connection: Connection, path: str, raw: bytes) -> None:
        """Answer requests about the bed itself: `GET /meter`, `GET /health`, `POST /control` with a scenario."""
        if path == "/control":
            try:
                self.control(orjson.loads(raw))
            except (ValueError, TypeError, NewtongueError) as error:
                return connection.send(400, orjson.dumps({"error": {"message": str(error)}}))
        facts = {"newtongue_offline": True} if path == "/health" else self.meter.totals()
        if path == "/meter/keys":
            facts = {"attempts": dict(self.meter.attempts), "answered": dict(self.meter.answered)}
        return connection.send(200, orjson.dumps(facts))
