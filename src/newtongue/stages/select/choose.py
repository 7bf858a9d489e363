"""From pool, scores and vectors to a choice: shares per language, quotas, and the method's own order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError, RecipeError
from newtongue.methods.clustering import cluster_count, kmeans, principal
from newtongue.methods.diversity import facility_location, k_center, mmr, token_coverage
from newtongue.methods.quality import normalised_ranks
from newtongue.methods.quotas import Division, Quotas, apportion, divide
from newtongue.methods.selection import cluster_rounds, draw_order, top_and_clusters
from newtongue.methods.unit_grid import Grid
from newtongue.stages.select.config import Quota, SelectConfig
from newtongue.stages.select.pool import Pool

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What a method may look at.

    Attributes:
        pool: The rows.
        keep: Rows to keep in all.
        scores: Score per row, NaN where there is none.
        vectors: Unit vectors on the grid, None where the method needs none and none were asked for.
        protected: Places of the rows that always stay.
        tokens: New tokens of every row, for `new_token_coverage`.
    """

    pool: Pool
    keep: int
    scores: Floats
    vectors: Grid | None
    protected: list[int]
    tokens: list[Ints] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        order: Places in the order chosen, protected ones first within their group.
        clusters: Cluster of every row, None without vectors.
        short: Sentences on numbers that could not be met.
    """

    order: list[int]
    clusters: Ints | None
    short: list[str]


def choose(config: SelectConfig, material: Material, progress: Callable[[int], None]) -> Choice:
    """Choose rows.

    Raises:
        RecipeError: Quotas or protected rows ask for more than `keep`.
        DataError: A quota names something no row has.
    """
    if len(material.protected) > material.keep:
        raise RecipeError(
            f"{len(material.protected):,} rows are protected and keep is {material.keep:,}",
            place="select.protect",
            fix="raise keep, or shorten the list",
        )
    wanted = {name: _wanted(config.quotas, name, values, material) for name, values in _divisions(material.pool)}
    ties = np.empty(len(material.pool.rows), dtype=np.int64)
    ties[draw_order(_unique(material.pool), config.seed)] = np.arange(len(ties))
    groups = _groups(config, material, wanted)
    clusters = _clusters(config, material, [places for places, _ in groups])
    always, order = set(material.protected), list[int]()
    for places, quotas in groups:
        protected = [k for k, place in enumerate(places) if int(place) in always]
        method = _Method(config, material, places, ties, clusters)
        found = method.run(quotas, protected, partial(_report, progress, len(order)))
        order += [int(places[k]) for k in (*protected, *found)]
    return Choice(order, clusters, _shortfalls(config, material, wanted, order))


def _report(progress: Callable[[int], None], before: int, count: int) -> None:
    progress(before + count)


def _divisions(pool: Pool) -> list[tuple[str, list[str]]]:
    return [("language", pool.languages), ("task", pool.tasks), ("source", pool.sources)]


def _unique(pool: Pool) -> list[str]:
    """Return a different name per row: its id, with the language where two languages share ids."""
    if len(set(pool.names)) == len(pool.names):
        return pool.names
    return [f"{name}\t{tag}" for name, tag in zip(pool.names, pool.languages, strict=True)]


def _wanted(quotas: Quota, name: str, values: Sequence[str], material: Material) -> dict[str, int]:
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
    found = {value: round(n * material.keep) if n < 1 else int(n) for value, n in asked.items()}
    if sum(found.values()) > material.keep:
        raise RecipeError(
            f"the quotas ask for {sum(found.values()):,} rows and keep is {material.keep:,}",
            place=f"select.quotas.{name}",
            fix="raise keep, or lower the quotas",
        )
    return found


def _groups(
    config: SelectConfig, material: Material, wanted: Mapping[str, dict[str, int]]
) -> list[tuple[Ints, Quotas]]:
    """Return the places that compete with each other, with the numbers they may take."""
    pool, every = material.pool, np.arange(len(material.pool.rows))
    if config.scope == "global":
        divisions = [divide(values, wanted[n], material.keep) for n, values in _divisions(pool) if wanted[n]]
        return [(every, Quotas(material.keep, divisions))]
    shares = _language_shares(material, wanted["language"])
    tags = np.array(pool.languages, dtype=object)
    found = []
    for tag in sorted(shares):
        places = np.flatnonzero(tags == tag)
        divisions = [
            _within(places, tag, values, wanted[name], (pool.languages, shares[tag]))
            for name, values in _divisions(pool)[1:]
            if wanted[name]
        ]
        found.append((places, Quotas(shares[tag], divisions)))
    return found


def _language_shares(material: Material, named: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows each language may keep: its quota, or a share by its rows; never less than it protects."""
    sizes = Counter(material.pool.languages)
    rest = apportion(material.keep - sum(named.values()), {tag: n for tag, n in sizes.items() if tag not in named})
    needed = Counter(material.pool.languages[place] for place in material.protected)
    return {tag: max(n, needed[tag]) for tag, n in {**rest, **named}.items()}


