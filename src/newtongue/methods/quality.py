"""A quality score for instruction rows, learnt from pairs of a good answer and a worse one.

A row is described by symptoms (`methods.surface`, and those a model adds), each measured in standard deviations of good
rows of its language, and, where there is an encoder, by a vector. The score is minus the weighted sum of symptoms plus
a linear function of the vector. No symptom's weight falls below a share of its prior, so that a kind of fault that was
never shown in training still counts.

Shapes: B rows, F symptoms, D vector dimensions (0 without an encoder), P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objective = Literal["mse", "triplet"]

CLIP = 6.0
"""Standard deviations beyond which a symptom is not more suspicious."""
PRIOR = 0.15
"""Prior weight of a symptom, in score per standard deviation; the margin of a pair is 1."""
STRONG_PRIORS = {"shortness": 0.4, "foreign_script": 0.3, "off_topic": 0.6, "prompt_ignored": 0.3}
"""Symptoms whose prior is larger: an answer cut off shows little else in a script without sentence marks, letters of
another script than the prompt's are rarely right, and an answer to another question shows nothing but its topic."""
MODEL_PRIORS = {
    "off_topic": 1.6, "prompt_helps_little": 0.8, "prompt_ignored": 0.5,
    "bits_given_prompt": 0.1, "bits_alone": 0.05, "worst_quarter": 0.05,
}  # fmt: skip
"""Priors beside a model's states: three symptoms of surprise say nearly the same, each of them gets little; faults of
form show in them, so that what ties an answer to its prompt can weigh more."""
FLOOR = 0.5
"""Share of its prior below which no symptom's weight falls."""
RIDGE = 0.05
"""Strength of the pull towards the prior, per pair."""
VECTOR_RIDGE = 1.0
"""Strength of the pull of vector weights towards zero, per pair; vectors have variance one in all."""
MARGIN = 1.0
"""Distance a worse answer should keep from the good one."""
SWEEPS = 200
"""Rounds of coordinate descent at most."""
TEMPLATE = "Instruction:\n{prompt}\n\nResponse:\n{answer}"
"""The one string a row is shown as, in training and in scoring, whether or not it has a prompt."""


def render(prompt: str, answer: str) -> str:
    r"""Return a row as the one string encoders and models see.

    Example:
        >>> render("2 + 2?", "4")
        'Instruction:\n2 + 2?\n\nResponse:\n4'
    """
    return TEMPLATE.format(prompt=prompt, answer=answer)


