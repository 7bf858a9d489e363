"""Tasks in the format of lm-evaluation-harness: read, asked, and kept as one row per item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from newtongue.adapters.harness.task_file import TaskFile, read_task
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods.words import count_words
from newtongue.stages.eval.asking import Judged, bits, figures, run_task
from newtongue.stages.eval.config import TaskSet
from newtongue.stages.eval.contamination import mark
from newtongue.stages.eval.items import Task, load_task
from newtongue.stages.eval.rows import Wanted
from newtongue.stages.eval.subject import RemoteSubject, Subject

KINDS = {
    "multiple_choice": "choice",
    "loglikelihood": "cloze",
    "loglikelihood_rolling": "rolling",
    "generate_until": "match",
}
"""Output type -> kind of the rows."""

Row = dict[str, Any]
Load = Callable[[Subject | None], Task]


def find_task(artefact: Artefact, name: str | None) -> TaskFile:
    """Read the task file that a path names: the file itself, or one in a folder.

    Raises:
        DataError: There is none, or there are several and none was named.
    """
    path = artefact.path
    if path.is_file():
        return read_task(path)
    found = sorted(path.rglob("*.yaml")) if path.is_dir() else []
    chosen = [file for file in found if name is None or file.stem == name]
    if len(chosen) != 1:
        names = ", ".join(sorted({file.stem for file in found})) or "none"
        problem = f"no task file named {name!r}" if name else f"{len(found)} task files, and none is named"
        raise DataError(problem, place=artefact.name, expected=names, fix="set `task` to one of them")
    return read_task(chosen[0], path)


def plan_task(wanted: TaskSet, context: Context) -> Load:
    """Return how a task is loaded; everything that needs no model is read and checked at once."""
    file = find_task(context[wanted.path], wanted.task)
    data, shots = ((context[ref].path if ref else None) for ref in (wanted.data, wanted.fewshot_data))
    asked = Wanted(data, fewshot_data=shots, num_fewshot=wanted.num_fewshot, limit=wanted.limit)
    return loader(file, asked, chat=wanted.chat)


def loader(file: TaskFile, asked: Wanted, *, chat: bool) -> Load:
    """Return a function that builds the task's requests; plain prompts are built now, chats when a model is there."""
    if not chat:
        task = load_task(file, asked)
        return lambda _subject: task
    load_task(file, asked)  # what is wrong with the rows is said before a model is loaded

    kind = file.settings.get("output_type", "generate_until")

    def with_template(subject: Subject | None) -> Task:
        assert subject is not None
        if not isinstance(subject, RemoteSubject) or kind == "generate_until":
            return load_task(file, replace(asked, chat=subject.backend.chat))
        if subject.tokenizer is None:
            raise DataError(
                "log-probabilities under a chat template need the template, which an endpoint does not show",
                place=file.place,
                fix="name the model's tokenizer directory as `tokenizer`, or set `chat: false`",
            )
        return load_task(file, replace(asked, chat=subject.rendered))

    return with_template


def score_task(
    name: str, language: str, load: Load, training: Sequence[Artefact], *models: Any
) -> tuple[list[Row], Row]:
    """Return one row per item, and the facts of the set: metrics, prompt, what was rejected."""
    subject, progress = models
    task = load(subject)
    judged, unanswered = run_task(task, subject.backend, progress)
    rows = [_row(name, language, task, one) for one in judged]
    facts: Row = {"task": task.name, "task_sha256": task.sha256, "num_fewshot": task.num_fewshot}
    facts |= {"metrics": figures(task, judged), "prompt_example": task.items[0].prompt[:2000]}
    facts |= mark(rows, task, judged, training)
    rejected = [*task.rejected, *unanswered]
    facts |= {"rejected": len(rejected), "rejected_rows": [vars_of(one) for one in rejected]}
    return rows, facts


def vars_of(rejected: Any) -> Row:
    """Return a rejected row as it is written to `rejected.jsonl`."""
    return {"place": Path(rejected.place).name, "reason": rejected.reason, "content": rejected.content}


def _row(name: str, language: str, task: Task, one: Judged) -> Row:
    item, right = one.item, one.likelihood
    row: Row = {"set": name, "kind": KINDS[task.kind], "item": item.id, "group": item.group, "task": task.name}
    row |= {"language": language, "prompt": item.prompt, "output": one.said, "spanning": one.spanning}
    target = item.targets[0]
    row |= {"reference": target, "bytes": len(target.encode()), "words": count_words(target)}
    if right is not None:
        row |= {"bits": round(bits(right), 3), "tokens": right.tokens, "shortened": int(right.shortened)}
    if one.generated is not None:
        text = one.generated.text
        row |= {"tokens": one.generated.tokens, "stopped": one.generated.stopped, "empty": not text.strip()}
        row |= {"bytes": len(text.encode()), "words": count_words(text)}
    return row | _marks(task, one)


def _marks(task: Task, one: Judged) -> Row:
    values = one.values
    if task.kind == "multiple_choice":
        marks = {"correct": "acc", "correct_norm": "acc_norm", "correct_bytes": "acc_bytes"}
        found: Row = {column: bool(values[metric]) for column, metric in marks.items()}
        found["choice"] = (one.details or {}).get("best")
        found["chance"] = round(len(set(one.item.gold)) / len(one.item.choices), 6)
        return {**found, "score": values["acc"], "margin": round((one.details or {}).get("margin", 0.0), 4)}
    if task.kind == "loglikelihood":
        return {"correct": bool(values["acc"]), "score": values["acc"]}
    if task.kind == "generate_until" and values:
        first = next(iter(values.values()))
        return {"correct": first > 0, "score": first}
    return {}
