"""Rows on their way through the data engine: columns of text in Parquet files of a few thousand rows each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

PIECE_ROWS = 8192
PIECE_CHARS = 64_000_000
"""A piece ends with whichever comes first, so that it always fits into memory."""


class PieceWriter:
    """Writes `piece-*.parquet`; pieces in the order of their names hold the rows in theirs."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        """Start anew below `folder`, which is made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("piece-*.parquet"):
            old.unlink()
        self.folder, self.files = folder, list[str]()
        self._schema = pa.schema([(name, pa.large_string()) for name in columns])
        self._rows, self._chars = list[tuple[str, ...]](), 0

    def add(self, *row: str) -> None:
        """Append a row: one text per column."""
        self._rows.append(row)
        self._chars += sum(map(len, row))
        if len(self._rows) >= PIECE_ROWS or self._chars >= PIECE_CHARS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            file = self.folder / f"piece-{len(self.files):08d}.parquet"
            columns = [pa.array(column, pa.large_string()) for column in zip(*self._rows, strict=True)]
            pq.write_table(pa.table(columns, schema=self._schema), file, compression="zstd")
            self.files.append(str(file))
        self._rows, self._chars = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()


def read_piece(file: str) -> list[tuple[str, ...]]:
    """Return the rows of one piece, columns in the order they were written."""
    table = pq.read_table(file)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
