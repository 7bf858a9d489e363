"""A task with its rows: what to ask for every item, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.harness.documents import Placed, read_placed
from newtongue.adapters.harness.prompting import Fields, Sampler, Turn, answer_text, as_chat, plain_text, turns
from newtongue.adapters.harness.requests import Continuations, Generate, Rolling
from newtongue.adapters.harness.task_file import TaskFile
from newtongue.adapters.harness.templates import render
from newtongue.core.errors import DataError
from newtongue.methods.answer_filters import Filter, build_filter
from newtongue.methods.task_metrics import DEFAULTS, unknown_metrics

Row = Mapping[str, Any]
Chat = Callable[..., str]
BUILDERS = ("json", "csv", "parquet", "text", "arrow")
"""Values of `dataset_path` that mean local files; anything else is a name on the hub."""
GREEDY = ("do_sample", "temperature", "until", "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
DEFAULT_ANSWER_TOKENS = 256


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
class Metric:
    """A metric of a task and its settings."""

    name: str
    settings: Mapping[str, Any]
    higher_is_better: bool = True


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a task is to be asked, beyond what its file says.

    Attributes:
        data: Rows that replace those of the evaluated split, or None.
        rows: The same, already read.
        fewshot_data: Rows that replace those examples are drawn from, or None.
        num_fewshot: Examples per prompt; None takes the file's.
        limit: Items at most.
        chat: Renders messages under the model's chat template; None asks in plain text.
        several_turns: Whether examples are turns of their own in a chat.
    """

    data: Path | None = None
    rows: list[Placed] | None = None
    fewshot_data: Path | None = None
    num_fewshot: int | None = None
    limit: int | None = None
    chat: Chat | None = None
    several_turns: bool = False


def load_task(file: TaskFile, wanted: Wanted) -> Task:
    """Read a task's rows and build its requests.

    Raises:
        DataError: The rows are missing, no row can be asked, or the file asks for what is not there.
    """
    settings, kind = file.settings, str(file.settings.get("output_type", "generate_until"))
    rows = _split_rows(file, wanted)
    shots = int(settings.get("num_fewshot") or 0) if wanted.num_fewshot is None else wanted.num_fewshot
    asker = _Asker(file, kind, _fields(file), _sampler(file, wanted, rows, shots), wanted)
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
        name, kind, items, rejected, _metrics(file, kind), _filters(file), _repeats(settings), shots, file.sha256
    )


def _repeats(settings: Mapping[str, Any]) -> int:
    sampled = float((settings.get("generation_kwargs") or {}).get("temperature") or 0) > 0
    return int(settings.get("repeats") or 1) if sampled else 1


# --- rows -----------------------------------------------------------------------------------------------------------


def _split_rows(file: TaskFile, wanted: Wanted) -> list[Placed]:
    settings = file.settings
    split = settings.get("test_split") or settings.get("validation_split")
    if wanted.rows is not None:
        rows = wanted.rows
    elif wanted.data is not None:
        rows = read_placed(wanted.data)
    elif split is None:
        raise DataError("neither `test_split` nor `validation_split` is set", place=file.place)
    else:
        rows = _rows_of(file, str(split))
    return list(_processed(rows, settings.get("process_docs")))


def _rows_of(file: TaskFile, split: str) -> list[Placed]:
    """Return the rows of one split from the local files a task names."""
    path, given = file.settings.get("dataset_path"), dict(file.settings.get("dataset_kwargs") or {})
    if path not in BUILDERS:
        raise DataError(
            f"the data is on the hub ({path!r}), and nothing is downloaded for a task",
            place=file.place,
            fix="bring the rows and name them as `data`",
        )
    files = given.get("data_files")
    if isinstance(files, Mapping):
        if split not in files:
            raise DataError(f"no files for the split `{split}`", place=file.place, expected=", ".join(map(str, files)))
        files = files[split]
    named = files if isinstance(files, list) else [files]
    folder = (file.folder / str(given.get("data_dir") or "")).resolve()
    if files is None:
        raise DataError("`dataset_kwargs.data_files` is missing", place=file.place)
    return [row for name in named for row in _inside(file, folder / str(name))]


def _inside(file: TaskFile, path: Path) -> list[Placed]:
    """Return the rows of a file below the task's folder; what lies elsewhere would not count as input."""
    if not path.resolve().is_relative_to(file.folder.resolve()):
        raise DataError(
            f"its data {path.name} lies outside the task's folder",
            place=file.place,
            fix="name it in the recipe as `data`, so that a change of it is noticed",
        )
    return read_placed(path)


