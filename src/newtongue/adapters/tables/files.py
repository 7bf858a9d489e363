"""Read the files users bring: JSONL, TSV, text (plain, gz, zst), Parquet, saved `datasets` folders.

A row that cannot be used is kept aside with its place, never fatal; a file nothing can be read from is an error.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.tables.lines import KEPT_BYTES
from newtongue.core.errors import DataError
from newtongue.core.rows import READABLE

Row = dict[str, Any]
REFUSED = (".bin", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz")
"""Formats that may run code or hold no text."""
HEAVY = (".parquet", ".arrow", ".zst")
"""Files that only pyarrow opens."""
MAX_LINE_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be used.

    Attributes:
        place: `file:line`, the file relative to what the recipe named.
        reason: Short stable phrase, counted in manifests.
        content: The offending content, cut to about a thousand characters.
    """

    place: str
    reason: str
    content: str = ""


def find_files(path: Path) -> list[Path]:
    """Return the readable files behind a file, folder or glob, sorted by name.

    Raises:
        DataError: Nothing is there, or nothing that can be read; what is there instead is named.
    """
    if path.is_file():
        _refuse(path)
        return [path]
    pattern = str(path / "**" / "*") if path.is_dir() else str(path.expanduser())
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(name)]
    files = [file for file in found if file.name.endswith(READABLE)]
    if not files:
        raise _nothing(path, found)
    return files


def read_rows(path: Path, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[tuple[str, Row | Reject]]:
    """Yield (place, row or reject) for every row of every file behind `path`, in order of file name.

    Memory holds one line or one small batch at a time, whatever the size of the files.

    Args:
        path: File, folder or glob.
        max_line_bytes: A longer line is set aside without being held.
    """
    root = _root(path)
    for file in find_files(path):
        name = file.relative_to(root).as_posix()
        for number, row in _reader(file)(file, max_line_bytes):
            place = f"{name}:{number}"
            yield place, Reject(place, row.reason, row.content) if isinstance(row, Reject) else row


def columns_of(path: Path, *, light: bool = False) -> list[str]:
    """Return the column names of the first readable row behind `path`, sorted; empty when there is none.

    Args:
        path: File, folder or glob.
        light: Look into files only that need no heavy library (not Parquet, Arrow or zstd), as a plan does.
    """
    for file in find_files(path):
        if light and file.name.endswith(HEAVY):
            return []
        for _, row in _reader(file)(file, MAX_LINE_BYTES):
            if not isinstance(row, Reject):
                return sorted(map(str, row))
    return []


def require_columns(path: Path, names: list[str], *, light: bool = False) -> None:
    """Stop when a wanted column is missing from the first row; reads one row, so it is cheap at plan time.

    Raises:
        DataError: A column is missing; the columns there are listed.
    """
    there = columns_of(path, light=light)
    missing = [name for name in names if there and name not in there]
    if missing:
        raise DataError(
            f"no column `{missing[0]}`; the columns are {', '.join(there)}",
            place=str(path),
            fix="name the column in the recipe, or rename it in the file",
        )


def excerpt(content: bytes) -> str:
    """Return the beginning of a faulty line as text; bytes that are no UTF-8 come as hexadecimal escapes."""
    return content[:KEPT_BYTES].decode("utf-8", "backslashreplace")


def _reader(file: Path) -> Callable[[Path, int], Iterator[tuple[int, Row | Reject]]]:
    from newtongue.adapters.tables import formats

    kind = next(suffix for suffix in file.suffixes[::-1] if suffix not in (".gz", ".zst"))
    readers = {
        ".jsonl": formats.jsonl_rows,
        ".tsv": formats.tsv_rows,
        ".txt": formats.text_rows,
        ".parquet": formats.parquet_rows,
        ".arrow": formats.arrow_rows,
    }
    return readers[kind]


def _root(path: Path) -> Path:
    """Return the folder that places are relative to: the path itself, or what stands before its first wildcard."""
    if path.is_dir():
        return path
    parts = path.expanduser().parts
    fixed = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:fixed]) if fixed else Path()


def _refuse(file: Path) -> None:
    if file.name.endswith(REFUSED):
        raise DataError(
            f"{file.suffix} files are refused: they may run code when opened",
            place=str(file),
            expected=" ".join(READABLE),
            fix="export the rows as JSONL or Parquet",
        )
    if not file.name.endswith(READABLE):
        raise DataError(
            f"unknown kind of file `{file.suffix or file.name}`",
            place=str(file),
            expected=" ".join(READABLE),
            fix="convert it, or rename it if its content is one of these",
        )


def _nothing(path: Path, found: list[Path]) -> DataError:
    if not found:
        return DataError("no such file or folder", place=str(path), fix="check the path in the recipe")
    kinds = Counter(file.suffix or file.name for file in found)
    listed = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(5))
    return DataError(
        f"no readable file among {listed}",
        place=str(path),
        expected=" ".join(READABLE),
        fix="convert the rows to JSONL or Parquet",
    )
