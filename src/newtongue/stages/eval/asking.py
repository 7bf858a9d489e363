"""Ask a model a whole task, and judge what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from newtongue.adapters.harness.requests import (
    Backend,
    Continuations,
    Generate,
    Generated,
    Likelihood,
    Progress,
    Refused,
    Rolling,
)
from newtongue.core.errors import ProviderError
from newtongue.methods.task_metrics import aggregate, choice_scores, exact_match, perplexities
from newtongue.stages.eval.items import Item, Rejected, Task

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one item.

    Attributes:
        item: The item.
        values: Metric -> value; several filters give `metric,filter`.
        said: What the model chose or answered.
        likelihood: Of the right choice, the target or the text, where there is one.
        generated: The answer, where one was generated.
        spanning: Tokens that reached across a join.
        details: `best` and `margin` of choices; log-probabilities of every choice.
    """

    item: Item
    values: Values
    said: str = ""
    likelihood: Likelihood | None = None
    generated: Generated | None = None
    spanning: int = 0
    details: Values | None = None


Results = list[Judged | Rejected]


def run_task(
    task: Task, backend: Backend, progress: Progress = lambda done: None
) -> tuple[list[Judged], list[Rejected]]:
    """Return what came of the items of a task, in order, and the items that got no answer.

    Raises:
        ProviderError: None got one.
    """
    ask = {
        "multiple_choice": _choices,
        "loglikelihood": _clozes,
        "loglikelihood_rolling": _rollings,
        "generate_until": _answers,
    }[task.kind]
    found = ask(task, backend, progress)
    judged = [one for one in found if isinstance(one, Judged)]
    rejected = [one for one in found if isinstance(one, Rejected)]
    if rejected and not judged:
        raise ProviderError(
            f"no item of {task.name} got an answer (the first: {rejected[0].reason})",
            place=task.name,
            fix="shorten the prompts (fewer examples), or serve the model with a longer context",
        )
    return judged, rejected


def _aside(item: Item, refused: Refused) -> Rejected:
    return Rejected(item.place, f"no answer: {refused.reason}", item.prompt[:1000])


def figures(task: Task, judged: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """Return metric -> value, standard error and n over all items."""
    names = [name for name in judged[0].values if not name.startswith("_")] if judged else []
    wanted = [m.name for m in task.metrics]
    return {
        name: aggregate(name.split(",")[0], [one.values[name] for one in judged])
        for name in names
        if name.split(",")[0] in wanted
    }


def _choices(task: Task, backend: Backend, progress: Progress) -> Results:
    asked = [_continuations(item) for item in task.items]
    judged: Results = []
    for item, found in zip(task.items, backend.likelihoods(asked, progress), strict=True):
        if isinstance(found, Refused):
            judged.append(_aside(item, found))
            continue
        scores = choice_scores([f.logprob for f in found], [f.greedy for f in found], item.choices, item.gold)
        details = {k: scores.pop(k) for k in ("best", "margin")}
        details["logprobs"] = [f.logprob for f in found]
        spanning = sum(f.spanning for f in found)
        said, right = item.choices[details["best"]], found[item.gold[0]]
        judged.append(Judged(item, scores, said, right, None, spanning, details))
    return judged


def _continuations(item: Item) -> Continuations:
    assert isinstance(item.request, Continuations)
    return item.request


def _clozes(task: Task, backend: Backend, progress: Progress) -> Results:
    found = backend.likelihoods([_continuations(item) for item in task.items], progress)
    return [
        _aside(item, some) if isinstance(some, Refused) else _cloze(item, *some)
        for item, some in zip(task.items, found, strict=True)
    ]


def _cloze(item: Item, one: Likelihood) -> Judged:
    return Judged(item, {"perplexity": one.logprob, "acc": float(one.greedy)}, "", one, None, int(one.spanning))


def _rollings(task: Task, backend: Backend, progress: Progress) -> Results:
    asked = [item.request for item in task.items if isinstance(item.request, Rolling)]
    return [
        _aside(item, one)
        if isinstance(one, Refused)
        else Judged(item, dict(perplexities(one.logprob, item.targets[0])), "", one)
        for item, one in zip(task.items, backend.rolling(asked, progress), strict=True)
    ]


def _answers(task: Task, backend: Backend, progress: Progress) -> Results:
    asked = [item.request for item in task.items if isinstance(item.request, Generate)]
    drawn = [replace(one, seed=draw) for one in asked for draw in range(task.repeats)]
    answers = iter(backend.generate(drawn, progress))
    return [_answered(task, item, [next(answers) for _ in range(task.repeats)]) for item in task.items]


def _answered(task: Task, item: Item, answers: Sequence[Generated | Refused]) -> Judged | Rejected:
    found = [one for one in answers if isinstance(one, Generated)]
    for one in answers:
        if isinstance(one, Refused):
            return _aside(item, one)
    values, said = _filtered(task, item, [one.text for one in found])
    return Judged(item, values, said, None, found[0])


def _filtered(task: Task, item: Item, answers: list[str]) -> tuple[Values, str]:
    """Return the metrics of an item under every filter, and what the first filter left of the answer."""
    values: Values = {}
    said = []
    for name, steps in task.filters.items():
        kept: Any = answers
        for step in steps:
            kept = step(kept, item.row)
        said.append(str(kept[0]))
        for metric in task.metrics:
            key = metric.name if len(task.filters) == 1 else f"{metric.name},{name}"
            if metric.name == "exact_match":
                values[key] = max(exact_match(said[-1], target, **metric.settings) for target in item.targets)
    return values, said[0]


def bits(one: Likelihood) -> float:
    """Return a log-probability in bits."""
    return -one.logprob / math.log(2)
