"""Rows to Parquet, one series of files per split, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from newtongue.adapters.tables.files import Reject

ROWS_PER_GROUP = 4096
CHARS_PER_GROUP = 16_000_000
CHARS_PER_FILE = 512_000_000
"""A new file is begun after this much text."""


class SplitWriter:
    """Writes rows into `train-*.parquet` and `heldout-*.parquet`; the bytes depend on the rows and their order only."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Write below `folder`, which is made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.schema = folder, schema
        self.counts: dict[str, int] = {}
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._chars: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def add(self, row: Any, chars: int) -> None:
        """Take one row (a Document or Conversation) with about `chars` characters of text."""
        split = row.split
        self.counts[split] = self.counts.get(split, 0) + 1
        self._waiting.setdefault(split, []).append(_plain(row, self.schema))
        self._chars[split] = self._chars.get(split, 0) + chars
        if self._chars[split] >= CHARS_PER_GROUP or len(self._waiting[split]) >= ROWS_PER_GROUP:
            self._flush(split)

    def _flush(self, split: str) -> None:
        if split not in self._writers:
            number = self._files.get(split, 0)
            file = self.folder / f"{split}-{number:05d}.parquet"
            self._writers[split] = pq.ParquetWriter(file, self.schema, compression="zstd")
            self._files[split] = number + 1
        self._writers[split].write_table(pa.Table.from_pylist(self._waiting.pop(split), self.schema))
        self._written[split] = self._written.get(split, 0) + self._chars.pop(split)
        if self._written[split] >= CHARS_PER_FILE:
            self._writers.pop(split).close()
            self._written[split] = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for split in sorted(self._waiting):
                self._flush(split)
        for writer in self._writers.values():
            writer.close()


class RejectWriter:
    """Writes one JSON line per row that did not get in, and counts them by reason."""

    def __init__(self, file: Path) -> None:
        """Start the file anew."""
        self._stream = open(file, "wb")  # noqa: SIM115 closed in __exit__
        self.counts: Counter[str] = Counter()

    def add(self, reject: Reject) -> None:
        """Write one row."""
        self.counts[reject.reason] += 1
        line = {"place": reject.place, "reason": reject.reason, "content": reject.content}
        self._stream.write(orjson.dumps(line) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()


def write_rows(folder: Path, schema: pa.Schema, rows: Iterable[tuple[Any, int]]) -> dict[str, int]:
    """Write (row, characters) pairs; return the number of rows per split."""
    with SplitWriter(folder, schema) as writer:
        for row, chars in rows:
            writer.add(row, chars)
    return dict(sorted(writer.counts.items()))


def _plain(row: Any, schema: pa.Schema) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in schema.names}
    if "score" in values and values["score"] != values["score"]:
        values["score"] = None
    return values
