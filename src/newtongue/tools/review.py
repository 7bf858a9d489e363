"""`newtongue review`: rows out to a file that a native speaker edits, and verdicts and corrections back in.

Conversations and Preferences alike. A rejected row that is judged right comes back; every judged row says by whom, how,
and what stood there before. The file itself is `tools.review_sheet`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from newtongue.adapters.tables import (
    Reject,
    columns_of,
    read_conversations,
    read_preferences,
    read_rows,
    write_rejects,
)
from newtongue.core import manifest
from newtongue.core.artefact import Artefact, payload_folder
from newtongue.core.errors import DataError, RecipeError, WrongKind
from newtongue.core.rows import Conversation, Message, Preference
from newtongue.methods.self_instruct import Item
from newtongue.tools.review_sheet import Cells, Judgement, read_sheet, write_sheet

Row = Conversation | Preference
Turns = list[dict[str, str]]
KINDS = ("Conversations", "Preferences")
UNKNOWN = "language unknown"
"""Flag that a person's verdict settles."""
OUTCOMES = ("right", "corrected", "swapped", "wrong", "taken back", "not judged")


def export(data: Path, file: Path, *, rows: int = 50, rejected: int = 20, seed: int = 0) -> dict[str, int]:
    """Write a sample for review, task types and reasons alike.

    Args:
        data: A sealed stage of conversations or preferences, or a file of them.
        file: `.csv` or `.jsonl` to write.
        rows: Accepted rows to draw.
        rejected: Rejected rows to draw; those that are whole can be taken back.
        seed: Seed of the draw.

    Returns:
        Number of `accepted` and `rejected` rows written.

    Raises:
        RecipeError: The file is there already, or its ending is another one.
        WrongKind: The data are neither conversations nor preferences.
    """
    if file.suffix not in (".csv", ".jsonl"):
        raise RecipeError(f"unknown ending `{file.suffix}`", place=str(file), expected=".csv or .jsonl")
    if file.exists():
        raise RecipeError("the file is there already", place=str(file), fix="name another; reviews are not overwritten")
    artefact = _open(data)
    chosen = _draw([_cells(row, "accepted", ", ".join(row.flags)) for row in _rows(artefact)], rows, seed, "task")
    aside = _draw([_rejected_cells(reject) for reject in _rejects(artefact)], rejected, seed, "reason")
    write_sheet(file, [*chosen, *aside])
    return {"accepted": len(chosen), "rejected": len(aside)}


def take_in(data: Path, file: Path, out: Path, *, reviewer: str = "") -> dict[str, Any]:
    """Put verdicts and corrections into the rows.

    Writes `rows.jsonl` (every row but those judged wrong, corrections in place, then rejected rows judged right or
    corrected; each judged row with `review`), `rejected.jsonl` (rows judged wrong, with the note as reason) and
    `review.json` (figures and provenance).

    Args:
        data: What was exported.
        file: The edited file.
        out: Folder to make.
        reviewer: Who judged, for the provenance.

    Raises:
        RecipeError: The folder is there already.
        DataError: A verdict cannot be meant, or a judged row is not in the data as it was exported.
    """
    if out.exists():
        raise RecipeError("the folder is there already", place=str(out), fix="name another")
    found, artefact = read_sheet(file), _open(data)
    kept, aside, counts = [], [], Counter[str]()
    for row in _rows(artefact):
        judgement = found.pop((row.id, _digest(row)), None)
        outcome = _outcome(row, judgement, file)
        counts[outcome] += 1
        if outcome == "wrong" and judgement:
            aside.append(
                Reject(row.id, f"review: {judgement.note or 'wrong'}", json.dumps(_said(row), ensure_ascii=False))
            )
        else:
            kept.append(_reviewed(row, judgement, outcome, reviewer))
    kept += _taken_back(artefact, found, file, reviewer)
    counts["taken back"] = len(kept) - sum(counts[name] for name in OUTCOMES if name not in ("wrong", "taken back"))
    _refuse_strangers(found, data, file)
    facts = {name: counts[name] for name in OUTCOMES}
    facts |= {"rows": len(kept), "reviewer": reviewer, "review_sha256": manifest.file_sha256(file)}
    _write(out, kept, aside, facts)
    return facts