@dataclass(frozen=True, slots=True)
class Scale:
    """What is usual among good rows.

    Attributes:
        mean: Mean of every symptom, (F,) per language; "" for languages that had no rows.
        deviation: Standard deviation of the same.
        centre: Mean of the vectors (D,).
        spread: Root of their total variance.
    """

    mean: Mapping[str, Floats]
    deviation: Mapping[str, Floats]
    centre: Floats
    spread: float


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learnt.

    Attributes:
        symptoms: Score lost per standard deviation (F,), not negative.
        vector: Score per unit of the scaled vector (D,).
    """

    symptoms: Floats
    vector: Floats


def learn_scale(symptoms: Floats, vectors: Floats, languages: Sequence[str]) -> Scale:
    """Measure good rows.

    Args:
        symptoms: Symptoms of good rows (B, F), from counts that did not include the row itself; NaN is unknown.
        vectors: Their vectors (B, D).
        languages: Their tags.
    """
    tags = np.array(languages)
    groups = {"": np.ones(len(tags), dtype=np.bool_)} | {tag: tags == tag for tag in sorted(set(languages))}
    known, filled = np.isfinite(symptoms), np.nan_to_num(symptoms)
    counts = {tag: np.maximum(known[rows].sum(axis=0), 1) for tag, rows in groups.items()}
    mean = {tag: filled[rows].sum(axis=0) / counts[tag] for tag, rows in groups.items()}
    squares = {tag: (known[rows] * (filled[rows] - mean[tag]) ** 2).sum(axis=0) for tag, rows in groups.items()}
    deviation = {tag: np.sqrt(squares[tag] / counts[tag]) + 1e-6 for tag in groups}
    centre = vectors.mean(axis=0)
    spread = float(np.sqrt(np.square(vectors - centre).sum(axis=1).mean())) if vectors.shape[1] else 0.0
    return Scale(mean, deviation, centre, spread or 1.0)


def scaled(symptoms: Floats, vectors: Floats, languages: Sequence[str], scale: Scale) -> Floats:
    """Return symptoms in standard deviations, larger is better, beside scaled vectors: array (B, F + D)."""
    known = [tag if tag in scale.mean else "" for tag in languages]
    shape = (len(known), symptoms.shape[1])
    mean = np.array([scale.mean[tag] for tag in known]).reshape(shape)
    deviation = np.array([scale.deviation[tag] for tag in known]).reshape(shape)
    plain = np.nan_to_num(np.clip((symptoms - mean) / deviation, -CLIP, CLIP))
    return np.concatenate([-plain, (vectors - scale.centre) / scale.spread], axis=1)


def priors(names: Sequence[str]) -> Floats:
    """Return the prior weight of every symptom: array (F,); others hold where there are symptoms of surprise.

    Example:
        >>> priors(["ending", "shortness"]).tolist()
        [0.15, 0.4]
    """
    strong = STRONG_PRIORS | (MODEL_PRIORS if "prompt_helps_little" in names else {})
    return np.array([strong.get(name, PRIOR) for name in names])


def learn_from_pairs(better: Floats, worse: Floats, prior: Floats, objective: Objective = "mse") -> Weights:
    """Learn weights from pairs.

    Args:
        better: The better row of every pair, as from `scaled` (P, F + D).
        worse: The worse row (P, F + D).
        prior: Prior weight of every symptom (F,).
        objective: `mse` fits labels 1 and 0 with one intercept per pair, so that the difference of scores should be
            MARGIN; `triplet` asks only that the worse answer be farther from its instruction than the better one by
            MARGIN, and ignores pairs that are (squared hinge).

    Source: Ge et al. 2024 (CaR, arXiv 2402.18191), section 3.1: regression and triplet-margin variants. We differ: the
        distance from instruction to answer is the weighted sum of symptoms and vector, the encoder is not trained.
    """
    differences = better - worse
    weights = _solve(differences, np.full(len(differences), MARGIN), prior, FLOOR)
    for _ in range(20 if objective == "triplet" else 0):
        violated = differences @ weights < MARGIN
        new = _solve(differences[violated], np.full(int(violated.sum()), MARGIN), prior, FLOOR)
        if np.allclose(new, weights, atol=1e-9):
            break
        weights = new
    return Weights(weights[: len(prior)], weights[len(prior) :])


def learn_from_scores(rows: Floats, scores: Floats, prior: Floats) -> Weights:
    """Learn weights from one number per row, a judge's say: least squares, scores scaled to variance one.

    Args:
        rows: Rows as from `scaled` (B, F + D).
        scores: Numbers (B,), larger is better, not all equal.
        prior: Prior weight of every symptom (F,); judges decide, so weights may fall to zero.
    """
    wanted = (scores - scores.mean()) / max(float(scores.std()), 1e-12)
    weights = _solve(rows - rows.mean(axis=0), wanted, prior, 0.0)
    return Weights(weights[: len(prior)], weights[len(prior) :])


def score(rows: Floats, weights: Weights) -> Floats:
    """Return the quality of rows as from `scaled`: array (B,), larger is better."""
    # Summed row by row, not by a matrix product: a row's score must not depend on how many others stand beside it.
    return np.asarray((rows * np.concatenate([weights.symptoms, weights.vector])).sum(axis=1))


def pair_accuracy(better: Floats, worse: Floats) -> float:
    """Return the share of pairs whose better row has the higher score; a tie counts half.

    Example:
        >>> pair_accuracy(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0]))
        0.5
    """
    return float(((better > worse) + 0.5 * (better == worse)).mean())


def _solve(rows: Floats, wanted: Floats, prior: Floats, floor: float) -> Floats:
    """Return ridge weights: symptoms pulled to their prior and held above its floor, the vector pulled to zero."""
    count, size, start = max(1, len(rows)), rows.shape[1], len(prior)
    pull = np.concatenate([np.full(start, RIDGE * count), np.full(size - start, VECTOR_RIDGE * count)])
    matrix = rows.T @ rows + np.diag(pull)
    target = rows.T @ wanted + np.concatenate([pull[:start] * prior, np.zeros(size - start)])
    weights = np.concatenate([prior, np.zeros(size - start)])
    free, least = slice(start, None), floor * prior
    for _ in range(SWEEPS):
        before = weights.copy()
        if size > start:
            weights[free] = np.linalg.solve(matrix[free, free], target[free] - matrix[free, :start] @ weights[:start])
        for k in range(start):
            rest = target[k] - matrix[k] @ weights + matrix[k, k] * weights[k]
            weights[k] = max(least[k], rest / matrix[k, k])
        if np.abs(weights - before).max() < 1e-10:
            break
    return weights


def drop_smallest_changes(distances: Sequence[int], dropped: int) -> list[int]:
    """Return the places of pairs that stay when the `dropped` smallest edit distances go, in their order.

    Between equal distances the later pair goes first.

    Example:
        >>> drop_smallest_changes([5, 1, 9, 1], 1)
        [0, 1, 2]

    Source: Ge et al. 2024 (CaR): of 3,751 expert-revised pairs the 1,211 least revised are left out.
    """
    order = sorted(range(len(distances)), key=lambda place: (distances[place], -place))
    return sorted(order[min(dropped, len(order)) :])


def three_ways(count: int, seed: int, shares: tuple[float, float] = (0.8, 0.1)) -> list[list[int]]:
    """Split pairs into training, validation and test; no pair is in two.

    Example:
        >>> [len(part) for part in three_ways(2540, 42)]
        [2032, 254, 254]

    Source: Ge et al. 2024 (CaR): 80/10/10, seed 42.
    """
    order = np.random.default_rng(seed).permutation(count)
    first, second = round(shares[0] * count), round((shares[0] + shares[1]) * count)
    parts = order[:first], order[first:second], order[second:]
    return [sorted(int(k) for k in part) for part in parts]


def edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance in characters.

    Example:
        >>> edit_distance("کتاب", "کتابیں"), edit_distance("", "ab")
        (2, 2)

    Source: Levenshtein 1966; row by row, vectorised over insertions as a running minimum.
    """
    if not first or not second:
        return len(first) + len(second)
    codes = np.array([ord(character) for character in second])
    steps = np.arange(len(second) + 1)
    row = steps.copy()
    for character in first:
        changed = row[:-1] + (codes != ord(character))
        fresh = np.concatenate([[row[0] + 1], np.minimum(changed, row[1:] + 1)])
        row = np.minimum.accumulate(fresh - steps) + steps
    return int(row[-1])


def normalised_ranks(scores: Floats, groups: Sequence[str]) -> Floats:
    """Return the rank of every score within its group, in (0, 1): 1/2 for a group whose scores are all equal.

    Adding a constant to the scores of one group changes nothing.

    Example:
        >>> normalised_ranks(np.array([1.0, 3.0, 10.0]), ["a", "a", "b"]).tolist()
        [0.25, 0.75, 0.5]
    """
    found = np.empty(len(scores))
    tags = np.array(groups, dtype=object)
    for tag in dict.fromkeys(groups):
        rows = np.flatnonzero(tags == tag)
        _, inverse, counts = np.unique(scores[rows], return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - counts / 2
        found[rows] = middle[inverse] / len(rows)
    return found
