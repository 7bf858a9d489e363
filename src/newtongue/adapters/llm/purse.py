"""Money for requests of one run: reserved before anything is sent, waited for while some may come back."""

from __future__ import annotations

import asyncio
from typing import Final

from newtongue.adapters.llm.bookkeeper import Bookkeeper
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.records import Answer, Busy, Response
from newtongue.core.errors import BudgetExceeded

POLL_SECONDS: Final = 0.05
"""How often money reserved by other runs is looked at again."""


class Purse:
    """Books the attempts of one run; every method runs in the event loop's thread."""

    def __init__(self, writer: Ledger, reader: Ledger, stage: str) -> None:
        """Pay for `stage`.

        Args:
            writer: Books attempts.
            reader: Another handle on the same file, so that looking never waits for the disk.
            stage: Who pays.
        """
        self.reader, self._writer, self._stage = reader, writer, stage
        self._book = Bookkeeper(writer)
        self._in_flight = self._settlements = 0
        self._change = asyncio.Condition()

    async def reserve(self, key: str, worst: int, place: str) -> int | Answer | Busy:
        """Set aside the most a request can cost; see `Ledger.begin`.

        Where there is too little left, requests in flight, here or in other runs, may turn out cheaper: it waits.

        Raises:
            BudgetExceeded: Nothing is in flight any more and there is too little left.
        """
        while True:
            seen = self._settlements
            try:
                begun: int | Answer | Busy = await self._book.do(self._writer.begin, self._stage, key, worst, place)
            except BudgetExceeded:
                if self._in_flight or seen != self._settlements:
                    async with self._change:
                        await self._change.wait_for(lambda seen=seen: self._settlements != seen or not self._in_flight)
                elif self.reader.others_in_flight():
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    raise
            else:
                self._in_flight += isinstance(begun, int)
                return begun

    async def settle(self, attempt: int, micro_usd: int, response: Response) -> None:
        """Book what came back; returns once it is on disk."""
        await self._book.do(self._writer.settle, attempt, micro_usd, response)

    async def leave_unknown(self, attempt: int, why: str) -> None:
        """Leave a reservation standing whose request may have been billed."""
        await self._book.do(self._writer.leave_unknown, attempt, why)

    async def done(self) -> None:
        """Say that a reserved request has ended, whatever came of it."""
        self._in_flight -= 1
        self._settlements += 1
        async with self._change:
            self._change.notify_all()
