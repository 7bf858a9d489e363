"""A chat client for any OpenAI-compatible endpoint that never pays twice and never passes the budget.

Every attempt is written to the ledger before it is sent, and its raw answer with its price when it arrives, so a
process that dies at any moment goes on where it was. Failures fall into four classes: retried (429, 5xx, timeouts,
broken connections, unusable JSON), refused (this request alone), terminal (401, 403, 404, redirects, HTML: no
request will work), and a spent budget. Retries wait outside their slot and honour `Retry-After`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from newtongue.adapters.llm.bookkeeper import Bookkeeper
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.records import Response
from newtongue.adapters.llm.requests import (
    FREE,
    RATE_LIMITED,
    UNUSABLE,
    Body,
    Completion,
    Price,
    Reading,
    read_completion,
    read_response,
    request_key,
)
from newtongue.core.config import Secret
from newtongue.core.errors import BudgetExceeded, NewtongueError, ProviderError, RecipeError

LONGEST_WAIT_SECONDS: Final = 900.0
"""A provider that asks for a longer pause stops the run; it can be resumed later."""
RATE_LIMIT_PATIENCE: Final = 4
"""A 429 counts as this fraction (1/n) of an attempt: being asked to slow down is not being broken."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask.

    Attributes:
        url: Base URL up to and including `/v1`.
        shown_url: How messages name it; the url itself may hold a secret.
        api_key: Name of the key's environment variable, when one is wanted.
        price: What the provider charges.
        concurrency: Requests in flight at most.
        timeout_seconds: Time after which an attempt counts as lost.
        max_attempts: Attempts per request and run.
        backoff_seconds: First pause before a retry; doubles with each.
    """

    url: str
    shown_url: str = ""
    api_key: Secret | None = None
    price: Price = FREE
    concurrency: int = 8
    timeout_seconds: float = 120.0
    max_attempts: int = 5
    backoff_seconds: float = 0.5

    @property
    def name(self) -> str:
        """Name for messages, without user names, passwords and queries."""
        parts = urlsplit(self.shown_url or self.url)
        if not parts.netloc:
            return self.shown_url or self.url
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one request.

    Attributes:
        key: The request's key.
        completion: The answer, or None when the provider refused this request for good.
        why: Short reason of a refusal, the same at every attempt.
        detail: What the provider said to it; may differ from run to run.
    """

    key: str
    completion: Completion | None
    why: str = ""
    detail: str = ""


