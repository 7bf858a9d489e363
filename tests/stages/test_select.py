"""`select`: what it keeps, what passes through, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.synth_kit import context

from newtongue.adapters.tables import read_conversations, read_documents, write_conversations, write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Machine
from newtongue.core.context import Outcome
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.estimate import estimate
from newtongue.stages.select.stage import select

NAN = float("nan")


def turn(number: int, split: str = "train", score: float = NAN) -> Conversation:
    answer = "جواب " * (number % 7 + 1)
    messages = ({"role": "user", "content": f"سوال {number}"}, {"role": "assistant", "content": answer})
    return Conversation(f"row-{number}", messages, "urd_Arab", split, license="MIT", score=score)  # type: ignore[arg-type]


def sealed(folder: Path, rows: list[Conversation]) -> Artefact:
    write_conversations(folder / "candidates", rows)
    return Artefact("Conversations", folder / "candidates", sealed=True, name="$synth")


def run(folder: Path, source: Artefact, **settings: Any) -> Outcome:
    config = SelectConfig.model_validate({"candidates": "$synth", **settings})
    return select(config, context(folder, {"$synth": source}))


def kept(folder: Path, split: str = "train") -> list[str]:
    source = Artefact("Conversations", folder / "payload", sealed=True)
    return [row.id for row in read_conversations(source, split)]


@pytest.fixture
def rows() -> list[Conversation]:
    return [turn(n, "heldout" if n % 5 == 0 else "train", score=n % 10) for n in range(50)]


@pytest.mark.parametrize("method", ["random", "length", "topk"])
def test_heldout_rows_pass_through_and_the_rest_is_counted(
    tmp_path: Path, rows: list[Conversation], method: str
) -> None:
    done = run(tmp_path, sealed(tmp_path, rows), method=method, keep=12)
    assert kept(tmp_path, "heldout") == [row.id for row in rows if row.split == "heldout"]
    assert (len(kept(tmp_path)), done.counts["train"], done.counts["not_selected"]) == (12, 12, 28)
    assert done.licences == {"MIT": 22}
    order = [row.id for row in rows]
    assert kept(tmp_path) == sorted(kept(tmp_path), key=order.index)
    lines = [json.loads(line) for line in (tmp_path / "payload" / "rejected.jsonl").read_text().splitlines()]
    assert {row["place"] for row in lines} == {r.id for r in rows if r.split == "train"} - set(kept(tmp_path))


def test_topk_takes_the_highest(tmp_path: Path, rows: list[Conversation]) -> None:
    run(tmp_path, sealed(tmp_path, rows), method="topk", keep=5)
    assert kept(tmp_path) == [f"row-{n}" for n in (9, 19, 29, 39, 49)]


def test_length_takes_the_longest_answers(tmp_path: Path, rows: list[Conversation]) -> None:
    run(tmp_path, sealed(tmp_path, rows), method="length", keep=6)
    assert {int(name.split("-")[1]) % 7 for name in kept(tmp_path)} == {6}


def test_equal_calls_give_equal_bytes_and_seeds_differ(tmp_path: Path, rows: list[Conversation]) -> None:
    source = sealed(tmp_path, rows)
    names = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / folder, source, keep_fraction=0.3, seed=seed)
        names.append(kept(tmp_path / folder))
    assert names[0] == names[1] != names[2]
    files = [(tmp_path / name / "payload" / "train-00000.parquet").read_bytes() for name in "ab"]
    assert files[0] == files[1]
    assert len(names[0]) == 12


def test_a_quota_above_what_exists_takes_all_and_says_so(tmp_path: Path, rows: list[Conversation]) -> None:
    done = run(tmp_path, sealed(tmp_path, rows), keep=1000)
    assert len(kept(tmp_path)) == 40
    assert done.card[0].startswith("40 of 40 training rows (1,000 were asked for), drawn at random")


def test_a_row_without_score_is_named(tmp_path: Path, rows: list[Conversation]) -> None:
    source = sealed(tmp_path, [*rows, turn(51), turn(52)])
    with pytest.raises(DataError) as refused:
        run(tmp_path, source, method="topk", keep=3)
    assert str(refused.value) == (
        "$synth: 2 of 42 training rows have no number in the column `score`, the first is `row-51`\n"
        "  fix: score every row first, or choose by `random` or `length`"
    )


def test_a_missing_column_lists_the_numeric_ones(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "a", "completion": "b", "quality": 1, "stars": 5}\n')
    with pytest.raises(DataError, match="no numeric column `score2`; there are: quality, stars"):
        run(tmp_path, Artefact("Conversations", file), method="topk", score_column="score2")


def test_any_numeric_column_of_the_users_files_will_do(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = [{"id": f"r{n}", "prompt": "a", "completion": "b", "stars": n % 4} for n in range(8)]
    file.write_text("\n".join(map(json.dumps, lines)))
    run(tmp_path, Artefact("Conversations", file), method="topk", score_column="stars", keep=2)
    assert kept(tmp_path) == ["r3", "r7"]


def test_a_corpus_is_selected_as_a_corpus(tmp_path: Path) -> None:
    documents = [Document(f"d{n}", "متن " * (n + 1), "urd_Arab", "heldout" if n == 3 else "train") for n in range(8)]
    write_documents(tmp_path / "corpus", documents)
    source = Artefact("Corpus", tmp_path / "corpus", sealed=True, name="$corpus")
    with pytest.raises(RecipeError, match="the rows are Corpus, and makes_kind says Conversations"):
        run(tmp_path, source, keep=2)
    run(tmp_path, source, keep=2, method="length", makes_kind="Corpus")
    found = [d.id for d in read_documents(Artefact("Corpus", tmp_path / "payload", sealed=True))]
    assert sorted(found) == ["d3", "d6", "d7"]


def test_nothing_to_choose_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no training row to choose from"):
        run(tmp_path, sealed(tmp_path, [turn(1, "heldout")]))


def test_the_estimate_predicts_the_size(tmp_path: Path) -> None:
    config = SelectConfig(candidates="$synth", keep=30)  # type: ignore[arg-type]
    made = estimate(config, {"$synth": Counts(documents=60, utf8_bytes=6000)}, Machine()).makes
    assert (made.documents, made.utf8_bytes) == (30, 3000)
