"""From log-probabilities and answers to the figures of a task, item by item.

Source: lm-evaluation-harness 0.4.13 (api/task.py, `process_results`; api/metrics.py), the same definitions:
    `acc_norm` divides by Unicode code points, `exact_match` knows ASCII punctuation only.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]
METRICS: dict[str, tuple[str, ...]] = {
    "multiple_choice": ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "brier_score"),
    "loglikelihood": ("acc", "perplexity"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "generate_until": ("exact_match", "bypass"),
}
"""Kind of task -> metrics that can be asked for."""
DEFAULTS: dict[str, tuple[str, ...]] = {
    "multiple_choice": ("acc", "acc_norm"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "generate_until": ("exact_match",),
}
"""Kind of task -> metrics when a task names none."""


def choice_scores(
    logprobs: Sequence[float], greedy: Sequence[bool], choices: Sequence[str], gold: Sequence[int]
) -> Row:
    """Return the figures of one multiple-choice item.

    Args:
        logprobs: Summed log-probability of every choice, nats; twice as many when the unconditional ones follow.
        greedy: Whether each choice is what the model would say.
        choices: Their texts.
        gold: Index of every right one.

    Returns:
        `acc`, `acc_norm`, `acc_bytes`, `exact_match`, `brier_score` as 0.0 to 2.0, `acc_mutual_info` where it can be
        told, `best` (the choice of `acc`) and `margin` between the first two, nats.
    """
    count = len(choices)
    scores = np.asarray(logprobs[:count], np.float64)
    characters = np.array([max(1, len(choice)) for choice in choices], np.float64)
    sizes = np.array([max(1, len(choice.encode())) for choice in choices], np.float64)
    right = {"acc": scores, "acc_norm": scores / characters, "acc_bytes": scores / sizes}
    if len(logprobs) == 2 * count:
        right["acc_mutual_info"] = scores - np.asarray(logprobs[count:], np.float64)
    found: Row = {name: float(int(np.argmax(values)) in gold) for name, values in right.items()}
    found["exact_match"] = float(any(greedy[g] for g in gold))
    weights = np.exp(scores - scores.max())
    wanted = np.zeros(count)
    wanted[gold[0]] = 1
    found["brier_score"] = float((((weights / weights.sum()) - wanted) ** 2).sum())
    ordered = np.sort(scores)
    return {
        **found,
        "best": int(np.argmax(scores)),
        "margin": float(ordered[-1] - ordered[-2]) if count > 1 else math.inf,
    }


def exact_match(
    answer: str,
    target: str,
    *,
    regexes_to_ignore: Sequence[str] | None = None,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
) -> float:
    """Return 1.0 when an answer is its target after what is ignored has been taken away, else 0.0.

    Example:
        >>> exact_match("1,200", "1200", regexes_to_ignore=[","])
        1.0
    """
    sides = [answer, target]
    for pattern in regexes_to_ignore or ():
        sides = [re.sub(pattern, "", side) for side in sides]
    if ignore_case:
        sides = [side.lower() for side in sides]
    dropped = (string.punctuation if ignore_punctuation else "") + (string.digits if ignore_numbers else "")
    table = str.maketrans("", "", dropped)
    left, right = (side.translate(table) for side in sides)
    return float(left == right)


def perplexities(logprob: float, text: str) -> dict[str, tuple[float, int]]:
    """Return metric -> (log-probability, size) of one rolling text; sizes in words and bytes.

    Words are counted as lm-evaluation-harness does, at white space, which means nothing in scripts without it.
    """
    words, size = len(re.split(r"\s+", text)), len(text.encode())
    return {"word_perplexity": (logprob, words), "byte_perplexity": (logprob, size), "bits_per_byte": (logprob, size)}


def aggregate(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return value, standard error and n of a metric over items.

    Args:
        name: Metric.
        values: One number per item; (log-probability, size) pairs for perplexities.

    Returns:
        `value`, `stderr` (None where a mean is not what it is) and `n`.

    Example:
        >>> aggregate("acc", [1.0, 0.0, 1.0, 1.0])
        {'value': 0.75, 'stderr': 0.25, 'n': 4}
    """
    count = len(values)
    if not count:
        return {"value": None, "stderr": None, "n": 0}
    if name in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        nats = -math.fsum(v for v, _ in values) / max(1, sum(n for _, n in values))
        value = nats / math.log(2) if name == "bits_per_byte" else math.exp(min(nats, 700.0))
        return {"value": value, "stderr": None, "n": count}
    mean = math.fsum(values) / count
    if name == "perplexity":
        return {"value": math.exp(min(-mean, 700.0)), "stderr": None, "n": count}
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1)) if count > 1 else None
    return {"value": mean, "stderr": None if spread is None else spread / math.sqrt(count), "n": count}


def unknown_metrics(kind: str, listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the metrics of a task file that cannot be computed here."""
    return [str(entry.get("metric")) for entry in listed if entry.get("metric") not in METRICS[kind]]
