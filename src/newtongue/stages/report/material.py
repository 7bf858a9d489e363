"""Everything a report is made from, read from the directories of its inputs; what is missing is noted, never fatal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from newtongue.adapters.tables import read_conversations, read_documents
from newtongue.adapters.tables.items import read_items
from newtongue.core.artefact import Artefact
from newtongue.core.config import Ref
from newtongue.core.context import Context
from newtongue.core.errors import DataError, NewtongueError
from newtongue.methods.scores import SetTable, tables
from newtongue.stages.report.config import ReportConfig

LOOKED_AT_ROWS = 2000
"""Rows of each data set read to learn its sources and task types."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's scores under the label the report gives them.

    Attributes:
        label: `before`, `after`, or the label of the recipe.
        scores: Content of `scores.json`.
        rows: Rows of `items.parquet`.
        tables: The same rows as one table per set.
        manifest: Manifest of the eval stage, {} when there is none.
    """

    label: str
    scores: Row
    rows: list[Row]
    tables: dict[str, SetTable]
    manifest: Row


@dataclass(frozen=True, slots=True)
class Made:
    """What one stage made, as far as a report shows it.

    Attributes:
        name: The stage's name in the recipe.
        manifest: Its manifest, {} when there is none.
        rejected: Reason -> rows set aside.
        sources: Source -> rows, among the first LOOKED_AT_ROWS.
        tasks: Task type -> conversations, among the first LOOKED_AT_ROWS.
        expansion: Content of `expansion.json`, {} when there is none.
        selection: Content of `selection.json`, {} when there is none.
        synthesis: Content of `synthesis.json`, {} when there is none.
        log: Lines of `training_log.jsonl`.
    """

    name: str
    manifest: Row
    rejected: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[str, int] = field(default_factory=dict)
    expansion: Row = field(default_factory=dict)
    selection: Row = field(default_factory=dict)
    synthesis: Row = field(default_factory=dict)
    log: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Material:
    """All input of a report; `missing` says in sentences what could not be read."""

    before: Measured
    after: Measured
    steps: list[Measured]
    controls: list[Measured]
    stages: list[Made]
    missing: list[str]

    @property
    def models(self) -> list[Measured]:
        """The measured models in order of training."""
        return [self.before, *self.steps, self.after]


def gather(config: ReportConfig, context: Context) -> Material:
    """Read scores, manifests and side files.

    Raises:
        DataError: The scores before or after cannot be read; without them there is nothing to report.
    """
    missing: list[str] = []
    before = measured("before", context[config.before])
    after = measured("after", context[config.after])
    steps = _each(config.steps, context, missing)
    controls = _each(config.controls, context, missing)
    stages = [_made(ref, context[ref], missing) for ref in config.stages]
    return Material(before, after, steps, controls, stages, missing)


def _each(refs: Mapping[str, Ref], context: Context, missing: list[str]) -> list[Measured]:
    found = []
    for label, ref in refs.items():
        try:
            found.append(measured(label, context[ref]))
        except NewtongueError as error:
            missing.append(f"Scores of “{label}” could not be read: {error.problem}.")
    return found


def measured(label: str, artefact: Artefact) -> Measured:
    """Read what one `eval` stage measured.

    Raises:
        DataError: There are no scores.
    """
    folder = next((f for f in (artefact.path, artefact.path / "scores") if (f / "scores.json").is_file()), None)
    if folder is None:
        raise DataError("holds no scores.json", place=artefact.name, expected="a finished eval stage")
    rows = read_items(folder / "items.parquet")
    scores = _json(folder / "scores.json")
    return Measured(label, scores, rows, tables(rows), _manifest(artefact))


def _made(ref: Ref, artefact: Artefact, missing: list[str]) -> Made:
    manifest = _manifest(artefact)
    name = str(manifest.get("name") or ref.stage or Path(str(ref)).name)
    if not manifest:
        missing.append(f"{name} has no manifest: its counts, costs and licences are not shown.")
    try:
        sources, tasks = _look(artefact, str(manifest.get("kind", artefact.kind)))
        files = {key: _json(artefact.path / f"{key}.json") for key in ("expansion", "selection", "synthesis")}
        return Made(name, manifest, _reasons(artefact.path), sources, tasks, **files, log=_lines(artefact.path))
    except (NewtongueError, OSError, ValueError) as error:
        missing.append(f"Files of {name} could not be read ({type(error).__name__}).")
        return Made(name, manifest)


def _manifest(artefact: Artefact) -> Row:
    for folder in (artefact.directory, artefact.path, artefact.path.parent):
        if (folder / "manifest.json").is_file():
            return _json(folder / "manifest.json")
    return {}


def _json(file: Path) -> Row:
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _lines(payload: Path) -> list[Row]:
    file = payload / "training_log.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]


def _reasons(payload: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for file in sorted(payload.glob("rejected*.jsonl")):
        with open(file, encoding="utf-8") as stream:
            counts.update(str(json.loads(line).get("reason", "unknown")) for line in stream if line.strip())
    return dict(counts.most_common())


def _look(artefact: Artefact, kind: str) -> tuple[dict[str, int], dict[str, int]]:
    if kind == "Corpus":
        documents = islice(read_documents(artefact), LOOKED_AT_ROWS)
        return dict(Counter(d.source or "not stated" for d in documents).most_common()), {}
    if kind == "Conversations":
        found = list(islice(read_conversations(artefact), LOOKED_AT_ROWS))
        sources = Counter(c.source or "not stated" for c in found)
        return dict(sources.most_common()), dict(Counter(c.task or "not stated" for c in found).most_common())
    return {}, {}
