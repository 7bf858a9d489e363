"""Verifiable instructions as an evaluation: layouts, bad rows, and what is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import context_for, make_model, write_lines

from newtongue.adapters.tables.items import read_items
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.rules import is_in, read_asked, writing_of
from newtongue.stages.eval.stage import evaluate

GOOD = {"key": 7, "prompt": "ایک جملہ لکھیں۔", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
SPANISH = {
    "key": 8,
    "prompt": "Escribe.",
    "instruction_id_list": ["es:length_constraints:number_words", "es:change_case:english_capital"],
    "kwargs": [{"num_words": 500, "relation": "less than", "keyword": None}, None],
}
BAD = [
    {"key": 1, "prompt": "x", "instruction_id_list": ["special:tilde"], "kwargs": [{}]},
    {"key": 2, "prompt": "x", "instruction_id_list": ["punctuation:no_comma"], "kwargs": []},
    {"key": 3, "instruction_id_list": [], "kwargs": []},
]


def test_rows_that_cannot_be_used_are_counted_with_place_and_reason(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "r.jsonl", [GOOD, *BAD, SPANISH])
    found, rejected = read_asked(Artefact("File", file, name="r"), None)
    assert [item.id for item in found] == ["7", "8"]
    assert found[1].rules[0] == ("length_constraints:number_words", {"num_words": 500, "relation": "less than"})
    assert [row["reason"] for row in rejected] == [
        "unknown rule special:tilde",
        "1 rules and 0 sets of arguments",
        "no prompt, instruction_id_list or kwargs",
    ]


def test_a_file_without_any_usable_row_is_an_error(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "r.jsonl", BAD)
    with pytest.raises(DataError, match=r"no row can be used \(the first: unknown rule special:tilde\)"):
        read_asked(Artefact("File", file, name="rules"), None)


def test_the_card_decides_what_capitals_and_languages_are() -> None:
    assert writing_of("swh_Latn").cased and not writing_of("urd_Arab").cased and not writing_of("tha_Thai").spaces
    assert is_in("یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے", "urd_Arab") is True
    assert is_in("یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے", "hi") is False
    assert is_in("ہاں", "ur") is None


def test_an_evaluation_keeps_a_row_per_prompt_and_loses_none_to_bad_arguments(tmp_path: Path) -> None:
    broken = {**GOOD, "key": 9, "instruction_id_list": ["keywords:existence"], "kwargs": [{"wrong": 1}]}
    file = write_lines(tmp_path / "r.jsonl", [GOOD, broken, BAD[0]])
    rules = {"rules": {"path": str(file), "language": "urd_Arab", "max_new_tokens": 4}}
    config = EvalConfig.model_validate({"model": str(make_model(tmp_path / "model")), "rules": rules})
    context = context_for(config, tmp_path / "out")
    evaluate(config, context)
    found: dict[str, Any] = json.loads((context.payload / "scores.json").read_text("utf-8"))["sets"]["rules"]
    assert found["correct_fraction"]["n"] == found["score_mean"]["n"] == 1
    assert found["rejected"] == 2
    rows = read_items(context.payload / "items.parquet")
    assert [row["item"] for row in rows] == ["7", "9"] and rows[1]["correct"] is None
    lines = (context.payload / "rejected.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["reason"].split(" (")[0] for line in lines] == [
        "unknown rule special:tilde",
        "arguments of a rule cannot be used",
    ]
