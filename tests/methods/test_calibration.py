"""Simulations: intervals cover what they say, tests and the gate are wrong as rarely as they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from newtongue.methods.alignment import nearest_both_ways, similarities, spoiled_alone
from newtongue.methods.bootstrap import difference_of_ratios, interval, relative_change
from newtongue.methods.gate import at_most, signed_loss
from newtongue.methods.paired_tests import paired_p
from newtongue.methods.scores import layers

TRIALS = 2000


@pytest.mark.parametrize(("groups", "draws"), [(100, 600), (500, 300)])
def test_paired_intervals_cover_93_to_97_per_cent(groups: int, draws: int) -> None:
    """Documents of unequal length and hardness; the true difference is -0.2 bits per byte."""
    generator, hits = np.random.default_rng(groups), 0
    for trial in range(TRIALS):
        sizes, hard = generator.lognormal(6, 0.5, groups), generator.gamma(20, 0.1, groups)
        after = hard * 0.9 + generator.normal(0, 0.1, groups)
        columns = np.column_stack([hard * sizes, after * sizes, sizes])
        found = interval(columns, difference_of_ratios, draws=draws, seed=trial)
        hits += found.low <= -0.2 <= found.high
    assert 0.93 <= hits / TRIALS <= 0.97


@pytest.mark.parametrize(("items", "per_group"), [(400, 1), (600, 3)])
def test_intervals_of_paired_accuracy_cover_93_to_97_per_cent(items: int, per_group: int) -> None:
    """Answers that agree between models, and within passages; the true difference is -0.05."""
    hits = 0
    for trial in range(TRIALS):
        before, after = answers(trial, items, per_group, 0.6, 0.55)
        found = interval(columns_of(before, after, per_group), difference_of_ratios, draws=400, seed=trial)
        hits += found.low <= -0.05 <= found.high
    assert 0.93 <= hits / TRIALS <= 0.97


def test_intervals_of_every_layer_cover_93_to_97_per_cent() -> None:
    """Layers of translated sentences near and far from each other; truth is the mean over all sets."""
    found = [aligned(trial, 100) for trial in range(TRIALS)]
    truth = np.mean([[part.mean(axis=0) for part in one[:2]] for one in found], axis=0)
    hits = np.zeros((2, 2))
    for trial, columns in enumerate(found):
        for layer, figures in enumerate(layers(*columns, draws=400, seed=trial)):
            for kind, name in enumerate(("mexa", "similarity")):
                hits[kind, layer] += figures[name]["low"] <= truth[kind, layer] <= figures[name]["high"]
    assert (hits / TRIALS >= 0.93).all() and (hits / TRIALS <= 0.97).all(), hits / TRIALS


def aligned(seed: int, sentences: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per sentence and layer, whether it is nearest to its translation, how near, and what it spoils."""
    generator, found = np.random.default_rng(seed), []
    for noise in (0.6, 1.0):
        meaning = generator.normal(size=(sentences, 16))
        matrix = similarities(*(meaning + noise * generator.normal(size=(2, sentences, 16))))
        found.append((nearest_both_ways(matrix), np.diagonal(matrix), spoiled_alone(matrix)))
    right, near, spoils = (np.column_stack(part).astype(float) for part in zip(*found, strict=True))
    return right, near, spoils


@pytest.mark.parametrize(("items", "per_group"), [(100, 1), (500, 1), (500, 5)])
def test_equal_models_differ_significantly_in_at_most_five_per_cent(items: int, per_group: int) -> None:
    wrong = 0
    for trial in range(TRIALS):
        before, after = answers(trial, items, per_group, 0.6, 0.6)
        sums = columns_of(before, after, per_group)
        wrong += paired_p((sums[:, 1] - sums[:, 0]).astype(int)) < 0.05
    assert wrong / TRIALS <= 0.05


def test_text_at_the_limit_passes_the_gate_in_at_most_five_per_cent() -> None:
    """True loss equal to the limit: passing is an error; a 95 % interval allows it in about 2.5 % of cases."""
    generator, passes = np.random.default_rng(0), 0
    for trial in range(TRIALS):
        hard = generator.gamma(20, 5, 60)
        columns = np.column_stack([hard, hard * 1.03 + generator.normal(0, 2, 60)])
        passes += at_most(facts(columns, relative_change, trial), 0.03) == "pass"
    assert passes / TRIALS <= 0.05


def test_accuracy_at_the_limit_passes_the_gate_in_at_most_five_per_cent() -> None:
    passes = 0
    for trial in range(TRIALS):
        before, after = answers(trial, 500, 1, 0.60, 0.58)
        change = facts(columns_of(before, after, 1), difference_of_ratios, trial)
        passes += at_most(signed_loss(change, -1), 0.02) == "pass"
    assert passes / TRIALS <= 0.05


def answers(seed: int, items: int, per_group: int, first: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong answers of two models that find the same passages hard."""
    generator = np.random.default_rng(seed)
    shared = np.repeat(generator.random(items // per_group), per_group)
    follows = generator.random(items) < 0.5
    return tuple(np.where(follows, shared, generator.random(items)) < p for p in (first, second))  # type: ignore[return-value]


def columns_of(before: np.ndarray, after: np.ndarray, per_group: int) -> np.ndarray:
    sums = [part.astype(float).reshape(-1, per_group).sum(1) for part in (before, after)]
    return np.column_stack([*sums, np.full(len(sums[0]), float(per_group))])


def facts(columns: np.ndarray, statistic: Any, seed: int) -> dict[str, Any]:
    found = interval(columns, statistic, draws=300, seed=seed)
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
