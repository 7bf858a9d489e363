"""The file a reviewer edits: CSV or JSONL, one row a line, safe for texts of both directions and for spreadsheets.

Every text has a cell of its own between isolates (U+2068, U+2069), so that a line with texts of both directions keeps
its columns in any editor; controls of direction inside a text are shown as `[U+202E]`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.core.errors import DataError

SHOWN = ("id", "digest", "side", "reason", "task", "language", "context", "question", "answer", "worse_answer")
"""Columns to read; changing them changes nothing."""
ASKED = ("verdict", "corrected_question", "corrected_answer", "note")
"""Columns to fill in."""
VERDICTS = ("", "right", "wrong", "swapped")
"""What may stand under `verdict`; an empty one was not judged. `swapped`: the worse answer is the better one."""
TEXTS = ("context", "question", "answer", "worse_answer")
OPEN, CLOSE = "\u2068", "\u2069"
CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
FORMULA = ("=", "+", "-", "@", "\t")
"""First characters that make a spreadsheet calculate; isolates before them prevent it."""

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer wrote about one row.

    Attributes:
        verdict: One of `VERDICTS`.
        question: Corrected question, or "".
        answer: Corrected answer, or "".
        note: What else was written.
        line: Line of the file.
    """

    verdict: str
    question: str
    answer: str
    note: str
    line: int

    @property
    def corrected(self) -> bool:
        """Whether a text was corrected."""
        return bool(self.question or self.answer)


def write_sheet(file: Path, rows: Sequence[Cells]) -> None:
    """Write rows for a person to edit; cells that are not there stay empty."""
    columns = (*SHOWN, *ASKED)
    full = [{name: _shown(name, row.get(name, "")) for name in columns} for row in rows]
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in full), "utf-8")
        return
    with file.open("w", encoding="utf-8-sig", newline="") as stream:  # the mark tells spreadsheets it is UTF-8
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(full)


def read_sheet(file: Path) -> dict[tuple[str, str], Judgement]:
    """Return (id, digest) -> what was written about it; rows nobody judged are left out.

    Raises:
        DataError: The file cannot be read, a column is missing, a verdict is none of `VERDICTS`, or a row is twice.
    """
    found = {}
    for line, cells in _read_cells(file):
        told = {name: _typed(cells.get(name)) for name in ("id", "digest", *ASKED)}
        verdict = told["verdict"].lower()
        if verdict not in VERDICTS:
            expected = "right, wrong, swapped (of two answers) or nothing"
            raise DataError(f"the verdict `{verdict}` is none", place=f"{file.name}:{line}", expected=expected)
        given = Judgement(verdict, told["corrected_question"], told["corrected_answer"], told["note"], line)
        if verdict or given.corrected:
            if (key := (told["id"], told["digest"])) in found:
                raise DataError(f"the row {told['id']} is there twice", place=f"{file.name}:{line}", fix="keep one")
            found[key] = given
    return found


def _shown(name: str, text: str) -> str:
    visible = "".join(f"[U+{ord(c):04X}]" if c in CONTROLS else c for c in text)
    isolated = name in TEXTS or visible.startswith(FORMULA)
    return f"{OPEN}{visible}{CLOSE}" if visible and isolated else visible


def _read_cells(file: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        text = file.read_text("utf-8-sig")
        rows: Iterable[Any]
        if file.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            head = text.split("\n", 1)[0]
            rows = list(csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count)))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot be read: {error}", place=str(file), expected="the exported file, saved as UTF-8"
        ) from error
    for line, row in enumerate(rows, start=1 if file.suffix == ".jsonl" else 2):
        missing = [name for name in ("id", "digest", *ASKED) if not isinstance(row, dict) or name not in row]
        if missing:
            raise DataError(
                f"no column `{missing[0]}`", place=f"{file.name}:{line}", fix="keep the columns as exported"
            )
        yield line, row


def _typed(value: Any) -> str:
    return str(value or "").strip().strip(OPEN + CLOSE).strip()
