"""From rows to a trained scorer: pairs, cross-fitted features, weights, and how often it prefers the better answer."""

from __future__ import annotations

from collections.abc import Sequence
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
from newtongue.methods.surface import Surface, learn_surface
from newtongue.stages.select.config import ScorerTraining, SelectConfig
from newtongue.stages.select.features import Described, Describer, surface_part
from newtongue.stages.select.pool import Pool, column_scores, require_scores

Floats = NDArray[np.float64]

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
        rows = [pool.examples[place] for place in chosen]
        groups = [getattr(pool.rows[place], "group", "") or pool.names[place] for place in chosen]
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
    if len(kept) != len(pool.rows) or not any(row.get("round_trip") for row in kept):
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


def learn(material: TrainingMaterial, describer: Describer, training: ScorerTraining, context: Context) -> Trained:
    """Train on the training rows."""
    context.journal("learning", rows=len(material.rows), pairs=len(material.pairs))
    return Fit(material, describer, training, context).trained(leave_out="")


def measure(
    material: TrainingMaterial, trained: Trained, describer: Describer, training: ScorerTraining, context: Context
) -> dict[str, Any]:
    """Return pair accuracy on rows set aside, per language and kind, and the same for languages left out."""
    if training.judged:
        return {"languages": {}, "left_out_languages": {}}
    fit = Fit(material, describer, training, context)
    tags = sorted(set(material.languages))
    found = {tag: fit.accuracy(trained, tag) for tag in tags}
    absent = {}
    if training.leave_out_language and len(tags) > 1:
        for tag in tags:
            absent[tag] = fit.accuracy(fit.trained(leave_out=tag), tag)
    return {
        "languages": {tag: side for tag, side in found.items() if side["n"] >= FEWEST_TEST_PAIRS},
        "left_out_languages": {tag: side for tag, side in absent.items() if side["n"] >= FEWEST_TEST_PAIRS},
    }


class Fit:
    """Training and measuring on one set of rows; what depends on the encoder alone is computed once."""

    def __init__(
        self, material: TrainingMaterial, describer: Describer, training: ScorerTraining, context: Context
    ) -> None:
        """Describe all rows and their worse twins by the encoder, where there is one."""
        self.material, self.training = material, training
        self.worse = [pair.bad for pair in material.pairs]
        self.places = np.array([pair.place for pair in material.pairs], dtype=np.int64)
        self.better_model = describer.model_part(material.rows, context.progress)
        self.worse_model = describer.model_part(self.worse, context.progress)
        self.prior = quality.priors(describer.names)

    def trained(self, leave_out: str) -> Trained:
        """Return a scorer trained on the training rows of all languages but one ("" leaves out none)."""
        rows = self._rows(0, lambda tag: tag != leave_out)
        surface = learn_surface([self.material.rows[k] for k in rows])
        good, bad, pairs = self._cross_fitted(rows)
        languages = [self.material.rows[k].language for k in rows]
        vectors = self.better_model.vectors[rows]
        scale = quality.learn_scale(good, vectors, languages)
        better = quality.scaled(good, vectors, languages, scale)
        if self.training.judged:
            return Trained(surface, scale, quality.learn_from_scores(better, self.material.scores[rows], self.prior))
        tags = [self.worse[k].language for k in pairs]
        worse = quality.scaled(bad, self.worse_model.vectors[pairs], tags, scale)
        number = {int(place): k for k, place in enumerate(rows)}
        matched = better[[number[int(place)] for place in self.places[pairs]]]
        return Trained(surface, scale, quality.learn_from_pairs(matched, worse, self.prior, self.training.objective))

    def accuracy(self, trained: Trained, language: str) -> dict[str, Any]:
        """Return the pair accuracy on the test rows of a language: all kinds, each kind, number of pairs."""
        rows = set(self._rows(2, lambda tag: tag == language).tolist())
        pairs = np.flatnonzero([int(place) in rows for place in self.places])
        if not len(pairs):
            return {"all": 0.0, "n": 0, "kinds": {}}
        places = self.places[pairs]
        better = self._score(trained, [self.material.rows[k] for k in places], self.better_model, places)
        worse = self._score(trained, [self.worse[k] for k in pairs], self.worse_model, pairs)
        kinds = np.array([self.material.pairs[k].kind for k in pairs])
        each = {
            str(kind): quality.pair_accuracy(better[kinds == kind], worse[kinds == kind]) for kind in np.unique(kinds)
        }
        told = {kind: round(value, 4) for kind, value in sorted(each.items())}
        return {"all": round(quality.pair_accuracy(better, worse), 4), "n": len(pairs), "kinds": told}

    def _score(self, trained: Trained, rows: Sequence[Example], model: Described, places: NDArray[np.int64]) -> Floats:
        symptoms = np.concatenate([surface_part(rows, trained.surface), model.symptoms[places]], axis=1)
        return trained.score(Described(symptoms, model.vectors[places]), [row.language for row in rows])

    def _rows(self, part: int, wanted: Any) -> NDArray[np.int64]:
        chosen = [wanted(tag) for tag in self.material.languages]
        return np.flatnonzero((self.material.part == part) & np.array(chosen))

    def _cross_fitted(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Return symptoms of rows and of their worse twins, from counts on the other half; and which pairs they are."""
        half = np.full(len(self.material.rows), -1)
        half[rows] = np.arange(len(rows)) % 2
        pairs = np.flatnonzero(half[self.places] >= 0)
        parts = [np.zeros((len(rows), len(self.prior))), np.zeros((len(pairs), len(self.prior)))]
        for side in (0, 1):
            surface = learn_surface([self.material.rows[k] for k in rows if half[k] != side])
            mine, twins = half[rows] == side, half[self.places[pairs]] == side
            count = parts[0].shape[1] - self.better_model.symptoms.shape[1]
            parts[0][mine, :count] = surface_part([self.material.rows[k] for k in rows[mine]], surface)
            parts[1][twins, :count] = surface_part([self.worse[k] for k in pairs[twins]], surface)
            parts[0][mine, count:] = self.better_model.symptoms[rows[mine]]
            parts[1][twins, count:] = self.worse_model.symptoms[pairs[twins]]
        return parts[0], parts[1], pairs
