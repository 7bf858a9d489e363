"""One choice among rows that are looked at in one piece: groups, clusters, and the method's own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.clustering import cluster_count, kmeans, principal
from newtongue.methods.diversity import k_center, mmr
from newtongue.methods.quotas import Quotas
from newtongue.methods.selection import cluster_rounds, top_and_clusters
from newtongue.methods.submodular import facility_location, token_coverage
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.material import Material
from newtongue.stages.select.numbers import Numbers

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pick(
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
            assert self.material.whole is not None
            ground = self.material.whole[self.material.ground[self.tag]]
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
