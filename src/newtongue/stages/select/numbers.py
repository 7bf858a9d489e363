"""How many rows may be kept of every language, task and source: fixed on the whole pool before anything is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError, RecipeError
from newtongue.methods.quotas import Division, Quotas, apportion, divide
from newtongue.stages.select.config import Quota, SelectConfig
from newtongue.stages.select.pool import Facts

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Numbers:
    """Rows wanted.

    Attributes:
        keep: Rows in all.
        wanted: Division (`language`, `task`, `source`) -> named value -> rows.
        shares: Language -> rows, where rows compete within their language only.
        within: Division -> language -> named value -> rows: each language's part of what is wanted.
    """

    keep: int
    wanted: Mapping[str, Mapping[str, int]]
    shares: Mapping[str, int]
    within: Mapping[str, Mapping[str, Mapping[str, int]]]

    @classmethod
    def of(cls, config: SelectConfig, pool: Facts, keep: int, protected: Sequence[int]) -> Numbers:
        """Work them out.

        Raises:
            RecipeError: Quotas or protected rows ask for more than `keep`.
            DataError: A quota names something no row has.
        """
        if len(protected) > keep:
            raise RecipeError(
                f"{len(protected):,} rows are protected and keep is {keep:,}",
                place="select.protect",
                fix="raise keep, or shorten the list",
            )
        wanted = {name: _wanted(config.quotas, name, values, keep) for name, values in divisions(pool)}
        within = {name: _within(pool.languages, values, wanted[name]) for name, values in divisions(pool)[1:]}
        return cls(keep, wanted, _shares(pool, wanted["language"], keep, protected), within)

    def groups(self, scope: str, pool: Facts, left: Ints) -> list[tuple[Ints, str | None, Quotas]]:
        """Return the places that compete with each other, their language if that is why, and what they may take."""
        if scope == "global":
            parts = [
                _division(values, left, self.wanted[n], self.keep) for n, values in divisions(pool) if self.wanted[n]
            ]
            return [(left, None, Quotas(self.keep, parts))]
        tags, found = np.array([pool.languages[place] for place in left], dtype=object), []
        for tag in sorted(self.shares):
            places, share = left[tags == tag], self.shares[tag]
            parts = [
                _division(values, places, self.within[n][tag], share)
                for n, values in divisions(pool)[1:]
                if self.wanted[n]
            ]
            found.append((places, tag, Quotas(share, parts)))
        return found


def divisions(pool: Facts) -> list[tuple[str, list[str]]]:
    """Return the ways of sorting rows into kinds: name, and the value of every row."""
    return [("language", pool.languages), ("task", pool.tasks), ("source", pool.sources)]


def _division(values: Sequence[str], places: Ints, wanted: Mapping[str, int], total: int) -> Division:
    return divide([values[place] for place in places], wanted, total)


def _wanted(quotas: Quota, name: str, values: Sequence[str], keep: int) -> dict[str, int]:
    """Return how many rows of each named value are wanted.

    Raises:
        DataError: No row has the value.
        RecipeError: The numbers add up to more than is kept.
    """
    asked: Mapping[str, float] = getattr(quotas, name)
    there = Counter(values)
    if absent := [value for value in asked if value not in there and asked[value] > 0]:
        raise DataError(
            f"no training row has the {name} `{absent[0]}`; there are: {', '.join(sorted(there))}",
            place=f"select.quotas.{name}",
            fix="take it out of the quotas, or add rows",
        )
    found = {value: round(n * keep) if n < 1 else int(n) for value, n in asked.items()}
    if sum(found.values()) > keep:
        raise RecipeError(
            f"the quotas ask for {sum(found.values()):,} rows and keep is {keep:,}",
            place=f"select.quotas.{name}",
            fix="raise keep, or lower the quotas",
        )
    return found


def _shares(pool: Facts, named: Mapping[str, int], keep: int, protected: Sequence[int]) -> dict[str, int]:
    """Return how many rows each language may keep: its quota, or a share by its rows; never less than it protects."""
    sizes = Counter(pool.languages)
    rest = apportion(keep - sum(named.values()), {tag: n for tag, n in sizes.items() if tag not in named})
    needed = Counter(pool.languages[place] for place in protected)
    return {tag: max(n, needed[tag]) for tag, n in {**rest, **named}.items()}


def _within(languages: Sequence[str], values: Sequence[str], wanted: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return every language's part of what is wanted of all languages together, by the rows it has of each value."""
    sizes = Counter(zip(values, languages, strict=True))
    found: dict[str, dict[str, int]] = {tag: {} for tag in sorted(set(languages))}
    for value, number in wanted.items():
        parts = apportion(number, {tag: sizes[value, tag] for tag in found if sizes[value, tag]})
        for tag, part in found.items():
            part[value] = parts.get(tag, 0)
    return found
