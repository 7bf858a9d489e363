"""From rows to a trained scorer: pairs, cross-fitted features, weights, and how often it prefers the better answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods import quality
from newtongue.methods.corruption import Example, Spoiled, spoil
from newtongue.methods.selection import draw_order
from newtongue.methods.surface import FEATURES, Surface, learn_surface
from newtongue.stages.select.config import ScorerTraining, SelectConfig
from newtongue.stages.select.features import Described, Describer, surface_part
from newtongue.stages.select.pool import Pool, column_scores, example_of, require_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_ROWS = 20
"""Fewer rows teach nothing."""
PAIR_COLUMNS = ("prompt", "original", "revised", "language")
FEWEST_TEST_PAIRS = 5
"""Accuracies on fewer pairs are not told."""


@dataclass(frozen=True)
class TrainingMaterial:
    """What a scorer learns from.

    Attributes:
        rows: Good rows.
        part: Per row 0 training, 1 validation, 2 test; rows of one group are on one side.
        pairs: Good rows with their worse twins; `place` is a number in `rows`.
        scores: A judge's number per row, empty without one.
    """

    rows: list[Example]
    part: NDArray[np.int64]
    pairs: list[Spoiled]
    scores: Floats

    @property
    def languages(self) -> list[str]:
        """Language of every row."""
        return [row.language for row in self.rows]


@dataclass(frozen=True)
class Trained:
    """A scorer.

    Attributes:
        surface: Counts on good rows.
        scale: What is usual among them.
        weights: What was learnt.
    """

    surface: Surface
    scale: quality.Scale
    weights: quality.Weights

    def score(self, described: Described, languages: Sequence[str]) -> Floats:
        """Return the score of rows."""
        rows = quality.scaled(described.symptoms, described.vectors, languages, self.scale)
        return quality.score(rows, self.weights)


def training_material(config: SelectConfig, training: ScorerTraining, pool: Pool, context: Context) -> TrainingMaterial:
    """Return good rows, worse twins and who is set aside.

    Raises:
        DataError: There are too few rows, or a file of pairs lacks a column.
    """
    if training.pairs:
        rows, pairs = _expert_pairs(context[training.pairs], training.min_change_fraction)
        groups = [str(k) for k in range(len(rows))]
        scores = np.zeros(0)
    else:
        chosen = sorted(draw_order(pool.names, config.seed)[: training.max_rows])
        picked = pool.picked(chosen)
        rows = [example_of(row) for row in picked]
        groups = [row.group or pool.names[place] for place, row in zip(chosen, picked, strict=True)]
        scores = _judged(config, training, pool, chosen)
        trips = _round_trips(pool, chosen) if "back_translated" in training.corruptions else {}
        pairs = [] if training.judged else spoil(rows, training.corruptions, config.seed, trips)
    if len(rows) < FEWEST_ROWS or not (pairs or training.judged):
        raise DataError(
            f"{len(rows)} rows and {len(pairs)} pairs are too few to learn from",
            place=pool.source.name or str(pool.source.path),
            expected=f"{FEWEST_ROWS} rows at least, some of them with an answer of several words",
        )
    return TrainingMaterial(rows, _parts(groups, config.seed), pairs, scores)


def _parts(groups: Sequence[str], seed: int) -> NDArray[np.int64]:
    names = sorted(set(groups))
    part = np.zeros(len(names), dtype=np.int64)
    for number, places in enumerate(quality.three_ways(len(names), seed)):
        part[places] = number
    of = dict(zip(names, part, strict=True))
    return np.array([of[group] for group in groups])


def _judged(config: SelectConfig, training: ScorerTraining, pool: Pool, chosen: Sequence[int]) -> Floats:
    if not training.judged:
        return np.zeros(0)
    found = column_scores(config, pool)
    require_scores(config, pool, found)
    return np.array(found)[list(chosen)]


def _round_trips(pool: Pool, chosen: Sequence[int]) -> dict[int, str]:
    """Return number of a chosen row -> its answer translated there and back, from the column `round_trip`."""
    rows = [] if pool.source.sealed else [row for _, row in read_rows(pool.source.path) if not isinstance(row, Reject)]
    kept = [row for row in rows if row.get("split") != "heldout"]
    if len(kept) != len(pool) or not any(row.get("round_trip") for row in kept):
        raise DataError(
            "no column `round_trip`: answers translated there and back",
            place=pool.source.name or str(pool.source.path),
            fix="add it, or take back_translated out of the corruptions",
        )
    trips = {number: str(kept[place].get("round_trip") or "") for number, place in enumerate(chosen)}
    return {number: text for number, text in trips.items() if text}


def _expert_pairs(artefact: Artefact, dropped_fraction: float) -> tuple[list[Example], list[Spoiled]]:
    """Return revised rows and their originals, the least revised left out."""
    found = []
    for place, row in read_rows(artefact.path):
        if isinstance(row, Reject):
            continue
        if missing := [
            name for name in ("prompt", "original", "revised", "language") if not isinstance(row.get(name), str)
        ]:
            raise DataError(
                f"no text in the column `{missing[0]}`; the columns are {', '.join(sorted(map(str, row)))}",
                place=place,
                expected=", ".join(PAIR_COLUMNS),
            )
        found.append((row["prompt"], row["original"], row["revised"], row["language"]))
    distances = [quality.edit_distance(original, revised) for _, original, revised, _ in found]
    kept = quality.drop_smallest_changes(distances, round(dropped_fraction * len(found)))
    rows = [Example(found[k][0], found[k][2], found[k][3]) for k in kept]
    pairs = [
        Spoiled(rows[number], Example(found[k][0], found[k][1], found[k][3]), "revised", number)
        for number, k in enumerate(kept)
        if distances[k]
    ]
    return rows, pairs


@dataclass(frozen=True)
class Prepared:
    """Training rows in numbers, one language left out or none.

    Attributes:
        surface: Counts on the training rows.
        scale: What is usual among them.
        rows: The training rows, scaled (B, F + D).
        better: The better row of every training pair, scaled (P, F + D).
        worse: The worse row (P, F + D).
        pairs: Number of every training pair.
        judged: A judge's number per training row, empty without one.
    """

    surface: Surface
    scale: quality.Scale
    rows: Floats
    better: Floats
    worse: Floats
    pairs: Ints
    judged: Floats


class Fit:
    """Training and measuring on one set of rows; what several trainings share is computed once."""

    def __init__(
        self, material: TrainingMaterial, describer: Describer, training: ScorerTraining, context: Context
    ) -> None:
        """Describe all rows and their worse twins by the encoder, where there is one."""
        self.material, self.training = material, training
        self.worse = [pair.bad for pair in material.pairs]
        self.places = np.array([pair.place for pair in material.pairs], dtype=np.int64)
        self.kinds = np.array([pair.kind for pair in material.pairs])
        self.better_model = describer.model_part(material.rows, context.progress)
        self.worse_model = describer.model_part(self.worse, context.progress)
        self.prior = quality.priors(describer.names)
        self._prepared: dict[str, Prepared] = {}
        self._tested: dict[tuple[str, str], tuple[Floats, Floats, Ints]] = {}

    def trained(self, leave_out: str = "", unseen_kind: str = "") -> Trained:
        """Return a scorer trained on the training rows, without a language or a kind of fault where asked."""
        known = self.prepared(leave_out)
        if self.training.judged:
            weights = quality.learn_from_scores(known.rows, known.judged, self.prior)
        else:
            shown = self.kinds[known.pairs] != unseen_kind
            better, worse = known.better[shown], known.worse[shown]
            weights = quality.learn_from_pairs(better, worse, self.prior, self.training.objective)
        return Trained(known.surface, known.scale, weights)

    def accuracy(self, language: str, leave_out: str = "", unseen_kind: str = "") -> dict[str, Any]:
        """Return the pair accuracy on the test rows of a language: all kinds, number of pairs, each kind."""
        better, worse, pairs = self._test(leave_out, language)
        if not len(pairs):
            return {"all": 0.0, "n": 0, "kinds": {}}
        weights = self.trained(leave_out, unseen_kind).weights
        first, second = quality.score(better, weights), quality.score(worse, weights)
        masks = {str(kind): self.kinds[pairs] == kind for kind in np.unique(self.kinds[pairs])}
        told = {kind: round(quality.pair_accuracy(first[m], second[m]), 4) for kind, m in sorted(masks.items())}
        return {"all": round(quality.pair_accuracy(first, second), 4), "n": len(pairs), "kinds": told}

    def prepared(self, leave_out: str) -> Prepared:
        """Return the training rows of all languages but one ("" leaves out none) in numbers."""
        if leave_out not in self._prepared:
            rows = self._rows(0, lambda tag: tag != leave_out)
            if len(rows) < 2:
                raise DataError(f"{len(rows)} training rows are left without {leave_out or 'those set aside'}")
            self._prepared[leave_out] = self._prepare(rows)
        return self._prepared[leave_out]

    def _prepare(self, rows: Ints) -> Prepared:
        good, bad, pairs = self._cross_fitted(rows)
        languages = [self.material.rows[k].language for k in rows]
        vectors = self.better_model.vectors[rows]
        scale = quality.learn_scale(good, vectors, languages)
        scaled = quality.scaled(good, vectors, languages, scale)
        number = {int(place): k for k, place in enumerate(rows)}
        tags = [self.worse[k].language for k in pairs]
        return Prepared(
            surface=learn_surface([self.material.rows[k] for k in rows]),
            scale=scale,
            rows=scaled,
            better=scaled[[number[int(place)] for place in self.places[pairs]]],
            worse=quality.scaled(bad, self.worse_model.vectors[pairs], tags, scale),
            pairs=pairs,
            judged=self.material.scores[rows] if self.training.judged else np.zeros(0),
        )

    def _test(self, leave_out: str, language: str) -> tuple[Floats, Floats, Ints]:
        """Return the test pairs of a language in numbers."""
        if (leave_out, language) not in self._tested:
            known, rows = self.prepared(leave_out), set(self._rows(2, lambda tag: tag == language).tolist())
            pairs = np.flatnonzero([int(place) in rows for place in self.places])
            places = self.places[pairs]
            better = self._numbers(known, [self.material.rows[k] for k in places], self.better_model, places)
            worse = self._numbers(known, [self.worse[k] for k in pairs], self.worse_model, pairs)
            self._tested[leave_out, language] = better, worse, pairs
        return self._tested[leave_out, language]

    def _numbers(self, known: Prepared, rows: Sequence[Example], model: Described, places: Ints) -> Floats:
        symptoms = np.concatenate([surface_part(rows, known.surface), model.symptoms[places]], axis=1)
        return quality.scaled(symptoms, model.vectors[places], [row.language for row in rows], known.scale)

    def _rows(self, part: int, wanted: Callable[[str], bool]) -> Ints:
        chosen = [wanted(tag) for tag in self.material.languages]
        return np.flatnonzero((self.material.part == part) & np.array(chosen))

    def _cross_fitted(self, rows: Ints) -> tuple[Floats, Floats, Ints]:
        """Return symptoms of rows and of their worse twins, from counts on the other half; and which pairs they are."""
        half = np.full(len(self.material.rows), -1)
        half[rows] = np.arange(len(rows)) % 2
        pairs = np.flatnonzero(half[self.places] >= 0) if len(self.places) else np.zeros(0, dtype=np.int64)
        good, bad = np.zeros((len(rows), len(self.prior))), np.zeros((len(pairs), len(self.prior)))
        count = len(FEATURES)
        good[:, count:], bad[:, count:] = self.better_model.symptoms[rows], self.worse_model.symptoms[pairs]
        for side in (0, 1):
            surface = learn_surface([self.material.rows[k] for k in rows if half[k] != side])
            mine, twins = half[rows] == side, half[self.places[pairs]] == side
            good[mine, :count] = surface_part([self.material.rows[k] for k in rows[mine]], surface)
            bad[twins, :count] = surface_part([self.worse[k] for k in pairs[twins]], surface)
        return good, bad, pairs


def measure(fit: Fit) -> dict[str, Any]:
    """Return pair accuracy on rows set aside, per language and kind, and the same for languages left out."""
    tags = sorted(set(fit.material.languages)) if fit.material.pairs else []
    found = {tag: fit.accuracy(tag) for tag in tags}
    absent = {}
    if fit.training.leave_out_language and len(tags) > 1:
        absent = {tag: fit.accuracy(tag, leave_out=tag) for tag in tags}
    return {
        "languages": {tag: side for tag, side in found.items() if side["n"] >= FEWEST_TEST_PAIRS},
        "left_out_languages": {tag: side for tag, side in absent.items() if side["n"] >= FEWEST_TEST_PAIRS},
    }
