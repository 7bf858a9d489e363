"""From pool, scores and vectors to a choice; from a large pool through shards, each chosen from by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays, run_over
from newtongue.core.context import Context
from newtongue.core.errors import RecipeError
from newtongue.methods.submodular import coverage_value, facility_value
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.material import Material, load_rows, save_rows
from newtongue.stages.select.numbers import Numbers, divisions
from newtongue.stages.select.pick import pick

Ints = NDArray[np.int64]


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


def choose(config: SelectConfig, material: Material, context: Context) -> Choice:
    """Choose rows, of a large pool first within shards drawn by chance and then over what the shards keep.

    A pool of `shard_rows` rows or fewer is looked at in one piece. Shards run where the data engine runs.

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
    material = _grounded(config, material)
    left, first, candidates, clusters = np.arange(len(material.pool)), 0, list[list[int]](), None
    while len(left) > config.shard_rows:
        shards = _shards(left, material.ties, config.shard_rows)
        candidates, made = _each_shard(config, material, numbers, shards, context)
        first, clusters = (first, clusters) if first else (len(shards), made)
        before, left = len(left), np.unique(np.concatenate([np.array(order, dtype=np.int64) for order in candidates]))
        if len(left) == before:
            raise RecipeError(
                f"{len(shards)} shards of at most {config.shard_rows:,} rows keep all their rows",
                place="select.shard_rows",
                fix=f"set it to more than twice what is kept ({material.keep:,})",
            )
    order, made = pick(config, material, numbers, left, lambda n: context.progress(n, material.keep, "rows"))
    order = _best(config, material, [order, *candidates])
    short = _shortfalls(material, numbers, order)
    return Choice(order, made if clusters is None else clusters, short, max(1, first), left)


def _shards(left: Ints, ties: Ints, most: int) -> list[Ints]:
    """Cut rows into shards of nearly equal size by their chance numbers."""
    by_chance, count = left[ties[left].argsort()], -(-len(left) // most)
    return [np.sort(by_chance[number::count]) for number in range(count)]


@dataclass(frozen=True)
class PickShard:
    """Chooses within one shard, wherever that is done.

    Attributes:
        config: How.
        numbers: Rows wanted of the whole pool.
        like: What is not kept per row.
        vectors: File of the whole pool's vectors, if there are any.
    """

    config: SelectConfig
    numbers: Numbers
    like: Material
    vectors: Path | None

    def __call__(self, file: str) -> Arrays:
        """Return the places chosen, in order, and the cluster of every row of the shard."""
        material, places = load_rows(file, self.like)
        if self.vectors:
            whole = np.load(self.vectors, mmap_mode="r", allow_pickle=False)
            material = replace(material, vectors=whole[places], whole=whole)
        order, clusters = pick(self.config, material, self.numbers, np.arange(len(places)), lambda count: None)
        found = {"order": places[np.array(order, dtype=np.int64)]}
        return found if clusters is None else {**found, "clusters": clusters}


def _each_shard(
    config: SelectConfig, material: Material, numbers: Numbers, shards: list[Ints], context: Context
) -> tuple[list[list[int]], Ints | None]:
    """Choose within every shard; return the places chosen, and the cluster of every row, -1 outside the shards."""
    files = [context.scratch / f"shard-{number:06d}.npz" for number in range(len(shards))]
    for file, places in zip(files, shards, strict=True):
        save_rows(material, places, file)
    vectors = getattr(material.vectors, "filename", None)
    work = PickShard(config, numbers, material.without_rows(), vectors and Path(vectors))
    orders, clusters, first = list[list[int]](), None, 0
    for places, found in zip(shards, run_over(config.engine, work, list(map(str, files))), strict=True):
        orders.append(found["order"].tolist())
        context.progress(len(orders), len(shards), "shards")
        if "clusters" in found:
            clusters = np.full(len(material.pool), -1, dtype=np.int64) if clusters is None else clusters
            clusters[places] = found["clusters"] + first
            first = int(clusters.max()) + 1
    return orders, clusters


def _best(config: SelectConfig, material: Material, orders: list[list[int]]) -> list[int]:
    """Return the choice of the highest value where a method has one, else the first."""
    if len(orders) == 1 or config.method not in ("facility_location", "new_token_coverage"):
        return orders[0]
    if config.method == "new_token_coverage":
        return max(orders, key=lambda order: coverage_value([material.tokens[place] for place in order]))
    assert material.whole is not None
    vectors, ground = material.whole, material.whole[material.ground[None]]
    return max(orders, key=lambda order: facility_value(vectors[order], ground, range(len(order))))


def _grounded(config: SelectConfig, material: Material) -> Material:
    """Add the rows to be represented, of every language and of all: `ground_rows` by chance at most."""
    if config.method != "facility_location":
        return material
    tags = np.array(material.pool.languages, dtype=object)
    groups: dict[str | None, Ints] = {None: np.arange(len(tags))}
    if config.scope == "language":
        groups |= {tag: np.flatnonzero(tags == tag) for tag in dict.fromkeys(material.pool.languages)}
    most = config.diversity.ground_rows
    ground = {tag: np.sort(places[material.ties[places].argsort()[:most]]) for tag, places in groups.items()}
    return replace(material, whole=material.vectors, ground=ground)


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