class ChatClient:
    """Asks one endpoint, with one ledger as memory and purse."""

    def __init__(self, endpoint: Endpoint, ledger: Ledger, stage: str) -> None:
        """Ask `endpoint` on behalf of `stage`."""
        self._endpoint, self._ledger, self._stage = endpoint, ledger, stage
        self._secret = _read_key(endpoint.api_key)
        parts = urlsplit(endpoint.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(
                f"{endpoint.name} is no http address", place="teacher.url", expected="http://host:port/v1"
            )

    def complete(self, bodies: Sequence[Body], on_reply: Callable[[], None] = lambda: None) -> list[Reply]:
        """Return one reply per request, in order; answers already paid for are taken from the ledger.

        Args:
            bodies: Requests to `/chat/completions`; equal ones are sent once.
            on_reply: Called after each new reply.

        Raises:
            BudgetExceeded: The next request does not fit under the cap. Everything paid is kept.
            ProviderError: The endpoint cannot be used, or kept failing. Everything paid is kept.
        """
        known: dict[str, Reply] = {}
        todo: dict[str, Body] = {}
        for body in bodies:
            key = request_key(body)
            answer = self._ledger.answer(key)
            if answer is not None:
                known[key] = Reply(key, read_completion(answer.body))
            else:
                todo[key] = body
        if todo:
            known |= asyncio.run(_Run(self._endpoint, self._ledger, self._stage, self._secret).answer(todo, on_reply))
        return [known[request_key(body)] for body in bodies]


class _Run:
    """One batch of requests inside one event loop."""

    def __init__(self, endpoint: Endpoint, ledger: Ledger, stage: str, secret: str) -> None:
        self._endpoint, self._ledger, self._stage, self._secret = endpoint, ledger, stage, secret
        self._book = Bookkeeper(ledger)
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._change = asyncio.Condition()
        self._in_flight = self._settlements = 0
        self._problem: NewtongueError | None = None
        self._stopped = asyncio.Event()
        self._replies: dict[str, Reply] = {}

    async def answer(self, todo: dict[str, Body], on_reply: Callable[[], None]) -> dict[str, Reply]:
        headers = {"Content-Type": "application/json", "User-Agent": "newtongue"}
        if self._secret:
            headers["Authorization"] = f"Bearer {self._secret}"
        async with aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout_seconds),
            connector=aiohttp.TCPConnector(limit=self._endpoint.concurrency),
            trust_env=urlsplit(self._endpoint.url).hostname not in ("127.0.0.1", "localhost", "::1"),
        ) as self._http:
            await asyncio.gather(*(self._request(key, body, on_reply) for key, body in todo.items()))
        if self._problem:
            raise self._problem
        return self._replies

    async def _request(self, key: str, body: Body, on_reply: Callable[[], None]) -> None:
        failures = 0.0
        while not self._problem:
            async with self._slots:
                if self._problem:
                    return
                reading = await self._attempt(key, body)
            if reading is None or reading.verdict == "stop":
                return
            if reading.verdict in ("answer", "refused"):
                self._replies[key] = Reply(key, reading.completion, reading.why, reading.detail)
                on_reply()
                return
            failures += 1 / RATE_LIMIT_PATIENCE if reading.why == f"HTTP {RATE_LIMITED}" else 1
            if failures >= self._endpoint.max_attempts:
                self._give_up(key, reading)
                return
            await self._pause(self._backoff(key, failures) if reading.pause_seconds is None else reading.pause_seconds)

    async def _attempt(self, key: str, body: Body) -> Reading | None:
        """Reserve, send once, book; return what came of it, or None when the run has to stop."""
        worst = self._endpoint.price.worst_case(body)
        try:
            attempt = await self._reserve(key, worst)
        except NewtongueError as error:
            self._stop(error)
            return None
        try:
            return await self._send(attempt, worst, body)
        except NewtongueError as error:
            self._stop(error)
            return None
        finally:
            async with self._change:
                self._in_flight -= 1
                self._settlements += 1
                self._change.notify_all()

    async def _reserve(self, key: str, worst: int) -> int:
        """Reserve money; when there is none left, wait for requests in flight that may cost less than feared."""
        while True:
            seen = self._settlements
            try:
                attempt: int = await self._book.do(self._ledger.reserve, self._stage, key, worst)
            except BudgetExceeded:
                if not self._in_flight and seen == self._settlements:
                    raise
                async with self._change:
                    await self._change.wait_for(lambda seen=seen: self._settlements != seen or not self._in_flight)
            else:
                self._in_flight += 1
                return attempt

    async def _send(self, attempt: int, worst: int, body: Body) -> Reading:
        url = f"{self._endpoint.url.rstrip('/')}/chat/completions"
        try:
            async with self._http.post(url, data=orjson.dumps(dict(body)), allow_redirects=False) as response:
                raw = self._redact(await response.read())
                reading = read_response(response.status, raw, response.headers.get("Retry-After"))
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
            await self._book.do(self._ledger.settle, attempt, 0, Response(0, note="cannot connect"))
            return Reading("retry", "cannot connect")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = "timeout" if isinstance(error, TimeoutError) else "connection lost"
            await self._book.do(self._ledger.leave_unknown, attempt, why)
            return Reading("retry", why)
        stored = Response(status, raw, complete=reading.verdict == "answer", note=reading.why)
        await self._book.do(self._ledger.settle, attempt, self._cost(reading, status, worst), stored)
        if reading.verdict == "stop":
            self._stop(self._unusable(reading))
        return reading

    def _cost(self, reading: Reading, status: int, worst: int) -> int:
        """Return what to book: usage where it is told, nothing for errors, the worst case where nobody says."""
        done = reading.completion
        if done and done.input_tokens is not None and done.output_tokens is not None:
            return self._endpoint.price.of(done.input_tokens, done.output_tokens)
        return worst if status == 200 and reading.verdict != "stop" else 0

    def _give_up(self, key: str, reading: Reading) -> None:
        if reading.why == UNUSABLE:
            self._replies[key] = Reply(key, None, reading.why, reading.detail)
            return
        self._stop(
            ProviderError(
                f"no usable answer in {self._endpoint.max_attempts} attempts; the last one: {reading.why}",
                place=self._endpoint.name,
                fix="check that the endpoint is up, then run the same command again; answers already paid for are kept",
            )
        )

    def _unusable(self, reading: Reading) -> ProviderError:
        return ProviderError(
            f"{reading.why}, beginning with {reading.detail!r}",
            place=self._endpoint.name,
            expected="an OpenAI-compatible endpoint: the base url up to /v1, a model it serves, a valid key",
            fix="correct `teacher.url`, `teacher.model` or `teacher.api_key` in the recipe, then run again",
        )

    def _stop(self, error: NewtongueError) -> None:
        """Let requests in flight finish and send no more."""
        self._problem = self._problem or error
        self._stopped.set()

    async def _pause(self, seconds: float) -> None:
        """Wait outside the slot; a stopped run ends the wait."""
        if seconds > LONGEST_WAIT_SECONDS:
            self._stop(
                ProviderError(
                    f"the provider asks to come back in {seconds:.0f} s",
                    place=self._endpoint.name,
                    fix="run the same command again then; answers already paid for are kept",
                )
            )
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    def _backoff(self, key: str, failures: float) -> float:
        jitter = random.Random(f"{key}{failures}").uniform(0.5, 1.0)
        return min(self._endpoint.backoff_seconds * 2 ** (failures - 1), 60.0) * jitter

    def _redact(self, raw: bytes) -> bytes:
        """Providers quote keys in their refusals; ours goes into no file and no message."""
        return raw.replace(self._secret.encode(), b"[redacted]") if self._secret else raw


def _read_key(secret: Secret | None) -> str:
    if secret is None:
        return ""
    value = secret.read().strip()
    if not value.isascii() or not value.isprintable():
        raise RecipeError(
            f"the environment variable {secret.removeprefix('env:')} holds characters that cannot be in a key",
            fix="set it to the key alone, without quotes or line ends",
        )
    return value
