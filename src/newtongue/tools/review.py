"""`newtongue review`: rows out to a file that a native speaker edits, and verdicts and corrections back in.

The file is CSV or JSONL. Every text has a cell of its own between isolates (U+2068, U+2069), so that a line with texts
of both directions keeps its columns in any editor; controls of direction inside a text are shown as `[U+202E]`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.tables import Reject, read_conversations, read_rows, write_rejects
from newtongue.core import manifest
from newtongue.core.artefact import Artefact, payload_folder
from newtongue.core.errors import DataError, RecipeError, WrongKind
from newtongue.core.rows import Conversation

SHOWN = ("id", "digest", "side", "reason", "task", "language", "context", "question", "answer")
"""Columns to read; changing them changes nothing."""
ASKED = ("verdict", "corrected_question", "corrected_answer", "note")
"""Columns to fill in."""
VERDICTS = ("", "right", "wrong")
"""What may stand under `verdict`; an empty one was not judged."""
OPEN, CLOSE = "\u2068", "\u2069"
CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
FORMULA = ("=", "+", "-", "@", "\t")
"""First characters that make a spreadsheet calculate; isolates before them prevent it."""

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer wrote about one row."""

    verdict: str
    question: str
    answer: str
    note: str
    line: int


def export(data: Path, file: Path, *, rows: int = 50, rejected: int = 20, seed: int = 0) -> dict[str, int]:
    """Write a sample for review, task types and reasons alike.

    Args:
        data: A sealed stage of conversations, or a file of them.
        file: `.csv` or `.jsonl` to write.
        rows: Accepted rows to draw.
        rejected: Rejected rows to draw, to read whether the reasons hold.
        seed: Seed of the draw.

    Returns:
        Number of `accepted` and `rejected` rows written.

    Raises:
        RecipeError: The file is there already, or its ending is another one.
        WrongKind: The data are no conversations.
    """
    if file.suffix not in (".csv", ".jsonl"):
        raise RecipeError(f"unknown ending `{file.suffix}`", place=str(file), expected=".csv or .jsonl")
    if file.exists():
        raise RecipeError("the file is there already", place=str(file), fix="name another; reviews are not overwritten")
    artefact = _open(data)
    chosen = _draw([_cells(row) for row in read_conversations(artefact)], rows, seed, "task")
    aside = _draw(_rejects(artefact), rejected, seed, "reason")
    _write_cells(file, [*chosen, *aside])
    return {"accepted": len(chosen), "rejected": len(aside)}


