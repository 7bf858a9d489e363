"""Many requests at once from plain sequential code: an event loop in a thread, fed lazily, memory O(concurrency).

The caller's iterator is read in the caller's thread and only as fast as answers come back; results are handed over as
they arrive. Nothing here knows what a request means.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from newtongue.adapters.llm.endpoints import Endpoint
from newtongue.adapters.llm.lane import Lane
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.purse import Purse
from newtongue.core.errors import NewtongueError

T = TypeVar("T")
R = TypeVar("R")
AHEAD: Final = 4
"""Requests taken from the caller per slot: those in flight, and as many pausing before a retry as three times that."""
FEWEST_AHEAD: Final = 16


class Signal:
    """What a source of items may give instead of an item."""


TICK, WAIT = Signal(), Signal()


class Pool:
    """The lanes of one run and the thread they live in; a context manager."""

    def __init__(self, endpoints: Mapping[str, Endpoint], ledger: Ledger, stage: str) -> None:
        """Prepare to ask `endpoints` on behalf of `stage`; starts nothing yet.

        Raises:
            RecipeError: An address is none, or a key's variable is not set.
        """
        for endpoint in endpoints.values():
            endpoint.check()
        self._endpoints, self._path, self._stage = endpoints, ledger.path, stage
        self.lanes: dict[str, Lane] = {}
        self.problem: NewtongueError | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="requests")
        self._done: deque[tuple[Any, Any, BaseException | None]] = deque()
        self._arrival = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        """Start the thread and open the lanes."""
        self._thread.start()
        try:
            self._in_loop(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Cancel what is still in flight, book it as unknown, and end the thread."""
        try:
            self._in_loop(self._close())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(
        self, items: Iterable[T | Signal], work: Callable[[T], Coroutine[Any, Any, R]]
    ) -> Iterator[tuple[T, R] | tuple[None, None]]:
        """Yield (item, result) as results arrive; when a lane has stopped, no new item is begun.

        Args:
            items: Read lazily, in the calling thread. `TICK` hands control back at once, `WAIT` after the next result
                (when any is to come); both yield (None, None).
            work: Makes the result of one item; runs in the loop's thread.
        """
        ahead = max(FEWEST_AHEAD, AHEAD * sum(lane.endpoint.concurrency for lane in self.lanes.values()))
        source, pending, more = iter(items), 0, True
        while more or pending:
            signal: object = WAIT
            batch: list[T] = []
            while more and pending + len(batch) < ahead and not self.problem:
                found = next(source, None)
                if isinstance(found, Signal):
                    signal = found
                    break
                more = found is not None
                if found is not None:
                    batch.append(found)
            pending += len(batch)
            if batch:
                self._loop.call_soon_threadsafe(self._begin, batch, work)
            if self.problem and not pending:
                return
            if pending and signal is WAIT:
                self._arrival.wait()
            for item, result, error in self._arrived():
                pending -= 1
                if error:
                    raise error
                yield item, result
            yield None, None

    def _arrived(self) -> Iterator[tuple[Any, Any, BaseException | None]]:
        self._arrival.clear()
        while self._done:
            yield self._done.popleft()

    def _begin(self, batch: list[T], work: Callable[[T], Awaitable[R]]) -> None:
        for item in batch:
            task = self._loop.create_task(self._do(item, work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _do(self, item: T, work: Callable[[T], Awaitable[R]]) -> None:
        result, problem = None, None
        try:
            result = await work(item)
        except BaseException as error:
            problem = error
        self._done.append((item, result, problem))
        self._arrival.set()

    async def _open(self) -> None:
        self._writer, self._reader = Ledger(self._path), Ledger(self._path)
        purse = Purse(self._writer, self._reader, self._stage)
        for name, endpoint in self._endpoints.items():
            lane = self.lanes[name] = Lane(endpoint, purse)
            lane.on_stop = self._stop

    def _stop(self, error: NewtongueError) -> None:
        """Stop every lane when one has to stop."""
        self.problem = self.problem or error
        for lane in self.lanes.values():
            lane.stop(error)

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self.lanes.values():
            await lane.close()
        await asyncio.to_thread(self._writer.abandon)
        for handle in (self._writer, self._reader):
            handle.close()
        await self._loop.shutdown_default_executor()

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
