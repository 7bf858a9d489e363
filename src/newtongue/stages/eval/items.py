"""A task with its rows: what to ask for every item, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.harness.documents import Placed
from newtongue.adapters.harness.prompting import Fields, Sampler, Turn, answer_text, as_chat, plain_text, turns
from newtongue.adapters.harness.requests import Continuations, Generate, Rolling
from newtongue.adapters.harness.task_file import TaskFile
from newtongue.adapters.harness.templates import render
from newtongue.core.errors import DataError
from newtongue.methods.answer_filters import Filter
from newtongue.stages.eval.rows import Wanted, few_shot, split_rows
from newtongue.stages.eval.task_settings import Metric, fields_of, filters_of, generation_of, metrics_of, repeats_of

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a task, ready to ask.

    Attributes:
        id: Number and content hash of the row.
        group: Items that share it (a passage) are resampled together.
        place: Where the row stands.
        prompt: What the model is shown.
        request: What it is asked.
        choices: Texts of the choices, delimiters left out; empty where there are none.
        gold: Indices of the right choices.
        targets: Right answers as texts, at least one.
        row: The row itself.
        query: The question by itself, without examples, to look for in training data.
    """

    id: str
    group: str
    place: str
    prompt: str
    request: Continuations | Rolling | Generate
    choices: tuple[str, ...]
    gold: tuple[int, ...]
    targets: tuple[str, ...]
    row: Row
    query: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be asked."""

    place: str
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task and its items.

    Attributes:
        name: What it calls itself.
        kind: Output type.
        items: What to ask.
        rejected: Rows that could not be asked.
        metrics: What to compute.
        filters: Name -> filters applied to every answer in turn.
        repeats: Answers per item.
        num_fewshot: Examples per prompt.
        sha256: Hash of the merged task file.
    """

    name: str
    kind: str
    items: list[Item]
    rejected: list[Rejected]
    metrics: list[Metric]
    filters: dict[str, list[Filter]]
    repeats: int
    num_fewshot: int
    sha256: str


def load_task(file: TaskFile, wanted: Wanted) -> Task:
    """Read a task's rows and build its requests.

    Raises:
        DataError: The rows are missing, no row can be asked, or the file asks for what is not there.
    """
    settings, kind = file.settings, str(file.settings.get("output_type", "generate_until"))
    rows = split_rows(file, wanted)
    shots = int(settings.get("num_fewshot") or 0) if wanted.num_fewshot is None else wanted.num_fewshot
    asker = _Asker(file, kind, fields_of(file), few_shot(file, wanted, rows, shots), wanted)
    items: list[Item] = []
    rejected: list[Rejected] = []
    for number, placed in enumerate(rows[: wanted.limit]):
        try:
            items.append(asker.item(number, placed))
        except DataError as error:
            content = orjson.dumps(placed.row, default=str).decode()[:1000] if placed.row else ""
            rejected.append(Rejected(placed.place, error.problem, content))
    if not items:
        first = f"{rejected[0].place}: {rejected[0].reason}" if rejected else "the file is empty"
        raise DataError(f"no row can be asked ({first})", place=file.place, fix="check the fields and the data")
    name = str(settings.get("task") or Path(file.place).stem)
    return Task(
        name, kind, items, rejected, metrics_of(file, kind), filters_of(file), repeats_of(settings), shots, file.sha256
    )


