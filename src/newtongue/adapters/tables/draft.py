"""Documents on their way: written once in order, then read back by number without holding them in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from newtongue.adapters.tables.rows import DOCUMENT_SCHEMA
from newtongue.core.rows import Document

CHARS_PER_BATCH = 8_000_000
ROWS_PER_BATCH = 1024


class DraftWriter:
    """Appends documents to one uncompressed Arrow file."""

    def __init__(self, file: Path) -> None:
        """Start the file anew."""
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = pa.ipc.new_file(self._sink, DOCUMENT_SCHEMA)
        self._rows: list[dict[str, Any]] = []
        self._chars = 0

    def add(self, document: Document) -> None:
        """Append one document."""
        self._rows.append({name: getattr(document, name) for name in DOCUMENT_SCHEMA.names})
        self._chars += len(document.text)
        if self._chars >= CHARS_PER_BATCH or len(self._rows) >= ROWS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, DOCUMENT_SCHEMA))
        self._rows, self._chars = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._sink.close()


class Draft:
    """The documents of a draft file, memory-mapped: any text by its number, all documents in order."""

    def __init__(self, file: Path) -> None:
        """Open a file that a DraftWriter closed."""
        self._reader = pa.ipc.open_file(pa.memory_map(str(file)))
        self._starts = [0]
        for index in range(self._reader.num_record_batches):
            self._starts.append(self._starts[-1] + len(self._reader.get_batch(index)))

    def __len__(self) -> int:
        return self._starts[-1]

    def text(self, number: int) -> str:
        """Return the text of one document."""
        return str(self._cell("text", number))

    def id(self, number: int) -> str:
        """Return the id of one document."""
        return str(self._cell("id", number))

    def __iter__(self) -> Iterator[Document]:
        for index in range(self._reader.num_record_batches):
            for row in self._reader.get_batch(index).to_pylist():
                yield Document(**row)

    def _cell(self, column: str, number: int) -> Any:
        index = bisect_right(self._starts, number) - 1
        return self._reader.get_batch(index).column(column)[number - self._starts[index]].as_py()
