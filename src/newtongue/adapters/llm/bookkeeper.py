"""Ledger calls of many coroutines, grouped into few durable transactions.

One synchronous commit costs milliseconds; while one is on its way to the disk, the calls that arrive wait and
share the next. Nobody is answered before their own call is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from newtongue.adapters.llm.ledger import Ledger

Call = tuple[Callable[..., Any], tuple[Any, ...], "asyncio.Future[Any]"]


class Bookkeeper:
    """Runs ledger calls for coroutines of one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep the books of `ledger`."""
        self._ledger = ledger
        self._waiting: list[Call] = []
        self._worker: asyncio.Task[None] | None = None

    async def do(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run one ledger call and return its result once it is on disk."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, arguments, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._run, batch)
            except Exception as error:  # the transaction as a whole failed: nobody's call is durable
                results = [(None, error)] * len(batch)
            for (_, _, future), (value, problem) in zip(batch, results, strict=True):
                if future.cancelled():
                    continue
                future.set_exception(problem) if problem else future.set_result(value)
        self._worker = None

    def _run(self, batch: list[Call]) -> list[tuple[Any, Exception | None]]:
        results: list[tuple[Any, Exception | None]] = []
        with self._ledger.writing():
            for call, arguments, _ in batch:
                try:
                    results.append((call(*arguments), None))
                except Exception as error:
                    results.append((None, error))
        return results
