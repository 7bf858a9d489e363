"""`newtongue review`: a person's verdicts and corrections become rows and reasons, and nothing else changes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from stages.synth_kit import run

from newtongue.adapters.tables import Reject, read_conversations, read_preferences, write_preferences, write_rejects
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Message, Preference
from newtongue.tools import review
from newtongue.tools.review import export, take_in

ROWS = [
    {"id": f"r{n}", "instruction": f"سوال نمبر {n} کیا ہے؟", "output": answer, "language": "urd_Arab", "task": task}
    for n, (answer, task) in enumerate(
        [
            ("جواب، with, commas\nand \"quotes\"", "qa"),
            ("=1+1", "qa"),
            ("abc \u202e def", "generation"),
            ("ٹھیک", "generation"),
            ("غلط", "ethics"),
        ]
    )
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return file


def edit(file: Path, changes: dict[str, dict[str, str]], delimiter: str = ",") -> None:
    """Fill in cells as a person would."""
    if file.suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    else:
        rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines(keepends=True)))
    for row in rows:
        row.update(changes.get(row["id"], {}))
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_verdicts_and_corrections_become_rows_and_reasons(name: str, data: Path, tmp_path: Path) -> None:
    file, out = tmp_path / name, tmp_path / "reviewed"
    assert export(data, file) == {"accepted": 5, "rejected": 0}
    changes = {
        "r0": {"verdict": "Right"},
        "r3": {"verdict": "wrong", "corrected_answer": "بالکل ٹھیک", "note": "too short"},
        "r4": {"verdict": "wrong", "note": "not true"},
    }
    edit(file, changes)
    facts = take_in(data, file, out, reviewer="A. B.")
    assert {k: facts[k] for k in ("right", "corrected", "wrong", "not judged", "rows")} == {
        "right": 1, "corrected": 1, "wrong": 1, "not judged": 2, "rows": 4,
    }  # fmt: skip
    rows = {row.id: row for row in read_conversations(Artefact("Conversations", out / "rows.jsonl"))}
    assert [row.messages[-1]["content"] for row in rows.values()] == [
        *(row["output"] for row in ROWS[:3]),
        "بالکل ٹھیک",
    ]
    told = [json.loads(line).get("review") for line in (out / "rows.jsonl").read_text("utf-8").split("\n") if line]
    assert told[0] == {"outcome": "right", "reviewer": "A. B.", "note": ""} and told[1] is None
    assert told[3]["answer_before"] == "ٹھیک"
    aside = json.loads((out / "rejected.jsonl").read_text("utf-8"))
    assert aside["reason"] == "review: not true" and aside["place"] == "r4"


def test_the_file_is_safe_to_open(data: Path, tmp_path: Path) -> None:
    export(data, tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_bytes().decode("utf-8")
    assert text.startswith("\ufeff") and "\u202e" not in text and "[U+202E]" in text
    rows = {row["id"]: row for row in csv.DictReader(text[1:].splitlines(keepends=True))}
    for row in rows.values():
        assert row["question"][0] == row["answer"][0] == "\u2068" and row["question"][-1] == "\u2069"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows.values() for cell in row.values())


def test_a_sample_is_drawn_from_every_task_and_always_the_same(data: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        assert export(data, tmp_path / name, rows=3)["accepted"] == 3
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    tasks = [row["task"] for row in csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8-sig", newline=""))]
    assert sorted(tasks) == ["ethics", "generation", "qa"]


def test_a_spreadsheet_may_save_with_semicolons(data: Path, tmp_path: Path) -> None:
    export(data, tmp_path / "a.csv")
    edit(tmp_path / "a.csv", {"r4": {"verdict": "wrong"}}, delimiter=";")
    assert take_in(data, tmp_path / "a.csv", tmp_path / "out")["wrong"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [({"verdict": "maybe"}, "`maybe`"), ({"verdict": "right", "digest": "0"}, "not in .* as it was exported")],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, str], message: str, data: Path, tmp_path: Path) -> None:
    export(data, tmp_path / "a.csv")
    edit(tmp_path / "a.csv", {"r1": change})
    with pytest.raises(DataError, match=message):
        take_in(data, tmp_path / "a.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_review_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    export(data, tmp_path / "a.csv")
    with pytest.raises(RecipeError, match="there already"):
        export(data, tmp_path / "a.csv")


def test_rejected_rows_are_shown_to_read(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "conversations"
    folder.mkdir()
    aside = [Reject("request a", "too similar", "متن"), Reject("request b", "language", "text")]
    write_rejects(folder / "rejected.jsonl", aside)
    monkeypatch.setattr(review, "_open", lambda path: Artefact("Conversations", folder, sealed=True))
    assert export(data, tmp_path / "a.jsonl") == {"accepted": 0, "rejected": 2}
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert {(row["side"], row["reason"]) for row in rows} == {("rejected", "too similar"), ("rejected", "language")}
    edit(tmp_path / "a.jsonl", {"a": {"verdict": "right"}})
    with pytest.raises(DataError, match="cannot be taken back"):
        take_in(data, tmp_path / "a.jsonl", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_rejected_rows_judged_right_come_back_with_where_they_came_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, documents=False, rows=21, heldout_fraction=0.2, max_similarity=0.4)
    artefact = Artefact("Conversations", tmp_path / "payload", sealed=True)
    monkeypatch.setattr(review, "_open", lambda path: artefact)
    rejects = [json.loads(line) for line in (tmp_path / "payload" / "rejected.jsonl").read_text("utf-8").splitlines()]
    whole = [row for row in rejects if "row" in json.loads(row["content"])]
    ids = [row["place"].removeprefix("request ") for row in whole[:3]]
    export(tmp_path, tmp_path / name, rows=5, rejected=len(rejects))
    given = "یہ جواب درست کر دیا گیا ہے۔"
    changes = {ids[0]: {"verdict": "right"}, ids[1]: {"corrected_answer": given}, ids[2]: {"verdict": "wrong"}}
    edit(tmp_path / name, changes)
    facts = take_in(tmp_path, tmp_path / name, tmp_path / "out", reviewer="A. B.")
    before = {row.id: row for row in read_conversations(artefact)}
    assert (facts["taken back"], facts["rows"]) == (2, len(before) + 2)
    back = {row.id: row for row in read_conversations(Artefact("Conversations", tmp_path / "out" / "rows.jsonl"))}
    assert set(back) - set(before) == set(ids[:2])
    told = {
        row["id"]: row for row in map(json.loads, (tmp_path / "out" / "rows.jsonl").read_text("utf-8").splitlines())
    }
    for place, one in enumerate(ids[:2]):
        content = json.loads(whole[place]["content"])
        assert {fact: told[one][fact] for fact in content["row"]} == content["row"]
        assert told[one]["review"]["outcome"] == "taken back"
        assert told[one]["review"]["reason_before"] == whole[place]["reason"]
        assert back[one].messages[0]["content"].startswith(content["instruction"])
    assert back[ids[1]].messages[1]["content"] == given
    assert told[ids[1]]["review"]["answer_before"] == json.loads(whole[1]["content"])["output"]


PAIR = ("بہتر جواب یہ ہے۔", "کمتر جواب یہ ہے۔")


def pairs(folder: Path) -> Artefact:
    said = [Message(role="assistant", content=text) for text in PAIR]
    rows = [
        Preference(
            f"p{n}", (Message(role="user", content=f"What? {n}"),), *said, "urd_Arab", group=f"g{n}", task="preference"
        )
        for n in range(4)
    ]
    write_preferences(folder / "preferences", rows)
    content = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": PAIR[0]}]}
    facts = {
        "task": "preference",
        "language": "urd_Arab",
        "split": "train",
        "group": "g",
        "source": "s",
        "license": "MIT",
    }
    aside = [
        Reject("request r0", "too similar", json.dumps({**content, "worse": PAIR[1], "row": facts})),
        Reject("request r1", "judge undecided", json.dumps({**content, "row": facts})),
    ]
    write_rejects(folder / "preferences" / "rejected.jsonl", aside)
    return Artefact("Preferences", folder / "preferences", sealed=True)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_pairs_are_reviewed_swapped_and_taken_back(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = pairs(tmp_path)
    monkeypatch.setattr(review, "_open", lambda path: artefact)
    assert export(tmp_path, tmp_path / name) == {"accepted": 4, "rejected": 2}
    changes = {
        "p0": {"verdict": "right"},
        "p1": {"verdict": "swapped"},
        "p2": {"verdict": "wrong", "note": "both bad"},
        "p3": {"corrected_answer": "بہت بہتر"},
        "r0": {"verdict": "swapped"},
    }
    edit(tmp_path / name, changes)
    facts = take_in(tmp_path, tmp_path / name, tmp_path / "out", reviewer="A. B.")
    assert {k: facts[k] for k in ("right", "swapped", "wrong", "corrected", "taken back", "rows")} == {
        "right": 1, "swapped": 1, "wrong": 1, "corrected": 1, "taken back": 1, "rows": 4,
    }  # fmt: skip
    rows = {row.id: row for row in read_preferences(Artefact("Preferences", tmp_path / "out" / "rows.jsonl"))}
    answers = {one: (row.chosen["content"], row.rejected["content"]) for one, row in rows.items()}
    assert answers == {"p0": PAIR, "p1": PAIR[::-1], "p3": ("بہت بہتر", PAIR[1]), "r0": PAIR[::-1]}
    told = {
        row["id"]: row for row in map(json.loads, (tmp_path / "out" / "rows.jsonl").read_text("utf-8").splitlines())
    }
    assert told["r0"]["review"]["reason_before"] == "too similar"
    assert told["r0"]["license"] == "MIT"


def test_half_a_pair_cannot_come_back_and_a_conversation_not_be_swapped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(data, tmp_path / "a.csv")
    edit(tmp_path / "a.csv", {"r1": {"verdict": "swapped"}})
    with pytest.raises(DataError, match="only two answers"):
        take_in(data, tmp_path / "a.csv", tmp_path / "out")
    monkeypatch.setattr(review, "_open", lambda path: pairs(tmp_path))
    export(tmp_path, tmp_path / "b.csv")
    edit(tmp_path / "b.csv", {"r1": {"verdict": "right"}})
    with pytest.raises(DataError, match="cannot be taken back"):
        take_in(tmp_path, tmp_path / "b.csv", tmp_path / "out")
