"""Which requests come next, decided so that neither concurrency nor crashes change the result.

Requests go out in numbered rounds. A round is planned from what earlier rounds had accepted, and its answers are
judged in the order of its requests, whatever the order of their arrival.
Source: the growing pool is that of Wang et al. 2023 (Self-Instruct, arXiv 2212.10560); rounds and quotas are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

REQUESTS_PER_ROUND: Final = 128
"""Requests of one round; part of what decides the result."""
SATURATED_AFTER: Final = 16
"""A cell whose last so many requests brought no accepted row is given up."""

Item = TypeVar("Item")


@dataclass(slots=True)
class Cell:
    """One task type on one side of the held-out border.

    Attributes:
        task: Task type.
        split: `train` or `heldout`.
        quota: Rows to accept.
        accepted: Rows accepted so far.
        requests: Requests planned so far.
        barren: Requests since the last one that brought an accepted row.
    """

    task: str
    split: str
    quota: int
    accepted: int = 0
    requests: int = 0
    barren: int = 0

    @property
    def saturated(self) -> bool:
        """Whether asking on has become pointless."""
        return self.barren >= SATURATED_AFTER

    @property
    def missing(self) -> int:
        """Rows still wanted; 0 when saturated."""
        return 0 if self.saturated else max(0, self.quota - self.accepted)


def make_cells(weights: Mapping[str, float], rows: int, heldout: Mapping[str, float]) -> list[Cell]:
    """Return the cells of a run, their quotas adding up to `rows`.

    Args:
        weights: Task type -> relative weight.
        rows: Rows to aim for in all.
        heldout: Task type -> share of its rows on the held-out side, in [0, 1).

    Example:
        >>> [(c.task, c.split, c.quota) for c in make_cells({"a": 1, "b": 2}, 10, {"a": 0.5, "b": 0})]
        [('a', 'train', 2), ('a', 'heldout', 1), ('b', 'train', 7)]
    """
    cells = []
    for task, quota in largest_remainder(weights, rows).items():
        aside = int(quota * heldout.get(task, 0.0))
        cells.append(Cell(task, "train", quota - aside))
        if aside:
            cells.append(Cell(task, "heldout", aside))
    return cells


def largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Share out a total by weights in whole numbers; ties go to the earlier name.

    Example:
        >>> largest_remainder({"a": 1, "b": 1, "c": 1}, 10)
        {'a': 4, 'b': 3, 'c': 3}
    """
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in order[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def plan_round(
    cells: Sequence[Cell], tasks_per_request: int, requests_left: int, most: int = REQUESTS_PER_ROUND
) -> list[tuple[Cell, int]]:
    """Return (cell, number within it) of each request of the next round, taking turns; empty when all is done.

    Args:
        cells: All cells; `requests` is counted up for the planned ones.
        tasks_per_request: Rows one request may bring.
        requests_left: Requests that may still be planned in the whole run.
        most: Requests of one round.
    """
    wanted = {id(cell): -(-cell.missing // tasks_per_request) for cell in cells}
    planned: list[tuple[Cell, int]] = []
    while len(planned) < min(most, requests_left) and any(wanted.values()):
        for cell in cells:
            if wanted[id(cell)] and len(planned) < min(most, requests_left):
                planned.append((cell, cell.requests))
                wanted[id(cell)] -= 1
                cell.requests += 1
    return planned


def draw(items: Sequence[Item], count: int, name: str) -> list[Item]:
    """Return up to `count` different items, drawn by a name that says what the draw is for."""
    return Random(name).sample(list(items), min(count, len(items)))


def split_seeds(order: Sequence[Item], fraction: float) -> tuple[list[Item], list[Item]]:
    """Return (train, held-out) seeds of one task type: the first share of the order is held out.

    Both sides get at least one when there are two or more and the fraction is above 0.

    Example:
        >>> split_seeds("abcdefghij", 0.2)
        (['c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'], ['a', 'b'])
    """
    if fraction <= 0 or len(order) < 2:
        return list(order), []
    count = min(max(1, round(fraction * len(order))), len(order) - 1)
    return list(order[count:]), list(order[:count])
