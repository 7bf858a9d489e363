"""Read the files users bring: JSONL (plain, gz, zst), Parquet, text; a bad row is kept aside, never fatal."""

from __future__ import annotations

import glob
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from newtongue.core.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".txt")


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be used.

    Attributes:
        place: `file:line`.
        reason: Short stable phrase, counted in manifests.
        content: The offending content, cut to a few hundred characters.
    """

    place: str
    reason: str
    content: str = ""


def find_files(path: Path) -> list[Path]:
    """Return the readable files behind a file, folder or glob, sorted by name."""
    if path.is_file():
        return [path]
    pattern = str(path / "**" / "*") if path.is_dir() else str(path)
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    files = [file for file in found if file.is_file() and file.name.endswith(SUFFIXES)]
    if not files:
        raise DataError(
            "no such file, or no readable file in it",
            place=str(path),
            expected=" ".join(SUFFIXES),
            fix="check the path in the recipe",
        )
    return files


def read_rows(path: Path, *, max_line_bytes: int = 64_000_000) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    """Yield (place, row or reject) for every row of every file behind `path`."""
    for file in find_files(path):
        if file.name.endswith(".parquet"):
            yield from _parquet(file)
        elif file.name.endswith(".txt"):
            yield from _text(file)
        else:
            yield from _jsonl(file, max_line_bytes)


def _parquet(file: Path) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    import pyarrow.parquet as pq

    number = 0
    for batch in pq.ParquetFile(file).iter_batches(1024):
        for row in batch.to_pylist():
            number += 1
            yield f"{file.name}:{number}", row


def _text(file: Path) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    try:
        yield f"{file.name}:1", {"id": file.stem, "text": file.read_text("utf-8")}
    except UnicodeDecodeError as error:
        yield f"{file.name}:1", Reject(f"{file.name}:1", "invalid UTF-8", str(error))


def _jsonl(file: Path, max_line_bytes: int) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    with _open(file) as stream:
        for number, line in enumerate(stream, 1):
            place = f"{file.name}:{number}"
            if len(line) > max_line_bytes:
                yield place, Reject(place, "line too long", line[:200].decode("utf-8", "replace"))
            elif line.strip():
                yield place, _parse(line, place)


def _parse(line: bytes, place: str) -> dict[str, Any] | Reject:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason = "invalid UTF-8" if "utf-8" in str(error).lower() else "invalid JSON"
        return Reject(place, reason, line[:200].decode("utf-8", "replace"))
    if not isinstance(row, dict):
        return Reject(place, "not an object", line[:200].decode("utf-8", "replace"))
    return row


def _open(file: Path) -> io.BufferedIOBase:
    if file.name.endswith(".gz"):
        return gzip.open(file, "rb")  # type: ignore[return-value]
    if file.name.endswith(".zst"):
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(file)), "zstd"))  # type: ignore[arg-type]
    return open(file, "rb")
