"""What the rest will cost, told from the first few dozen requests, before the money is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from newtongue.adapters.llm.questions import Reply
from newtongue.adapters.llm.teachers import Teachers
from newtongue.core.budget import MICRO
from newtongue.core.context import Context
from newtongue.core.errors import BudgetExceeded
from newtongue.methods.pilot import PerRow, dollars_per_row
from newtongue.stages.synth.books import Books

REQUESTS = 32
"""Requests after which the estimate is made."""
NAME_CHARACTERS = 16
"""Of a request's key, with which the names of its rows begin."""


class Pilot:
    """Watches the first requests of a run and stops it when even the low end of its cost does not fit the budget."""

    def __init__(self, rows: int, teachers: Teachers, context: Context) -> None:
        """Expect `rows` accepted rows."""
        self._rows, self._teachers, self._context = rows, teachers, context
        self._costs: dict[str, int] = {}
        self._told = False

    def watch(self, reply: Reply, requests: int) -> None:
        """Note one reply of a round of so many requests.

        Raises:
            BudgetExceeded: The round alone will not fit under the cap.
        """
        if self._told or len(self._costs) >= REQUESTS:
            return
        self._costs[reply.key] = self._teachers.cost_of(reply.keys)
        if len(self._costs) == REQUESTS:
            per_request = dollars_per_row([*self._costs.values()], [1] * REQUESTS)
            self._require(per_request, max(0, requests - REQUESTS), "requests of this round")

    def judge(self, books: Books) -> None:
        """Tell, once, what an accepted row costs, after a round was judged.

        Raises:
            BudgetExceeded: The rows that are missing will not fit under the cap.
        """
        if self._told or len(self._costs) < REQUESTS or not any(self._costs.values()):
            return
        self._told = True
        rows = Counter(row.id[:NAME_CHARACTERS] for row in books.accepted)
        accepted = self._per_request(rows, len(books.accepted), books.requests)
        per_row = dollars_per_row([*self._costs.values()], accepted)
        low, likely, high = per_row.total(self._rows)
        facts = {"requests": per_row.requests, "rows": per_row.rows, "usd_per_row": [per_row.low, per_row.likely]}
        self._context.journal("pilot", **facts, usd_per_row_high=per_row.high, usd=[low, likely, high])
        self._require(per_row, max(0, self._rows - len(books.accepted)), "rows")

    def _per_request(self, rows: Counter[str], accepted: int, requests: int) -> Sequence[int]:
        """Return accepted rows per request watched; spread evenly where the names of rows do not tell."""
        named = [rows[key[:NAME_CHARACTERS]] for key in self._costs]
        if sum(named) or not accepted:
            return named
        share = accepted * len(self._costs) // max(1, requests)
        return [share // REQUESTS + (number < share % REQUESTS) for number in range(REQUESTS)]

    def _require(self, price: PerRow, number: int, what: str) -> None:
        left = self._teachers.left()
        low, likely, high = price.total(number)
        if left is None or low * MICRO <= left:
            return
        raise BudgetExceeded(
            f"{number:,} more {what} will cost ${low:.2f} to ${high:.2f} (95 % interval, most likely ${likely:.2f}, "
            f"from the first {REQUESTS} requests); ${left / MICRO:.2f} are left",
            place="synth",
            fix="raise `budget.usd`, or ask for fewer `rows` or a cheaper teacher; what was paid is kept",
        )
