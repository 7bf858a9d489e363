"""What the rest will cost, told from the first few dozen requests, before the money is gone.

A stage notes what its first units (requests, rows) cost and, once they are judged, how many rows each gave. Dollars per
accepted row with a 95 % interval go to its journal; a run stops when even the low end of the interval does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final, Protocol

from newtongue.adapters.llm.teachers import Teachers
from newtongue.core.budget import MICRO
from newtongue.core.context import Journal
from newtongue.core.errors import BudgetExceeded

UNITS: Final = 32
"""Requests or rows after which the estimate is made."""


class Price(Protocol):
    """Dollars per accepted row; see `methods.pilot.PerRow`."""

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""

    @property
    def likely(self) -> float:
        """Best guess."""

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""

    def total(self, rows: int) -> tuple[float, float, float]:
        """Return (low, likely, high) dollars for a number of rows."""


class Pilot:
    """Watches the first units of a run and stops it when even the low end of its cost does not fit the budget.

    Attributes:
        told: Whether the estimate was made.
    """

    def __init__(
        self,
        stage: str,
        teachers: Teachers,
        journal: Journal,
        price: Callable[[Sequence[int], Sequence[int]], Price],
        unit: str = "requests",
    ) -> None:
        """Watch a run.

        Args:
            stage: Whose run, for messages.
            teachers: Who is asked; knows costs and the budget.
            journal: Where the estimate is written down.
            price: (micro-dollars per unit, accepted rows per unit) -> dollars per row.
            unit: What is watched, for messages.
        """
        self._unit = unit
        self._stage, self._teachers, self._journal, self._price = stage, teachers, journal, price
        self._costs: dict[str, int] = {}
        self.told = False

    @property
    def units(self) -> list[str]:
        """Names of the units watched, in order."""
        return list(self._costs)

    @property
    def full(self) -> bool:
        """Whether enough units were watched, and one of them cost something."""
        return len(self._costs) >= UNITS and any(self._costs.values())

    def watch(self, unit: str, keys: Iterable[str], units: int) -> None:
        """Note the cost of one unit of so many that were begun together.

        Raises:
            BudgetExceeded: Those begun together alone will not fit under the cap.
        """
        if self.told or len(self._costs) >= UNITS:
            return
        self._costs[unit] = self._teachers.cost_of(keys)
        if len(self._costs) == UNITS:
            self._require(
                self._price(self._amounts(), [1] * UNITS), max(0, units - UNITS), f"{self._unit} of this round"
            )

    def judge(self, accepted: Sequence[int], rows: int, missing: int) -> None:
        """Tell, once, what an accepted row costs.

        Args:
            accepted: Rows accepted from each unit watched.
            rows: Rows wanted in all.
            missing: Those of them that are still to come.

        Raises:
            BudgetExceeded: The rows that are missing will not fit under the cap.
        """
        if self.told or not self.full:
            return
        self.told = True
        price = self._price(self._amounts(), accepted)
        per_row = [price.low, price.likely]
        facts = {self._unit: len(self._costs), "accepted": sum(accepted), "usd_per_row": per_row}
        self._journal("pilot", **facts, usd_per_row_high=price.high, usd=[*price.total(rows)])
        self._require(price, max(0, missing), "rows")

    def _amounts(self) -> list[int]:
        return [*self._costs.values()]

    def _require(self, price: Price, number: int, what: str) -> None:
        left = self._teachers.left()
        low, likely, high = price.total(number)
        if left is None or low * MICRO <= left:
            return
        cost = f"will cost ${low:.2f} to ${high:.2f} (95 % interval, most likely ${likely:.2f}, from the first"
        if low == inf:
            cost = "cannot be had for any sum (none was accepted, from the first"
        raise BudgetExceeded(
            f"{number:,} more {what} {cost} {UNITS} {self._unit}); ${left / MICRO:.2f} are left",
            place=self._stage,
            fix="raise `budget.usd`, or ask for fewer `rows` or a cheaper teacher; what was paid is kept",
        )