def _processed(rows: list[Placed], own: Callable[[Row], Any] | None) -> Iterator[Placed]:
    for placed in rows:
        if own is None or placed.row is None:
            yield placed
            continue
        try:
            yield Placed(placed.place, own(placed.row))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            yield Placed(placed.place, None, f"process_docs cannot use this row ({error})")


def _sampler(file: TaskFile, wanted: Wanted, rows: list[Placed], count: int) -> Sampler | None:
    if not count:
        return None
    config, settings = dict(file.settings.get("fewshot_config") or {}), file.settings
    if not isinstance(kind := config.get("sampler", "default"), str) or kind not in ("default", "first_n"):
        raise DataError(f"unknown few-shot sampler {kind!r}", place=file.place, expected="default, first_n")
    evaluated = settings.get("test_split") or settings.get("validation_split")
    split = config.get("split") or settings.get("fewshot_split") or settings.get("training_split")
    split = split or settings.get("validation_split") or evaluated
    if wanted.fewshot_data is not None:
        pool = list(_processed(read_placed(wanted.fewshot_data), settings.get("process_docs")))
    elif isinstance(config.get("samples"), list) and "split" not in config:
        pool = [Placed(f"fewshot_config.samples.{n}", dict(row)) for n, row in enumerate(config["samples"])]
    elif split == evaluated:
        pool = rows
    else:
        pool = list(_processed(_rows_of(file, str(split)), settings.get("process_docs")))
    return Sampler([p.row for p in pool if p.row is not None], kind, count)


# --- settings -------------------------------------------------------------------------------------------------------


def _fields(file: TaskFile) -> Fields:
    s = file.settings
    delimiters = {k: str(s[k]) for k in ("target_delimiter", "fewshot_delimiter") if s.get(k) is not None}
    return Fields(
        s.get("doc_to_text"), s.get("doc_to_target"), s.get("doc_to_choice"),
        gen_prefix=s.get("gen_prefix"), place=file.place, **delimiters,
    )  # fmt: skip


def _metrics(file: TaskFile, kind: str) -> list[Metric]:
    listed = file.settings.get("metric_list")
    if listed is None:
        return [Metric(name, {}) for name in DEFAULTS[kind]]
    if unknown := unknown_metrics(kind, listed):
        raise DataError(
            f"the metric {unknown[0]} of {kind} tasks is not computed here",
            place=file.place,
            fix="take another metric, or run this task in lm-evaluation-harness itself",
        )
    kept = ("metric", "aggregation", "higher_is_better", "hf_evaluate", "weight_by_size")
    return [
        Metric(m["metric"], {k: v for k, v in m.items() if k not in kept}, bool(m.get("higher_is_better", True)))
        for m in listed
    ]


def _filters(file: TaskFile) -> dict[str, list[Filter]]:
    listed = file.settings.get("filter_list") or [{"name": "none", "filter": [{"function": "take_first"}]}]
    found: dict[str, list[Filter]] = {}
    for entry in listed:
        try:
            steps = [
                (dict(step).pop("function"), {k: v for k, v in step.items() if k != "function"})
                for step in entry["filter"]
            ]
            found[str(entry.get("name", "none"))] = [build_filter(name, settings) for name, settings in steps]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"`filter_list`: {error}", place=file.place) from None
    return found


# --- items ----------------------------------------------------------------------------------------------------------


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
        return context, _generation(self.file, context), (), (), targets

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
    return tuple(g for g in found if isinstance(g, int) and not isinstance(g, bool)) if found else ()


def _generation(file: TaskFile, context: str) -> Generate:
    given = dict(file.settings.get("generation_kwargs") or {})
    if unknown := sorted(set(given) - set(GREEDY)):
        raise DataError(
            f"`generation_kwargs.{unknown[0]}` is not supported", place=file.place, expected=", ".join(GREEDY)
        )
    until = given.get("until", [file.settings.get("fewshot_delimiter") or "\n\n"])
    until = [until] if isinstance(until, str) else until
    named = [given[k] for k in GREEDY[3:] if given.get(k) is not None]
    sampled = bool(given.get("do_sample", float(given.get("temperature") or 0) > 0))
    temperature = float(given.get("temperature") or 0.0) if sampled else 0.0
    return Generate(context, tuple(map(str, until)), int(named[0]) if named else DEFAULT_ANSWER_TOKENS, temperature)
