"""One endpoint inside one event loop: slots, attempts, retries, and when to give up on it.

An attempt holds a slot from its reservation until its answer is on disk; a pause between attempts holds none. What a
failure means decides what follows: `retry` later, `refused` (this request alone, for good), `stop` (no request will
work: wrong key, no credit, wrong address). An endpoint is given up on when its first words are `stop`, after a few
`stop` in a row, or when it has answered nobody for a long row of attempts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from newtongue.adapters.llm.endpoints import Endpoint, read_secret
from newtongue.adapters.llm.pace import Pace
from newtongue.adapters.llm.purse import Purse
from newtongue.adapters.llm.records import Answer, Busy, Response
from newtongue.adapters.llm.requests import (
    RATE_LIMITED,
    UNUSABLE,
    Body,
    Reading,
    beginning,
)
from newtongue.adapters.llm.wires import WIRES, Wire
from newtongue.core.errors import NewtongueError, ProviderError

if TYPE_CHECKING:
    from newtongue.adapters.llm.sender import Sender

LONGEST_WAIT_SECONDS: Final = 900.0
"""A provider that asks for a longer pause stops the run; it can be resumed later."""
RATE_LIMIT_PATIENCE: Final = 4
"""A 429 counts as this fraction (1/n) of an attempt: being asked to slow down is not being broken."""
STRIKES: Final = 3
"""Refusals of everything in a row, from an endpoint that has answered before, that end the run."""
DEAD_AFTER: Final = 3
"""Times `max_attempts` failures in a row, nobody answered in between, that end the run."""
POLL_SECONDS: Final = 0.1
"""How often a request that another run has in flight is looked at again."""
IN_FLIGHT_ELSEWHERE: Final = "in flight in another run"
IN_FLIGHT_LOST: Final = "in flight in another run for too long"


class Lane:
    """Sends requests to one endpoint; every method runs in the event loop's thread."""

    def __init__(self, endpoint: Endpoint, purse: Purse) -> None:
        """Send to `endpoint`, paid from `purse`; opens no connection yet."""
        self.endpoint, self._purse, self.wire = endpoint, purse, WIRES[endpoint.protocol]
        self._secret = read_secret(endpoint.api_key)
        self._pace = Pace(endpoint.concurrency)
        self._busy, self._held_until = 0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._asked: dict[str, asyncio.Future[Reading]] = {}
        self._failed_at: dict[str, int] = {}
        self._answers = self._strikes = self._failures = 0
        self._stopped = asyncio.Event()
        self._answered_before = purse.reader.has_answered(endpoint.name)
        self._sender: Sender | None = None
        self.problem: NewtongueError | None = None
        self.on_stop: Callable[[NewtongueError], None] = lambda error: None

    async def close(self) -> None:
        """Close the connections."""
        if self._sender:
            await self._sender.close()

    async def ask(self, key: str, body: Body) -> Reading:
        """Return the last word on one request: `answer`, `refused`, `retry` (attempts exhausted) or `stop`.

        `stop` means that the run is ending and the request is pending; `problem` says why.
        """
        known = self._purse.reader.answers([key], self.endpoint.name).get(key)
        if known:
            return remembered(known, self.wire)
        if key in self._asked:
            return await asyncio.shield(self._asked[key])
        asked = self._asked[key] = asyncio.get_running_loop().create_future()
        reading = Reading("stop", "interrupted")
        try:
            reading = await self._try(key, body)
        finally:
            del self._asked[key]
            self._failed_at.pop(key, None)
            asked.set_result(reading)
        return reading

    async def _try(self, key: str, body: Body) -> Reading:
        """Attempt until there is a last word, the attempts are over, or the run is ending."""
        failures, again, reading = 0.0, False, Reading("stop")
        while not self.problem:
            if not await self._slot(again):
                break
            try:
                reading = await self._attempt(key, body)
            finally:
                self._free()
            if reading.verdict in ("answer", "refused") or self.problem:
                return reading
            if reading.why != IN_FLIGHT_ELSEWHERE:
                failures += 1 / RATE_LIMIT_PATIENCE if reading.why == f"HTTP {RATE_LIMITED}" else 1
            if failures >= self.endpoint.max_attempts:
                return self._give_up(reading)
            again = True
            await self._pause(self._backoff(key, failures) if reading.pause_seconds is None else reading.pause_seconds)
        return Reading("stop", "not sent")

    def stop(self, error: NewtongueError) -> None:
        """Let requests in flight finish and send no more."""
        if self.problem is None:
            self.problem = error
            self._stopped.set()
            self._wake()
            self.on_stop(error)

    # --- slots ------------------------------------------------------------------------------------------------------

    async def _slot(self, again: bool) -> bool:
        """Wait for a slot, retries before new requests; False when the run is ending."""
        if self._waiting or not self._free_now():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.appendleft(future) if again else self._waiting.append(future)
            self._wake()
            await future
        else:
            self._busy += 1
        if self.problem:
            self._free()
            return False
        return True

    def _free_now(self) -> bool:
        return self._busy < int(self._pace.limit) and time.monotonic() >= self._held_until

    def _free(self) -> None:
        self._busy -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and (self.problem or self._free_now()):
            future = self._waiting.popleft()
            if not future.done():
                self._busy += 1
                future.set_result(None)

    def _hold(self, seconds: float) -> None:
        """Send nothing for a while: the endpoint said so, and not to one request alone."""
        self._held_until = max(self._held_until, time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS))
        asyncio.get_running_loop().call_later(seconds + 0.001, self._wake)

    # --- one attempt ------------------------------------------------------------------------------------------------

    async def _attempt(self, key: str, body: Body) -> Reading:
        """Reserve, send once, book; return what came of it."""
        worst = self.wire.worst_case(self.endpoint.price, body)
        try:
            begun = await self._purse.reserve(key, worst, self.endpoint.name)
        except NewtongueError as error:
            self.stop(error)
            return Reading("stop", "not sent")
        if isinstance(begun, Answer):
            return remembered(begun, self.wire)
        if isinstance(begun, Busy):
            late = time.time() - begun.since > 2 * self.endpoint.timeout_seconds
            return Reading("retry", IN_FLIGHT_LOST if late else IN_FLIGHT_ELSEWHERE, pause_seconds=POLL_SECONDS)
        try:
            reading = await self._send(begun, worst, body)
            self._learn(reading, key)
            return reading
        except NewtongueError as error:
            self.stop(error)
            return Reading("stop", "not booked")
        finally:
            await self._purse.done()

    async def _send(self, attempt: int, worst: int, body: Body) -> Reading:
        from newtongue.adapters.llm.sender import LostError, NotConnectedError, Sender

        self._sender = self._sender or Sender(self.endpoint, self.wire.headers(self._secret))
        url = f"{self.endpoint.url.rstrip('/')}{self.wire.path}"
        try:
            status, found, retry_after = await self._sender.post(url, self.wire.sent(body, self._secret))
        except NotConnectedError:
            await self._purse.settle(attempt, 0, Response(0, note="cannot connect"))
            return Reading("retry", "cannot connect")
        except LostError as error:
            await self._purse.leave_unknown(attempt, str(error))
            return Reading("retry", str(error))
        raw = self._redact(found)
        reading = self.wire.read(status, raw, retry_after)
        cost, told = self._cost(reading, status, worst, body)
        final = {"complete": reading.verdict == "answer", "refused": reading.verdict == "refused"}
        await self._purse.settle(attempt, cost, Response(status, raw, note=reading.why, told=told, **final))
        return reading

    def _cost(self, reading: Reading, status: int, worst: int, body: Body) -> tuple[int, bool]:
        """Return what to book and whether the provider said so: the worst case where a whole answer tells no usage."""
        done = reading.completion
        cost = self.wire.charge(self.endpoint.price, body, done) if done else None
        if cost is not None:
            return cost, True
        return (worst, False) if status == 200 and (done or reading.verdict != "stop") else (0, True)

    # --- what to make of failures -----------------------------------------------------------------------------------

    def _learn(self, reading: Reading, key: str) -> None:
        limited = reading.why == f"HTTP {RATE_LIMITED}"
        self._pace.record(limited)
        if limited and self._pace.hot:
            self._hold(reading.pause_seconds or self.endpoint.backoff_seconds)
        if reading.verdict in ("answer", "refused"):
            self._answers += reading.verdict == "answer"
            self._strikes = self._failures = 0
            return
        self._failures += not limited and not self._others_answered(key) and not self._failed_before(key)
        self._strikes += reading.verdict == "stop"
        if reading.verdict == "stop" and (not self._answers or self._strikes >= STRIKES):
            self.stop(self._unusable(reading))
        elif self._failures >= max(DEAD_AFTER * self.endpoint.max_attempts, 2 * self.endpoint.concurrency):
            self.stop(self._dead(reading))

    def _others_answered(self, key: str) -> bool:
        """Return whether others have been answered since this request first failed: the fault is its own then.

        Requests that fail for ever are what is left when all the others have been answered.
        """
        return self._failed_at.setdefault(key, self._answers) < self._answers

    def _failed_before(self, key: str) -> bool:
        """Return whether all attempts at a request failed in an earlier run: it says nothing of the others then."""
        return self._purse.reader.attempts(key) > self.endpoint.max_attempts

    def _give_up(self, reading: Reading) -> Reading:
        """End one request; an endpoint that never answered anybody ends the run."""
        if reading.why != UNUSABLE and not self._answers and not self._answered_before:
            self.stop(self._dead(reading))
        why = reading.why if reading.why == UNUSABLE else f"{reading.why}, {self.endpoint.max_attempts} attempts"
        return Reading("retry", why, detail=reading.detail)

    def _dead(self, reading: Reading) -> ProviderError:
        return ProviderError(
            f"no usable answer in {self.endpoint.max_attempts} attempts; the last one: {reading.why}",
            place=self.endpoint.name,
            fix="check that the endpoint is up, then run the same command again; answers already paid for are kept",
        )

    def _unusable(self, reading: Reading) -> ProviderError:
        return ProviderError(
            f"{reading.why}, beginning with {reading.detail!r}",
            place=self.endpoint.name,
            expected=self.wire.expected,
            fix="correct `teacher.url`, `teacher.model` or `teacher.api_key` in the recipe, then run again",
        )

    async def _pause(self, seconds: float) -> None:
        """Wait outside the slot; a stopped run ends the wait."""
        if seconds > LONGEST_WAIT_SECONDS:
            self.stop(
                ProviderError(
                    f"the provider asks to come back in {seconds:.0f} s",
                    place=self.endpoint.name,
                    fix="run the same command again then; answers already paid for are kept",
                )
            )
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    def _backoff(self, key: str, failures: float) -> float:
        jitter = random.Random(f"{key}{failures}").uniform(0.5, 1.0)
        return min(self.endpoint.backoff_seconds * 2 ** (failures - 1), 60.0) * jitter

    def _redact(self, raw: bytes) -> bytes:
        """Providers quote keys in their refusals; ours goes into no file and no message."""
        return raw.replace(self._secret.encode(), b"[redacted]") if self._secret else raw


def remembered(answer: Answer, wire: Wire) -> Reading:
    """Return the reading of a last word taken from the ledger."""
    if answer.refusal:
        return Reading("refused", answer.refusal, detail=beginning(answer.body))
    return Reading("answer", completion=wire.completion(answer.body))
