"""Aligned text in two languages: JSONL, TSV or Parquet with a column per language, or two files line by line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from newtongue.adapters.tables.files import MAX_LINE_BYTES, Reject, Row, read_rows
from newtongue.adapters.tables.lines import read_lines
from newtongue.core.errors import DataError


def read_bitext(path: Path | tuple[Path, Path], columns: tuple[str, str]) -> Iterator[tuple[str, str, str] | Reject]:
    """Yield (id, one text, other text) for every aligned pair, or a reject for a row that is none.

    Args:
        path: Files with both languages in columns (or under `translation`, as `datasets` has it), or two text
            files whose lines are aligned.
        columns: Names of the two columns (`en`, `ur`); two files need none.

    Raises:
        DataError: The first row has no such columns, or two files differ in length.
    """
    if isinstance(path, tuple):
        yield from _two_files(*path)
        return
    checked = False
    for place, row in read_rows(path):
        if isinstance(row, Reject):
            yield row
            continue
        pair = row.get("translation") if isinstance(row.get("translation"), dict) else row
        if not checked:
            _check(pair, columns, str(path))
            checked = True
        one, other = pair.get(columns[0]), pair.get(columns[1])
        if isinstance(one, str) and isinstance(other, str) and one.strip() and other.strip():
            yield str(row.get("id", place)), one, other
        else:
            yield Reject(place, "one side is empty", str(one or other or "")[:200])


def _two_files(one: Path, other: Path) -> Iterator[tuple[str, str, str] | Reject]:
    for left, right in zip_longest(read_lines(one, MAX_LINE_BYTES), read_lines(other, MAX_LINE_BYTES)):
        if left is None or right is None:
            longer, shorter = (other, one) if left is None else (one, other)
            raise DataError(
                f"{longer.name} has more lines than {shorter.name}",
                place=str(longer),
                expected="two files with one aligned sentence per line",
            )
        place = f"{one.name}:{left.number}"
        try:
            pair = left.content.decode("utf-8"), right.content.decode("utf-8")
        except UnicodeDecodeError:
            yield Reject(place, "invalid UTF-8", left.content[:200].decode("utf-8", "backslashreplace"))
            continue
        fault = left.fault or right.fault or ("" if pair[0].strip() and pair[1].strip() else "one side is empty")
        yield Reject(place, fault, (pair[0] or pair[1])[:200]) if fault else (str(left.number), *pair)


def _check(pair: Row, columns: tuple[str, str], place: str) -> None:
    missing = [name for name in columns if name not in pair]
    if missing:
        raise DataError(
            f"no column `{missing[0]}`; the columns are {', '.join(sorted(map(str, pair)))}",
            place=place,
            expected=f"columns `{columns[0]}` and `{columns[1]}`",
        )
