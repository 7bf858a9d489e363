"""A teacher that understands nothing: correct small tasks cut from what a prompt shows.

For demonstrations and tests without a network. Its answer is a pure function of the request. It recombines the seed
tasks and the document in the prompt with shipped wordings, and makes sums whose every step is computed. What it
writes is regular on purpose: a model of a few million parameters can learn it visibly. It is no substitute for a
teacher, and says so in every response.
Source: ours; the task types are those of Alif (arXiv 2510.09051).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from newtongue.methods.arithmetic import evaluate
from newtongue.methods.self_instruct import Ask
from newtongue.methods.stand_in_kinds import KINDS
from newtongue.methods.stand_in_material import Material, sentences

MAX_PAIR_CHARACTERS: Final = 75
"""Longest sentence of a translation task, either side."""
PATIENCE: Final = 60
"""Draws per wanted task before the stand-in writes fewer than asked."""
_SLOT = re.compile(r"\{(\w+)\}")
_SIGNS = {"*": "×", "/": "÷", "-": "−"}

Task = dict[str, str]


def random_of(body: Mapping[str, Any]) -> Random:
    """Return the generator of random numbers that belongs to a request."""
    return Random(hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).digest())


def write_answer(ask: Ask, rng: Random, data: Mapping[str, Any], wordings: Mapping[str, Sequence[str]]) -> str:
    """Return the answer to one structured prompt: a JSON array of tasks.

    Args:
        ask: What it asks for.
        rng: That of the request.
        data: Forms and stories in the language (`assets/sample/teacher.*.json`).
        wordings: Task type -> instructions that fit any input of that type.
    """
    return json.dumps(write_tasks(ask, rng, data, wordings), ensure_ascii=False)


def write_tasks(ask: Ask, rng: Random, data: Mapping[str, Any], wordings: Mapping[str, Sequence[str]]) -> list[Task]:
    """Return up to `ask.count` different tasks of the type asked for."""
    forms = [form for form in data["forms"] if form["task"] == ask.task]
    source = material(ask, data)
    tasks: list[Task] = []
    for _ in range(PATIENCE * ask.count):
        if ask.task == "reasoning":
            task = word_problem(rng, data["reasoning"], wordings.get(ask.task, ()))
        else:
            task = fill_form(rng, source, data, wordings, forms) if forms else None
        if task and task not in tasks and len(task["output"]) <= ask.max_characters:
            tasks.append(task)
        if len(tasks) == ask.count:
            break
    return tasks


def material(ask: Ask, data: Mapping[str, Any]) -> Material:
    """Return the sentences, pairs and examples a prompt gives."""
    marks, others = data["sentence_marks"], data["other_sentence_marks"]
    own = [text for tag, text in ask.texts if tag == ask.tag]
    foreign = [text for tag, text in ask.texts if tag != ask.tag]
    pairs = [pair for left in foreign for right in own for pair in align(left, right, others, marks)]
    if not pairs and ask.task == "translation":
        shown = [(example["input"], example["output"]) for example in ask.exemplars if example["input"]]
        pairs = [pair for pair in shown if max(map(len, pair)) <= MAX_PAIR_CHARACTERS] or shown
    if not own:
        own = [text for example in ask.exemplars for text in (example["output"], example["input"]) if text]
    return Material([sentences(text, marks) for text in own], pairs, list(ask.exemplars))


def align(left: str, right: str, left_marks: str, right_marks: str) -> list[tuple[str, str]]:
    """Return the sentence pairs of a text and its translation when both have as many sentences, else nothing."""
    first, second = sentences(left, left_marks), sentences(right, right_marks)
    if len(first) != len(second):
        return []
    return [(a, b) for a, b in zip(first, second, strict=True) if max(len(a), len(b)) <= MAX_PAIR_CHARACTERS]


def fill_form(
    rng: Random,
    source: Material,
    data: Mapping[str, Any],
    wordings: Mapping[str, Sequence[str]],
    forms: Sequence[Mapping[str, Any]],
) -> Task | None:
    """Return one task from a random form, or None when the material does not allow it."""
    form = rng.choice(forms)
    facts = {**data, **form, **({"which": True} if form["kind"] == "which_label" else {})}
    slots = KINDS[form["kind"]](rng, source, facts)
    if slots is None:
        return None
    choices = [*form["instruction"], *_chosen(wordings.get(form["task"], ()), form)]
    slots["verdict"] = _fill(slots.get("verdict", ""), slots)
    return {
        "instruction": _fill(rng.choice(choices), slots),
        "input": _fill(form["input"], slots),
        "output": _fill(form["output"], slots),
    }


def word_problem(rng: Random, data: Mapping[str, Any], wordings: Sequence[str]) -> Task | None:
    """Return a two-step word problem with its computed chain, or None when a step is no positive whole number."""
    story = rng.choice(data["stories"])
    numbers = {name: rng.randint(*story[name]) for name in "abc"}
    if max(numbers.values()) >= 100:
        numbers = {name: value - value % 10 if value >= 100 else value for name, value in numbers.items()}
    first, t = _step(story["steps"][0], numbers)
    second, result = _step(story["steps"][1], {**numbers, "t": t})
    if t <= 0 or result <= 0:
        return None
    slots = {"name": rng.choice(data["names"]), "item": rng.choice(data["items"]), "first": first, "second": second}
    slots |= {name: str(value) for name, value in numbers.items()}
    slots["result"] = f"{result} {_fill(story['unit'], slots)}"
    choices = [*data["instruction"], *_chosen(wordings, data)]
    return {
        "instruction": rng.choice(choices),
        "input": _fill(story["text"], slots),
        "output": _fill(data["output"], slots),
    }


def _step(expression: str, numbers: Mapping[str, int]) -> tuple[str, int]:
    """Return one step as written (`3 × 4 = 12`) and its value; 0 when it is no whole number."""
    written = " ".join(str(numbers.get(part, _SIGNS.get(part, part))) for part in expression.split())
    value = evaluate(written)
    whole = int(value) if value is not None and value.denominator == 1 else 0
    return f"{written} = {whole}", whole


def _chosen(wordings: Sequence[str], form: Mapping[str, Any]) -> list[str]:
    return [wordings[index] for index in form.get("wordings", ()) if index < len(wordings)]


def _fill(template: str, slots: Mapping[str, str]) -> str:
    """Put slots into a template; braces inside slots are left alone."""
    return _SLOT.sub(lambda match: slots.get(match[1], match[0]), template)
