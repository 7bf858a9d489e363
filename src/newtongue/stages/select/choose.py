"""From pool, scores and vectors to a choice: shares per language, quotas, shards, and the method's own order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import RecipeError
from newtongue.methods.clustering import cluster_count, kmeans, principal
from newtongue.methods.diversity import k_center, mmr
from newtongue.methods.quotas import Quotas
from newtongue.methods.selection import cluster_rounds, top_and_clusters
from newtongue.methods.submodular import coverage_value, facility_location, facility_value, token_coverage
from newtongue.methods.unit_grid import Grid
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.numbers import Numbers, divisions
from newtongue.stages.select.pool import Pool

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What a method may look at.

    Attributes:
        pool: Facts on the rows.
        keep: Rows to keep in all.
        scores: Score per row, NaN where there is none.
        quality: Rank of every score within its language, NaN where a score is missing.
        ties: A different number per row; the lower one wins between equal rows.
        vectors: Unit vectors on the grid, None where the method needs none and none were asked for.
        protected: Places of the rows that always stay.
        tokens: New tokens of every row, for `new_token_coverage`.
    """

    pool: Pool
    keep: int
    scores: Floats
    quality: Floats
    ties: Ints
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
        shards: Shards the pool was cut into first, 1 when it was looked at in one piece.
        last: Places of the rows that the last choice was made from.
    """

    order: list[int]
    clusters: Ints | None
    short: list[str]
    shards: int
    last: Ints


def choose(config: SelectConfig, material: Material, progress: Callable[[int], None]) -> Choice:
    """Choose rows, of a large pool first within shards drawn by chance and then over what the shards keep.

    A pool of `shard_rows` rows or fewer is looked at in one piece.

    Raises:
        RecipeError: Quotas or protected rows ask for more than `keep`, or shards keep all their rows.
        DataError: A quota names something no row has.

    Source: Barbosa et al. 2015 (arXiv 1502.02606): with shards drawn by chance, the better of the last choice and the
        best shard's is within (1 - 1/e) / 2 of the optimum in expectation where the value is monotone and submodular
        (`facility_location`, `new_token_coverage`, no quotas, one round); Malkomes et al. 2015: within 4 times the
        best radius for `k_center`. `random`, `length` and `topk` choose what they choose in one piece (quotas in one
        division at most).
    """
    numbers = Numbers.of(config, material.pool, material.keep, material.protected)
    left, first, candidates, clusters = np.arange(len(material.pool)), 0, list[list[int]](), None
    while len(left) > config.shard_rows:
        shards = _shards(left, material.ties, config.shard_rows)
        found = [_pick(config, material, numbers, places, lambda count: None) for places in shards]
        first, clusters = (first, clusters) if first else (len(shards), _joined([made for _, made in found]))
        candidates, before = [order for order, _ in found], len(left)
        left = np.unique(np.concatenate([np.array(order, dtype=np.int64) for order in candidates]))
        if len(left) == before:
            raise RecipeError(
                f"{len(shards)} shards of at most {config.shard_rows:,} rows keep all their rows",
                place="select.shard_rows",
                fix=f"set it to more than twice what is kept ({material.keep:,})",
            )
    order, made = _pick(config, material, numbers, left, progress)
    order = _best(config, material, [order, *candidates])
    short = _shortfalls(material, numbers, order)
    return Choice(order, made if clusters is None else clusters, short, max(1, first), left)


def _shards(left: Ints, ties: Ints, most: int) -> list[Ints]:
    """Cut rows into shards of nearly equal size by their chance numbers."""
    by_chance, count = left[ties[left].argsort()], -(-len(left) // most)
    return [np.sort(by_chance[number::count]) for number in range(count)]


def _joined(clusters: Sequence[Ints | None]) -> Ints | None:
    """Return one array of clusters from those of shards, which know -1 for rows of other shards."""
    found: Ints | None = None
    for part in clusters:
        if part is not None:
            first = 0 if found is None else int(found.max()) + 1
            found = part if found is None else np.where(part >= 0, part + first, found)
    return found


def _pick(
    config: SelectConfig, material: Material, numbers: Numbers, left: Ints, progress: Callable[[int], None]
) -> tuple[list[int], Ints | None]:
    """Choose among some of the rows in one piece; return places in order, and the clusters (-1 for other rows)."""
    groups = [group for group in numbers.groups(config.scope, material.pool, left) if len(group[0])]
    clusters = _clusters(config, material, [places for places, _, _ in groups])
    always, order = set(material.protected), list[int]()
    for places, tag, quotas in groups:
        protected = [k for k, place in enumerate(places) if int(place) in always]
        method = _Method(config, material, places, tag, clusters)
        found = method.run(quotas, protected, partial(_report, progress, len(order)))
        order += [int(places[k]) for k in (*protected, *found)]
    return order, clusters


def _best(config: SelectConfig, material: Material, orders: list[list[int]]) -> list[int]:
    """Return the choice of the highest value where a method has one, else the first."""
    if len(orders) == 1 or config.method not in ("facility_location", "new_token_coverage"):
        return orders[0]
    if config.method == "new_token_coverage":
        return max(orders, key=lambda order: coverage_value([material.tokens[place] for place in order]))
    assert material.vectors is not None
    vectors, ground = material.vectors, material.vectors[_ground(config, material, None)]
    return max(orders, key=lambda order: facility_value(vectors[order], ground, range(len(order))))


def _ground(config: SelectConfig, material: Material, tag: str | None) -> Ints:
    """Return the places of the rows to be represented, of one language or all: `ground_rows` by chance at most."""
    tags = material.pool.languages
    places = np.array([k for k, t in enumerate(tags) if t == tag]) if tag is not None else np.arange(len(tags))
    return np.sort(places[material.ties[places].argsort()[: config.diversity.ground_rows]])


def _report(progress: Callable[[int], None], before: int, count: int) -> None:
    progress(before + count)


def _clusters(config: SelectConfig, material: Material, groups: Sequence[Ints]) -> Ints | None:
    """Return the cluster of every row, -1 outside the groups; rows that do not compete are clustered apart."""
    if material.vectors is None:
        return None
    found, first = np.full(len(material.pool), -1, dtype=np.int64), 0
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
        self, config: SelectConfig, material: Material, places: Ints, tag: str | None, clusters: Ints | None
    ) -> None:
        self.config, self.material, self.places, self.tag = config, material, places, tag
        self.ties = material.ties[places].argsort().argsort()
        self.quality = material.quality[places]
        self.scores = material.scores[places]
        self.vectors = None if material.vectors is None else material.vectors[places]
        self.clusters = None if clusters is None else clusters[places]

    def run(self, quotas: Quotas, protected: list[int], progress: Callable[[int], None]) -> list[int]:
        """Return what is chosen beside the protected rows."""
        method = self.config.method
        if method in ("random", "length", "topk", "mdaq_cluster", "car"):
            return self._walk(quotas, protected)
        if method == "new_token_coverage":
            tokens = [self.material.tokens[place] for place in self.places]
            return token_coverage(tokens, quotas, self.ties, chosen=protected, progress=progress)
        assert self.vectors is not None
        if method == "k_center":
            return k_center(self.vectors, quotas, self.ties, chosen=protected, progress=progress)
        if method == "facility_location":
            assert self.material.vectors is not None
            ground = self.material.vectors[_ground(self.config, self.material, self.tag)]
            return facility_location(self.vectors, ground, quotas, self.ties, chosen=protected, progress=progress)
        weight = self.config.diversity.quality_weight
        return mmr(self.vectors, self.quality, weight, quotas, self.ties, chosen=protected, progress=progress)

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
            values = np.array([self.material.pool.lengths[place] for place in self.places])
        elif self.config.method == "mdaq_cluster":
            assert self.clusters is not None
            return cluster_rounds(self.quality, self.clusters, self.ties, taken)
        else:
            values = self.scores
        return [int(k) for k in np.lexsort((self.ties, -values))]


def _shortfalls(material: Material, numbers: Numbers, order: Sequence[int]) -> list[str]:
    """Return a sentence for every number that could not be met."""
    found = []
    for name, values in divisions(material.pool):
        kept, there = Counter(values[place] for place in order), Counter(values)
        for value, number in numbers.wanted[name].items():
            if kept[value] < number:
                said = f"{kept[value]:,} of {number:,} rows wanted for {name} {value} ({there[value]:,} there are)."
                found.append(said)
    if len(order) < material.keep:
        found.append(f"{len(order):,} rows instead of {material.keep:,}: no row is left that the quotas allow.")
    return found