def take_in(data: Path, file: Path, out: Path, *, reviewer: str = "") -> dict[str, Any]:
    """Put verdicts and corrections into the rows.

    Writes `rows.jsonl` (every row but those judged wrong, corrections in place, each judged row with `review`),
    `rejected.jsonl` (rows judged wrong, with the note as reason) and `review.json` (figures and provenance).

    Args:
        data: What was exported.
        file: The edited file.
        out: Folder to make.
        reviewer: Who judged, for the provenance.

    Raises:
        RecipeError: The folder is there already.
        DataError: A verdict is none of `VERDICTS`, or a judged row is not in the data as it was exported.
    """
    if out.exists():
        raise RecipeError("the folder is there already", place=str(out), fix="name another")
    found = _judgements(file)
    kept, aside, counts = [], [], Counter[str]()
    for row in read_conversations(_open(data)):
        judgement = found.pop((row.id, _digest(row)), None)
        outcome = _outcome(judgement)
        counts[outcome] += 1
        if outcome == "wrong" and judgement:
            reason = f"review: {judgement.note or 'wrong'}"
            aside.append(Reject(f"{row.id}", reason, json.dumps(list(row.messages), ensure_ascii=False)))
        else:
            kept.append(_reviewed(row, judgement, reviewer))
    if found:
        (name, _), judgement = next(iter(found.items()))
        raise DataError(
            f"the row {name} is not in {data} as it was exported",
            place=f"{file.name}:{judgement.line}",
            fix="give the data the file was exported from",
        )
    facts = {name: counts[name] for name in ("right", "corrected", "wrong", "not judged")}
    facts |= {"rows": len(kept), "reviewer": reviewer, "review_sha256": manifest.file_sha256(file)}
    out.mkdir(parents=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    (out / "rows.jsonl").write_text("".join(lines), "utf-8")
    write_rejects(out / "rejected.jsonl", aside)
    manifest.write_json(out / "review.json", facts)
    return facts


def _open(path: Path) -> Artefact:
    if not path.is_dir() or not manifest.is_sealed(path):
        return Artefact("Conversations", path, name=str(path))
    kind = str(manifest.read_manifest(path).get("kind"))
    if kind != "Conversations":
        raise WrongKind(f"holds {kind}", place=str(path), expected="Conversations")
    return Artefact(kind, path / payload_folder(kind), sealed=True, name=str(path))


def _cells(row: Conversation) -> Cells:
    texts = [turn["content"] for turn in row.messages]
    place = _question_place(row)
    about = {"id": row.id, "digest": _digest(row), "side": "accepted", "reason": ", ".join(row.flags)}
    shown = {"context": "\n\n".join(texts[:place]), "question": texts[place], "answer": texts[-1]}
    return {**about, "task": row.task, "language": row.language, **shown}


def _question_place(row: Conversation) -> int:
    return max((n for n, turn in enumerate(row.messages[:-1]) if turn["role"] == "user"), default=0)


def _rejects(artefact: Artefact) -> list[Cells]:
    file = artefact.path / "rejected.jsonl"
    if not artefact.sealed or not file.is_file():
        return []
    found = [row for _, row in read_rows(file) if not isinstance(row, Reject)] if file.stat().st_size else []
    names = {"id": "place", "reason": "reason", "answer": "content"}
    return [{"side": "rejected", **{cell: str(row.get(name, "")) for cell, name in names.items()}} for row in found]


def _digest(row: Conversation) -> str:
    return hashlib.sha256(json.dumps([list(row.messages), row.language]).encode()).hexdigest()[:16]


def _draw(rows: Iterable[Cells], most: int, seed: int, by: str) -> list[Cells]:
    """Return rows in an order that depends on their ids alone, one of each value of `by` in turn."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.get(by, "")].append(row)
    ranked = []
    for name, group in groups.items():
        group.sort(key=lambda row: hashlib.sha256(f"{seed} {row['id']} {row.get('answer')}".encode()).digest())
        ranked += [(place, name, row) for place, row in enumerate(group)]
    return [row for *_, row in sorted(ranked, key=lambda entry: entry[:2])][:most]


def _write_cells(file: Path, rows: Sequence[Cells]) -> None:
    columns = (*SHOWN, *ASKED)
    full = [{name: _shown(name, row.get(name, "")) for name in columns} for row in rows]
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in full), "utf-8")
        return
    with file.open("w", encoding="utf-8-sig", newline="") as stream:  # the mark tells spreadsheets it is UTF-8
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(full)


def _shown(name: str, text: str) -> str:
    visible = "".join(f"[U+{ord(c):04X}]" if c in CONTROLS else c for c in text)
    isolated = name in ("context", "question", "answer") or visible.startswith(FORMULA)
    return f"{OPEN}{visible}{CLOSE}" if visible and isolated else visible


def _judgements(file: Path) -> dict[tuple[str, str], Judgement]:
    """Return (id, digest) -> what was written about accepted rows; rows nobody judged are left out."""
    found = {}
    for line, cells in _read_cells(file):
        told = {name: _typed(cells.get(name)) for name in ("id", "digest", "side", *ASKED)}
        verdict = told["verdict"].lower()
        if verdict not in VERDICTS:
            raise DataError(
                f"the verdict `{verdict}` is none", place=f"{file.name}:{line}", expected="right, wrong or nothing"
            )
        judged = verdict or told["corrected_question"] or told["corrected_answer"]
        if judged and told["side"] == "rejected" and (verdict != "wrong" or told["corrected_answer"]):
            raise DataError(
                "a rejected row cannot be taken back here",
                place=f"{file.name}:{line}",
                fix="change the setting that rejected it; nothing is paid again. A note is enough here",
            )
        if judged and told["side"] != "rejected":
            given = Judgement(verdict, told["corrected_question"], told["corrected_answer"], told["note"], line)
            if (key := (told["id"], told["digest"])) in found:
                raise DataError(f"the row {told['id']} is there twice", place=f"{file.name}:{line}", fix="keep one")
            found[key] = given
    return found


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
        missing = [name for name in ("id", "digest", "side", *ASKED) if not isinstance(row, dict) or name not in row]
        if missing:
            raise DataError(
                f"no column `{missing[0]}`", place=f"{file.name}:{line}", fix="keep the columns as exported"
            )
        yield line, row


def _typed(value: Any) -> str:
    return str(value or "").strip().strip(OPEN + CLOSE).strip()


def _outcome(judgement: Judgement | None) -> str:
    if judgement is None:
        return "not judged"
    return "corrected" if judgement.question or judgement.answer else judgement.verdict


def _reviewed(row: Conversation, judgement: Judgement | None, reviewer: str) -> dict[str, Any]:
    """Return a row for `rows.jsonl`; a judged one says by whom, how, and what stood there before."""
    facts = {name: value for name, value in asdict(row).items() if name != "score" or value == value}
    if judgement is None:
        return facts
    messages = [dict(turn) for turn in row.messages]
    review = {"outcome": _outcome(judgement), "reviewer": reviewer, "note": judgement.note}
    for place, text, name in ((_question_place(row), judgement.question, "question"), (-1, judgement.answer, "answer")):
        if text:
            review[f"{name}_before"] = messages[place]["content"]
            messages[place]["content"] = text
    flags = [flag for flag in row.flags if flag != "language unknown"]
    return {**facts, "messages": messages, "flags": flags, "review": review}