def _within(
    places: Ints, tag: str, values: Sequence[str], wanted: Mapping[str, int], group: tuple[Sequence[str], int]
) -> Division:
    """Return one language's part of quotas that hold for all languages together, by the rows it has of each value."""
    languages, share = group
    part = {}
    for value, number in wanted.items():
        sizes = Counter(language for language, v in zip(languages, values, strict=True) if v == value)
        part[value] = apportion(number, dict(sorted(sizes.items()))).get(tag, 0)
    return divide([values[place] for place in places], part, share)


def _clusters(config: SelectConfig, material: Material, groups: Sequence[Ints]) -> Ints | None:
    """Return the cluster of every row; rows that do not compete are clustered apart."""
    if material.vectors is None:
        return None
    found, first = np.zeros(len(material.pool.rows), dtype=np.int64), 0
    for places in groups:
        count = config.diversity.clusters or cluster_count(len(places))
        turned = principal(material.vectors[places], config.diversity.variance)
        labels = kmeans(turned, count, config.seed)
        found[places] = labels + first
        first += int(labels.max()) + 1
    return found


class _Method:
    """One method on the rows of one group; places are numbers within the group."""

    def __init__(
        self, config: SelectConfig, material: Material, places: Ints, ties: Ints, clusters: Ints | None
    ) -> None:
        self.config, self.material, self.places = config, material, places
        self.ties = ties[places].argsort().argsort()
        self.scores = material.scores[places]
        self.vectors = None if material.vectors is None else material.vectors[places]
        self.clusters = None if clusters is None else clusters[places]

    def run(self, quotas: Quotas, protected: list[int], progress: Callable[[int], None]) -> list[int]:
        """Return what is chosen beside the protected rows."""
        method, diversity = self.config.method, self.config.diversity
        if method in ("random", "length", "topk", "mdaq_cluster", "car"):
            return self._walk(quotas, protected)
        if method == "new_token_coverage":
            tokens = [self.material.tokens[place] for place in self.places]
            return token_coverage(tokens, quotas, self.ties, chosen=protected, progress=progress)
        assert self.vectors is not None
        if method == "k_center":
            return k_center(self.vectors, quotas, self.ties, chosen=protected, progress=progress)
        if method == "facility_location":
            ground = self.vectors[np.sort(self.ties.argsort()[: diversity.ground_rows])]
            return facility_location(self.vectors, ground, quotas, self.ties, chosen=protected, progress=progress)
        weight = diversity.quality_weight
        return mmr(self.vectors, self.quality, weight, quotas, self.ties, chosen=protected, progress=progress)

    @property
    def quality(self) -> Floats:
        """Score of every row as a rank within its language."""
        return normalised_ranks(self.scores, [self.material.pool.languages[place] for place in self.places])

    def _walk(self, quotas: Quotas, protected: list[int]) -> list[int]:
        for place in protected:
            quotas.take(place)
        taken = set(protected)
        order = [place for place in self._order(taken) if place not in taken]
        found = quotas.walk(order)
        if self.config.method == "car" and self.clusters is not None:
            quotas.total = len(self.places)
            best = top_and_clusters(self.scores, self.clusters, self.ties, self.config.diversity.per_cluster)
            found += quotas.walk([place for place in best if place not in taken | set(found)])
        return found

    def _order(self, taken: set[int]) -> list[int]:
        if self.config.method == "random":
            return [int(k) for k in self.ties.argsort()]
        if self.config.method == "length":
            values = np.array([len(self.material.pool.examples[place].answer) for place in self.places], dtype=float)
        elif self.config.method == "mdaq_cluster":
            assert self.clusters is not None
            return cluster_rounds(self.quality, self.clusters, self.ties, taken)
        else:
            values = self.scores
        return [int(k) for k in np.lexsort((self.ties, -values))]


def _shortfalls(
    config: SelectConfig, material: Material, wanted: Mapping[str, dict[str, int]], order: Sequence[int]
) -> list[str]:
    """Return a sentence for every number that could not be met."""
    found = []
    for name, values in _divisions(material.pool):
        kept = Counter(values[place] for place in order)
        for value, number in wanted[name].items():
            if kept[value] < number:
                there = sum(v == value for v in values)
                found.append(f"{kept[value]:,} of {number:,} rows wanted for {name} {value} ({there:,} there are).")
    if len(order) < material.keep:
        found.append(f"{len(order):,} rows instead of {material.keep:,}: no row is left that the quotas allow.")
    return found
