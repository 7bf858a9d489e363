"""One reader per file format; each yields (row number, row or reject) and holds a line or a small batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.tables.files import Reject, Row, excerpt
from newtongue.adapters.tables.lines import Line, read_lines
from newtongue.core.errors import DataError

TEXT_DOCUMENT_BYTES = 4_000
"""A text file is cut at an empty line once a document holds this much."""
ROWS_PER_BATCH = 128
Numbered = Iterator[tuple[int, Row | Reject]]


def jsonl_rows(file: Path, max_line_bytes: int) -> Numbered:
    """Yield one row per line; empty lines do not count."""
    for line in read_lines(file, max_line_bytes):
        if line.fault:
            yield line.number, _reject(line, line.fault)
        elif line.content.strip():
            if line.number == 1 and line.content.lstrip().startswith(b"["):
                raise DataError(
                    "the file is one JSON array",
                    place=str(file),
                    expected="one JSON object per line",
                    fix=f"jq -c '.[]' {file.name} > {file.stem}.jsonl",
                )
            yield line.number, _parsed(line)


def tsv_rows(file: Path, max_line_bytes: int) -> Numbered:
    """Yield one row per line after the first, which names the columns."""
    names: list[str] | None = None
    for line in read_lines(file, max_line_bytes):
        text = line.fault or _decoded(line)
        if isinstance(text, Reject) or line.fault:
            yield line.number, text if isinstance(text, Reject) else _reject(line, line.fault)
        elif names is None:
            names = [name.strip() for name in text.split("\t")]
        elif text.strip():
            cells = text.split("\t")
            row: Row = dict(zip(names, cells, strict=False))
            yield line.number, row if len(cells) == len(names) else _reject(line, f"not {len(names)} columns")


def text_rows(file: Path, max_line_bytes: int) -> Numbered:
    """Yield documents cut from plain text: at the first empty line after `TEXT_DOCUMENT_BYTES`.

    Text without empty lines (one sentence per line) is cut at a line end after twice as much. A document's
    number is that of its first line.
    """
    kept: list[str] = []
    start = size = 0
    for line in read_lines(file, max_line_bytes):
        text = _reject(line, line.fault) if line.fault else _decoded(line)
        if isinstance(text, Reject):
            yield line.number, text
            continue
        border = not text.strip() and size >= TEXT_DOCUMENT_BYTES
        if kept and (border or size >= 2 * TEXT_DOCUMENT_BYTES):
            yield start, {"text": "\n".join(kept)}
            kept, size = [], 0
        if kept or text.strip():
            start = start if kept else line.number
            kept.append(text)
            size += len(line.content) + 1
    if kept:
        yield start, {"text": "\n".join(kept)}


def parquet_rows(file: Path, _max_line_bytes: int) -> Numbered:
    """Yield the rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file, memory_map=True)
        yield from _batch_rows(table.iter_batches(ROWS_PER_BATCH))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, "Parquet", error) from None


def arrow_rows(file: Path, _max_line_bytes: int) -> Numbered:
    """Yield the rows of an Arrow stream or file, as `datasets` saves them."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(file)) as source:
            yield from _batch_rows(_slices(pa.ipc.open_stream(source)))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, "Arrow", error) from None


def _slices(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        for start in range(0, len(batch), ROWS_PER_BATCH):
            yield batch.slice(start, ROWS_PER_BATCH)


def _batch_rows(batches: Iterable[Any]) -> Numbered:
    number = 0
    for batch in batches:
        for row in _plain_rows(batch):
            number += 1
            yield number, row


def _plain_rows(batch: Any) -> list[Row | Reject]:
    """Return the rows of a batch; a row with invalid UTF-8 is set aside on its own."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as error:
        if len(batch) == 1:
            return [Reject("", "invalid UTF-8", excerpt(error.object))]
        middle = len(batch) // 2
        return [*_plain_rows(batch.slice(0, middle)), *_plain_rows(batch.slice(middle))]


def _parsed(line: Line) -> Row | Reject:
    try:
        row = orjson.loads(line.content)
    except orjson.JSONDecodeError:
        text = _decoded(line)
        if isinstance(text, Reject):
            return text
        try:  # what Python writes and JSON does not know: NaN, Infinity, lone surrogates
            row = json.loads(text)
        except (ValueError, RecursionError):
            return _reject(line, "invalid JSON")
    return row if isinstance(row, dict) else _reject(line, "not an object")


def _decoded(line: Line) -> str | Reject:
    try:
        return line.content.decode("utf-8")
    except UnicodeDecodeError:
        return _reject(line, "invalid UTF-8")


def _reject(line: Line, reason: str) -> Reject:
    return Reject("", reason, excerpt(line.content))


def _unreadable(file: Path, kind: str, error: Exception) -> DataError:
    return DataError(
        f"this {kind} file cannot be read: {str(error).splitlines()[0]}",
        place=str(file),
        fix="fetch or write the file again",
    )
