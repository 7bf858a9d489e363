"""Rows of a task's data files: what `datasets` would read with the builders json, csv, parquet and text."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.errors import DataError

csv.field_size_limit(16_000_000)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and where it stands (`file:line`); `row` is None for a line that could not be read, `reason` says why."""

    place: str
    row: Row | None
    reason: str = ""


def read_placed(path: Path) -> list[Placed]:
    """Return every row behind a file, folder or glob: JSONL, JSON, CSV, TSV, text, Parquet, plain or packed.

    Raises:
        DataError: Nothing is there, or nothing that can be read.
    """
    if path.is_file() and path.suffix in (".json", ".csv"):
        return list(_json(path) if path.suffix == ".json" else _csv(path))
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix in (".json", ".csv"))
        if files and not any(f.name.endswith((".jsonl", ".parquet", ".tsv")) for f in path.rglob("*")):
            return [placed for file in files for placed in read_placed(file)]
    found = []
    for place, row in read_rows(path):
        found.append(Placed(place, None, row.reason) if isinstance(row, Reject) else Placed(place, row))
    return found


def _json(file: Path) -> Iterator[Placed]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:  # some files of lines are called .json
        yield from _lines(file, error)
        return
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise DataError("no list of rows in this file", place=str(file), expected='[{…}, …] or {"data": […]}')
    for number, row in enumerate(rows, 1):
        good = isinstance(row, dict)
        yield Placed(f"{file.name}:{number}", row if good else None, "" if good else "no object")


def _lines(file: Path, error: ValueError) -> Iterator[Placed]:
    lines = file.read_text("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if number == 1:
                raise DataError(f"not JSON ({error})", place=str(file)) from None
            yield Placed(f"{file.name}:{number}", None, "invalid JSON")
            continue
        yield Placed(f"{file.name}:{number}", row if isinstance(row, dict) else None, "no object")


def _csv(file: Path) -> Iterator[Placed]:
    with open(file, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    whole = {name: _number_type([row[name] for row in rows]) for name in (rows[0] if rows else {}) if name}
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            yield Placed(f"{file.name}:{number}", None, "another number of columns than the header")
        else:
            yield Placed(f"{file.name}:{number}", {name: whole[name](value) for name, value in row.items()})


def _number_type(values: list[str | None]) -> Any:
    """Return the type all values of a column have, as `datasets` infers it."""
    for kind in (int, float):
        try:
            for value in values:
                if value is None or value.strip() != value or "_" in value:
                    return str
                kind(value)
        except ValueError:
            continue
        return kind
    return str
