"""A suite: tasks measured together for one purpose, named in a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from newtongue.core.errors import DataError

KEYS = {
    "path",
    "task",
    "layout",
    "data",
    "language",
    "role",
    "num_fewshot",
    "limit",
    "chat",
    "words",
    "from",
    "max_new_tokens",
}


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task of a suite.

    Attributes:
        name: Its name in the suite.
        path: Its task file, where it has one.
        layout: The layout of its data, where that says all.
        data: Its rows: below the suite's folder, or "" where the recipe gives them.
        settings: The other keys.
    """

    name: str
    path: Path | None
    layout: str
    data: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuiteFile:
    """A suite as its file says it: its name, the role its sets play, and its tasks."""

    name: str
    role: str
    tasks: list[SuiteTask]
    in_context: bool = False


def read_suite(path: Path) -> SuiteFile:
    """Read a suite file, or `suite.yaml` in a folder.

    Raises:
        DataError: It cannot be read, has unknown keys, or names a file outside its folder.
    """
    file = path / "suite.yaml" if path.is_dir() else path
    content = _content(file)
    if unknown := sorted(set(content) - {"suite", "about", "role", "tasks", "in_context"}):
        raise _unknown(unknown[0], {"suite", "about", "role", "tasks", "in_context"}, str(file))
    role = content.get("role", "target")
    if role not in ("target", "retention"):
        raise DataError(f"role is {role!r}", place=str(file), expected="target or retention")
    listed = content.get("tasks") or {}
    if not isinstance(listed, dict) or not (listed or content.get("in_context")):
        raise DataError("`tasks` is no mapping of names", place=str(file), expected="tasks: {name: {layout: …}}")
    tasks = [_task(name, entry or {}, file) for name, entry in listed.items()]
    return SuiteFile(str(content.get("suite", file.stem)), role, tasks, bool(content.get("in_context")))


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"the suite cannot be read ({' '.join(str(error).split())})", place=str(file)) from None
    if not isinstance(content, dict):
        raise DataError("the suite is no mapping", place=str(file), expected="suite: name, tasks: {…}")
    return content


def _task(name: str, entry: dict[str, Any], file: Path) -> SuiteTask:
    place = f"{file}: {name}"
    if unknown := sorted(set(entry) - KEYS):
        raise _unknown(unknown[0], KEYS, place)
    if ("path" in entry) == ("layout" in entry):
        raise DataError("a task needs either `path` or `layout`", place=place)
    kept = {key: value for key, value in entry.items() if key not in ("path", "layout", "data")}
    found = {key: _inside(file, str(entry[key]), place) if key in entry else None for key in ("path", "data")}
    return SuiteTask(name, found["path"], str(entry.get("layout", "")), found["data"], kept)


def _inside(file: Path, name: str, place: str) -> Path:
    path = (file.parent / name).resolve()
    if not path.is_relative_to(file.parent.resolve()):
        raise DataError(
            f"{name} lies outside the suite's folder",
            place=place,
            fix="give it in the recipe, under the suite's `data`",
        )
    return path


def _unknown(key: str, known: set[str], place: str) -> DataError:
    near = difflib.get_close_matches(str(key), sorted(known), 1)
    fix = f"did you mean `{near[0]}`?" if near else "remove it"
    return DataError(f"unknown key `{key}`", place=place, expected=", ".join(sorted(known)), fix=fix)