@dataclass(frozen=True, slots=True)
class _Asker:
    """Turns rows into items."""

    file: TaskFile
    kind: str
    fields: Fields
    sampler: Sampler | None
    wanted: Wanted

    def item(self, number: int, placed: Placed) -> Item:
        """Return one row as an item.

        Raises:
            DataError: The row cannot be asked.
        """
        if placed.row is None:
            raise DataError(placed.reason, place=placed.place)
        row = placed.row
        made = {
            "multiple_choice": self._choice,
            "loglikelihood": self._cloze,
            "loglikelihood_rolling": self._rolling,
            "generate_until": self._generate,
        }[self.kind](row)
        mark = blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str), digest_size=4).hexdigest()
        key = f"{number}-{mark}"
        by = (self.file.settings.get("metadata") or {}).get("group_by")
        group = str(row.get(by, key)) if by else key
        return Item(key, group, placed.place, *made, row, self._query(row, made[4]))

    def _query(self, row: Row, targets: tuple[str, ...]) -> str:
        """Return the question, or the right answer where that holds everything."""
        asked = self.fields.prompt(row) if self.fields.text else ""
        return asked if isinstance(asked, str) and asked.strip() else targets[0]

    def _choice(self, row: Row) -> tuple[Any, ...]:
        choices, answer = self.fields.options(row), self.fields.answer(row)
        if len(choices) < 2:
            raise DataError(f"there are {len(choices)} choices", place=self.file.place)
        asked = self.fields.prompt(row)
        if isinstance(asked, int):
            gold, target = (asked,), answer_text(_without_choices(self.fields), row)
            contexts = [self._context(row, choice) for choice in choices]
            pairs = tuple((context, self._gap() + target) for context in contexts)
        else:
            gold = _gold(answer, choices)
            context = self._context(row)
            pairs = tuple((context, self._gap() + choice) for choice in choices)
        if not gold or not all(0 <= g < len(choices) for g in gold):
            raise DataError(f"the target {answer!r} is none of the {len(choices)} choices", place=self.file.place)
        if any(m.get("metric") == "acc_mutual_info" for m in self.file.settings.get("metric_list") or ()):
            pairs += tuple(("", self._gap() + choice) for choice in choices)
        return pairs[0][0], Continuations(pairs), tuple(choices), gold, tuple(choices[g] for g in gold)

    def _cloze(self, row: Row) -> tuple[Any, ...]:
        target = answer_text(self.fields, row)
        context = self._context(row)
        return context, Continuations(((context, target),)), (), (), (target,)

    def _rolling(self, row: Row) -> tuple[Any, ...]:
        text = answer_text(self.fields, row)
        if not text:
            raise DataError("the text is empty", place=self.file.place)
        return "", Rolling(text), (), (), (text,)

    def _generate(self, row: Row) -> tuple[Any, ...]:
        answer = self.fields.answer(row)
        targets = (
            tuple(str(a) for a in answer) if isinstance(answer, list) else (answer_text_or(self.fields, row, answer),)
        )
        context = self._context(row)
        return context, generation_of(self.file, context), (), (), targets

    def _gap(self) -> str:
        if self.wanted.chat is None:
            return self.fields.target_delimiter
        prefix = self.fields.gen_prefix
        return self.fields.target_delimiter if prefix and not prefix[-1].isspace() else ""

    def _context(self, row: Row, choice: str | None = None) -> str:
        described = self.file.settings.get("description") or ""
        described = row[described] if described in row else render(str(described), row, self.file.place)
        parts = [Turn("system", described)] if described else []
        if self.sampler is not None:
            shared = self.sampler.pool and any(row is other for other in self.sampler.pool)
            for example in self.sampler.draw(row if shared else None):
                parts += turns(self.fields, example, with_answer=True)
        parts += turns(self.fields, row, with_answer=False, prompt=choice)
        if self.wanted.chat is None:
            return plain_text(parts)
        messages = as_chat(parts, several_turns=self.wanted.several_turns)
        return self.wanted.chat(messages, open_answer=not self.fields.gen_prefix)


def answer_text_or(fields: Fields, row: Row, answer: Any) -> str:
    """Return a target as a text: a choice by its index, anything else as it prints."""
    return answer_text(fields, row) if isinstance(answer, int) and fields.choices is not None else str(answer)


def _without_choices(fields: Fields) -> Fields:
    return replace(fields, choices=None)


def _gold(answer: Any, choices: Sequence[str]) -> tuple[int, ...]:
    answers = answer if isinstance(answer, list) else [answer]
    found = [choices.index(a) if isinstance(a, str) and a in choices else a for a in answers]
    return tuple(found) if all(isinstance(g, int) and not isinstance(g, bool) for g in found) else ()