def _write(out: Path, kept: Iterable[Mapping[str, Any]], aside: Iterable[Reject], facts: Mapping[str, Any]) -> None:
    out.mkdir(parents=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    (out / "rows.jsonl").write_text("".join(lines), "utf-8")
    write_rejects(out / "rejected.jsonl", aside)
    manifest.write_json(out / "review.json", facts)


def _open(path: Path) -> Artefact:
    if not path.is_dir() or not manifest.is_sealed(path):
        kind = KINDS["chosen" in columns_of(path)]
        return Artefact(kind, path, name=str(path))
    kind = str(manifest.read_manifest(path).get("kind"))
    if kind not in KINDS:
        raise WrongKind(f"holds {kind}", place=str(path), expected=" or ".join(KINDS))
    return Artefact(kind, path / payload_folder(kind), sealed=True, name=str(path))


def _rows(artefact: Artefact) -> Iterator[Row]:
    yield from read_preferences(artefact) if artefact.kind == "Preferences" else read_conversations(artefact)


def _rejects(artefact: Artefact) -> list[Reject]:
    file = artefact.path / "rejected.jsonl"
    if not artefact.sealed or not file.is_file() or not file.stat().st_size:
        return []
    found = (row for _, row in read_rows(file) if not isinstance(row, Reject))
    return [Reject(*(str(row.get(name, "")) for name in ("place", "reason", "content"))) for row in found]


def _restored(reject: Reject) -> Row | None:
    """Return the row that a rejected one would have been; None where it was cut or never whole."""
    try:
        content = json.loads(reject.content)
        turns: Turns = content.get("messages") or _turns(
            Item(*(content[k] for k in ("instruction", "input", "output")))
        )
        said = [Message(role=str(turn["role"]), content=str(turn["content"])) for turn in turns]
        facts = {"id": reject.place.removeprefix("request "), **content["row"]}
        if len(said) < 2 or said[-1]["role"] != "assistant" or not all(turn["content"].strip() for turn in said):
            return None
        if worse := content.get("worse"):
            second = Message(role="assistant", content=worse)
            return Preference(prompt=tuple(said[:-1]), chosen=said[-1], rejected=second, **facts)
        return Conversation(messages=tuple(said), **facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _turns(item: Item) -> Turns:
    return [{"role": "user", "content": item.question}, {"role": "assistant", "content": item.output}]


def _taken_back(
    artefact: Artefact, found: dict[tuple[str, str], Judgement], file: Path, reviewer: str
) -> list[dict[str, Any]]:
    """Return rejected rows that were judged right or corrected; their judgements leave `found`."""
    back = []
    for reject in _rejects(artefact):
        row = _restored(reject)
        judgement = found.pop((reject.place.removeprefix("request "), _digest(row) if row else ""), None)
        if judgement is None or (judgement.verdict == "wrong" and not judgement.corrected):
            continue
        if row is None or (artefact.kind == "Preferences") != isinstance(row, Preference):
            fix = "change the setting that rejected it; nothing is paid again. A note is enough here"
            raise DataError(
                "the row is not whole and cannot be taken back", place=f"{file.name}:{judgement.line}", fix=fix
            )
        _outcome(row, judgement, file)
        facts = _reviewed(row, judgement, "taken back", reviewer)
        facts["review"]["reason_before"] = reject.reason
        back.append(facts)
    return back


def _refuse_strangers(found: Mapping[tuple[str, str], Judgement], data: Path, file: Path) -> None:
    for (name, _), judgement in found.items():
        raise DataError(
            f"the row {name} is not in {data} as it was exported",
            place=f"{file.name}:{judgement.line}",
            fix="give the data the file was exported from",
        )


def _said(row: Row) -> list[Message]:
    """Return every turn of a row, the worse answer last."""
    return list(row.messages) if isinstance(row, Conversation) else [*row.prompt, row.chosen, row.rejected]


def _digest(row: Row) -> str:
    return hashlib.sha256(json.dumps([_said(row), row.language]).encode()).hexdigest()[:16]


def _question_place(turns: list[Message]) -> int:
    return max((n for n, turn in enumerate(turns[:-1]) if turn["role"] == "user"), default=0)


def _cells(row: Row, side: str, reason: str) -> Cells:
    said = _said(row)
    worse = said.pop()["content"] if isinstance(row, Preference) else ""
    texts, place = [turn["content"] for turn in said], _question_place(said)
    about = {"id": row.id, "digest": _digest(row), "side": side, "reason": reason}
    shown = {"context": "\n\n".join(texts[:place]), "question": texts[place], "answer": texts[-1]}
    return {**about, "task": row.task, "language": row.language, **shown, "worse_answer": worse}


def _rejected_cells(reject: Reject) -> Cells:
    if row := _restored(reject):
        return _cells(row, "rejected", reject.reason)
    name = reject.place.removeprefix("request ")
    return {"id": name, "side": "rejected", "reason": reject.reason, "answer": reject.content}


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


def _outcome(row: Row, judgement: Judgement | None, file: Path) -> str:
    if judgement is None:
        return "not judged"
    if judgement.verdict == "swapped":
        if isinstance(row, Conversation) or judgement.answer:
            problem = "only two answers can be swapped, and not while one is corrected"
            raise DataError(problem, place=f"{file.name}:{judgement.line}", expected="right or wrong")
        return "swapped"
    return "corrected" if judgement.corrected else judgement.verdict


def _reviewed(row: Row, judgement: Judgement | None, outcome: str, reviewer: str) -> dict[str, Any]:
    """Return a row for `rows.jsonl`; a judged one says by whom, how, and what stood there before."""
    facts = {name: value for name, value in asdict(row).items() if name != "score" or value == value}
    if judgement is None:
        return facts
    said = [dict(turn) for turn in _said(row)]
    answer = len(said) - (2 if isinstance(row, Preference) else 1)
    review = {"outcome": outcome, "reviewer": reviewer, "note": judgement.note}
    places = {
        "question": (_question_place(_said(row)[: answer + 1]), judgement.question),
        "answer": (answer, judgement.answer),
    }
    for name, (place, text) in places.items():
        if text:
            review[f"{name}_before"] = said[place]["content"]
            said[place]["content"] = text
    if isinstance(row, Conversation):
        facts |= {"messages": said}
    else:
        better, worse = said[-1:-3:-1] if judgement.verdict == "swapped" else said[-2:]
        facts |= {"prompt": said[:-2], "chosen": better, "rejected": worse}
    return {**facts, "flags": [flag for flag in row.flags if flag != UNKNOWN], "review": review}
