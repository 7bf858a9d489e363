"""Documents and conversations survive the disk; layouts of other tools are understood, bad ones named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from newtongue.adapters.tables import (
    Draft,
    DraftWriter,
    Reject,
    read_conversations,
    read_documents,
    write_conversations,
    write_documents,
    write_rejects,
    writing,
)
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Document, Message

TEXTS = ["plain", "اردو\u200c زبان", "हिन्दी\n\nभाषा", "ภาษาไทย", "漢字", ""]
DOCUMENTS = [
    Document(str(n), text, "mul_Zyyy", "heldout" if n % 3 == 0 else "train", f"g{n}", "test", "MIT")
    for n, text in enumerate(TEXTS * 5)
]


def sealed(folder: Path, kind: str = "Corpus", part: str | None = None) -> Artefact:
    return Artefact(kind, folder, part=part, sealed=True, name="$stage")


def test_documents_come_back_in_order(tmp_path: Path) -> None:
    counts = write_documents(tmp_path, DOCUMENTS)
    assert counts == {"heldout": 10, "train": 20}
    for split in ("train", "heldout"):
        assert list(read_documents(sealed(tmp_path), split)) == [d for d in DOCUMENTS if d.split == split]
    assert next(iter(read_documents(sealed(tmp_path, part="heldout"), "train"))).split == "heldout"
    assert len(list(read_documents(sealed(tmp_path)))) == 30


def test_long_corpora_are_written_in_groups_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHARS_PER_GROUP", 20)
    monkeypatch.setattr(writing, "CHARS_PER_FILE", 60)
    write_documents(tmp_path, DOCUMENTS)
    files = sorted(tmp_path.glob("train-*.parquet"))
    assert len(files) > 1
    assert pq.ParquetFile(files[0]).num_row_groups > 1
    assert list(read_documents(sealed(tmp_path), "train")) == [d for d in DOCUMENTS if d.split == "train"]


def test_conversations_come_back(tmp_path: Path) -> None:
    turns = (Message(role="user", content="سوال"), Message(role="assistant", content="جواب"))
    rows = [
        Conversation("1", turns, "urd_Arab", task="qa", score=0.5, flags=("language unknown",)),
        Conversation("2", turns, "urd_Arab", split="heldout"),
    ]
    write_conversations(tmp_path, rows)
    found = list(read_conversations(sealed(tmp_path, "Conversations"), "train"))
    assert found == rows[:1]
    assert math.isnan(next(read_conversations(sealed(tmp_path, "Conversations"), "heldout")).score)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "سوال"}, {"role": "assistant", "content": "جواب"}]},
        {"conversations": [{"from": "human", "value": "سوال"}, {"from": "gpt", "value": "جواب"}]},
        {"instruction": "سوال", "input": "", "output": "جواب"},
        {"prompt": "سوال", "completion": "جواب"},
    ],
)
def test_layouts_of_conversations(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row), "utf-8")
    found = list(read_conversations(Artefact("Conversations", tmp_path / "a.jsonl", name="a.jsonl")))
    assert [(turn["role"], turn["content"]) for turn in found[0].messages] == [("user", "سوال"), ("assistant", "جواب")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"q": "x", "a": "y"}, "no conversation in the columns a, q"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "a turn has the role 'robot' and text"),
        ({"messages": [{"role": "user"}]}, "a turn has the role 'user' and no text"),
        ({"messages": ["x"]}, "a turn has the role None and no text"),
        ({"conversations": [{"from": "alien", "value": "x"}]}, "a turn has the from 'alien' and text"),
    ],
)
def test_bad_layouts_are_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row), "utf-8")
    with pytest.raises(DataError) as caught:
        list(read_conversations(Artefact("Conversations", tmp_path / "a.jsonl", name="a.jsonl")))
    assert caught.value.text().startswith(f"a.jsonl: {message}")


def test_documents_without_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"body": "x"}), "utf-8")
    with pytest.raises(DataError, match="no column `text`; the columns are body"):
        list(read_documents(Artefact("Corpus", tmp_path / "a.jsonl", name="a.jsonl")))


def test_rows_left_out_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "ok"}\n{"text": "\xff"}\nx\n')
    assert [d.text for d in read_documents(Artefact("Corpus", tmp_path / "a.jsonl", name="./a.jsonl"))] == ["ok"]
    assert caplog.messages == ["2 rows of ./a.jsonl were left out, the first a.jsonl:2, invalid UTF-8"]


def test_draft_gives_any_document_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from newtongue.adapters.tables import draft

    monkeypatch.setattr(draft, "ROWS_PER_BATCH", 7)
    with DraftWriter(tmp_path / "d.arrow") as writer:
        for document in DOCUMENTS:
            writer.add(document)
    found = Draft(tmp_path / "d.arrow")
    assert len(found) == len(DOCUMENTS)
    assert list(found) == DOCUMENTS
    assert [found.text(n) for n in (29, 0, 7, 6, 14)] == [DOCUMENTS[n].text for n in (29, 0, 7, 6, 14)]
    with DraftWriter(tmp_path / "empty.arrow"):
        pass
    assert list(Draft(tmp_path / "empty.arrow")) == []


def test_rejects_are_counted_by_reason(tmp_path: Path) -> None:
    rows = [Reject("a:1", "too short", "x"), Reject("a:2", "too short"), Reject("a:3", "invalid JSON", "\x00")]
    assert write_rejects(tmp_path / "r.jsonl", rows) == {"too short": 2, "invalid JSON": 1}
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text("utf-8").splitlines()]
    assert lines[2] == {"place": "a:3", "reason": "invalid JSON", "content": "\x00"}
