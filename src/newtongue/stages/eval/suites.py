"""Suites: the tasks a suite file names, with the data a recipe gives for them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from newtongue.adapters.harness.documents import Placed
from newtongue.adapters.harness.layouts import Layout, layout_names, read_layout
from newtongue.adapters.harness.suites import SuiteFile, SuiteTask, read_suite
from newtongue.adapters.harness.task_file import check_task, read_task
from newtongue.adapters.tables.files import Reject
from newtongue.adapters.translation_metrics import check_installed
from newtongue.core.artefact import Artefact
from newtongue.core.config import ConversationsRef, FileRef
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Message
from newtongue.stages.eval.answers import generate_answers
from newtongue.stages.eval.config import Generation, InContextProbe, RuleSet, SuiteSet
from newtongue.stages.eval.probe import score_probe
from newtongue.stages.eval.rows import Wanted
from newtongue.stages.eval.rules import choose_asked, score_rules
from newtongue.stages.eval.tasks import loader, score_task
from newtongue.stages.eval.translated import score_translations

Row = dict[str, Any]
Plan = dict[str, tuple[Row, Callable[..., Any]]]
ANSWER_TOKENS = 256
RULE_TOKENS = 512
"""Longest answers: prompts, and prompts with rules."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A task of a suite with the data it is to be asked about."""

    task: SuiteTask
    data: Path | None
    language: str
    limit: int | None


def plan_suite(name: str, wanted: SuiteSet, context: Context, training: Sequence[Artefact]) -> Plan:
    """Return set name -> (facts, how to measure it) for every task of a suite that has its data.

    Raises:
        DataError: No task has data, or data is given for a task the suite does not have.
    """
    suite = read_suite(context[wanted.path].path)
    given = {key: context[ref].path for key, ref in wanted.data.items()}
    _check_names(suite, given, str(wanted.path))
    plan: Plan = {}
    missing = []
    for task in suite.tasks:
        data = given.get(task.name, task.data)
        if data is None and task.layout:
            missing.append(task.name)
            continue
        limits = [n for n in (task.settings.get("limit"), wanted.limit) if n is not None]
        chosen = _Chosen(task, data, task.settings.get("language", wanted.language), min(limits, default=None))
        facts = {"language": chosen.language, "role": task.settings.get("role", suite.role), "suite": suite.name}
        plan[f"{name}.{task.name}"] = facts, _measure(f"{name}.{task.name}", chosen, training)
    if suite.in_context:
        probe = InContextProbe(language=wanted.language)
        facts = {"language": probe.language, "role": suite.role, "suite": suite.name}
        plan[name] = facts, partial(score_probe, name, probe)
    if not plan:
        raise _no_data(suite, str(wanted.path))
    first = next(iter(plan.values()))[0]
    if missing:
        first["suite_tasks_without_data"] = missing
    return plan


def _check_names(suite: SuiteFile, given: dict[str, Path], place: str) -> None:
    names = [task.name for task in suite.tasks]
    for key in given:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise DataError(
                f"data is given for {key!r}, which is no task of the suite",
                place=place,
                expected=", ".join(names),
                fix=f"did you mean `{near[0]}`?" if near else "",
            )


def _no_data(suite: SuiteFile, place: str) -> DataError:
    about = layout_names()
    needed = "; ".join(f"{task.name}: {about.get(task.layout, task.layout)}" for task in suite.tasks)
    return DataError(
        f"no task of the suite {suite.name} has its data",
        place=place,
        expected=needed,
        fix="bring one of these and name it under the suite's `data`",
    )


def _measure(name: str, chosen: _Chosen, training: Sequence[Artefact]) -> Callable[..., Any]:
    task, settings = chosen.task, chosen.task.settings
    shots, chat = settings.get("num_fewshot"), bool(settings.get("chat"))
    if task.path is not None:
        asked = Wanted(chosen.data, num_fewshot=shots, limit=chosen.limit)
        return partial(score_task, name, chosen.language, loader(read_task(task.path), asked, chat=chat), training)
    if chosen.data is None:
        raise DataError("has no data", place=name)
    found = read_layout(
        task.layout, chosen.data, chosen.language, words=settings.get("words"), source=settings.get("from")
    )
    if found.kind == "rules":
        rows = [(placed.place, placed.row or Reject(placed.place, placed.reason)) for placed in found.rows]
        longest = int(settings.get("max_new_tokens", RULE_TOKENS))
        wanted = RuleSet(path=FileRef("./suite"), language=chosen.language, max_new_tokens=longest)
        return partial(score_rules, name, wanted, choose_asked(rows, chosen.limit, name))
    if found.kind == "prompts":
        return partial(_answer, name, chosen, found)
    about = dict(found.settings)
    if "max_new_tokens" in settings and "generation_kwargs" in about:
        about["generation_kwargs"] = {**about["generation_kwargs"], "max_gen_toks": int(settings["max_new_tokens"])}
    file = check_task(about, chosen.data, f"layout {task.layout}")
    asked = Wanted(rows=found.rows, num_fewshot=shots, limit=chosen.limit)
    load = loader(file, asked, chat=chat)
    if found.kind == "translation":
        check_installed()
        return partial(score_translations, name, (settings.get("from", "eng_Latn"), chosen.language), load, training)
    return partial(score_task, name, chosen.language, load, training)


def _answer(name: str, chosen: _Chosen, found: Layout, subject: Any, progress: Any) -> tuple[list[Row], Row]:
    """Answer prompts under the chat template, and judge the language of the answers."""
    asked = [placed for placed in found.rows if placed.row is not None][: chosen.limit]
    conversations = [_conversation(number, placed, found.name) for number, placed in enumerate(asked)]
    longest = int(chosen.task.settings.get("max_new_tokens", ANSWER_TOKENS))
    config = Generation(
        data=ConversationsRef("./suite"), language=chosen.language, prompts=len(asked), max_new_tokens=longest
    )
    rows = generate_answers(name, conversations, config, subject, progress)
    rejected = [{"place": p.place, "reason": p.reason, "content": ""} for p in found.rows if p.row is None]
    answered = {row["item"] for row in rows}
    refused = [c for c in conversations if c.id not in answered]
    rejected += [
        {"place": c.id, "reason": "no answer: the endpoint refuses its prompt", "content": ""} for c in refused
    ]
    return rows, {"task": found.name, "rejected": len(rejected), "rejected_rows": rejected}


def _conversation(number: int, placed: Placed, task: str) -> Conversation:
    row = placed.row or {}
    asked = Message(role="user", content=str(row["prompt"]))
    answer = Message(role="assistant", content=str(row.get("reference", "")))
    return Conversation(f"{number}-{row.get('id', placed.place)}", (asked, answer), "", task=task)
