"""Answers in several wordings, translations in every direction, alignment by layer, and the in-context probe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from stages.eval_kit import ANSWERS, TEXTS, context_for, make_model, write_lines

from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import DataError
from newtongue.stages.eval.answers import judge_answer
from newtongue.stages.eval.config import EvalConfig, Generation
from newtongue.stages.eval.stage import evaluate

WORDINGS = ["direct", "xlt", "{prompt}\n({language})"]


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("answers")
    turns = [{"role": "user", "content": TEXTS["urd_Arab"]}, {"role": "assistant", "content": ANSWERS["urd_Arab"]}]
    asked = write_lines(folder / "c.jsonl", [{"messages": turns, "id": str(n)} for n in range(3)])
    sides = {
        tag: write_lines(folder / f"{tag}.jsonl", [{"id": f"{n}.{tag}", "text": text[n : n + 9]} for n in range(3)])
        for tag, text in TEXTS.items()
        if tag in ("urd_Arab", "eng_Latn", "tha_Thai")
    }
    config = EvalConfig.model_validate(
        {
            "model": str(make_model(folder / "model")),
            "in_context": {"items_per_task": 2},
            "generation": {
                "asked": {"data": str(asked), "language": "urd_Arab", "max_new_tokens": 4, "wordings": WORDINGS}
            },
            "translation": {"grid": {"corpora": {k: str(v) for k, v in sides.items()}, "max_new_tokens": 4}},
            "alignment": {
                "self": {"corpora": {"urd_Arab": str(sides["urd_Arab"]), "eng_Latn": str(sides["eng_Latn"])}}
            },
        }
    )
    context = context_for(config, folder / "out")
    evaluate(config, context)
    scores = json.loads((context.payload / "scores.json").read_text("utf-8"))
    return scores["sets"], read_items(context.payload / "items.parquet")


def test_every_wording_is_asked_and_their_spread_is_told(measured: Any) -> None:
    sets, rows = measured
    found = sets["asked.generated"]
    assert found["wordings"] == WORDINGS and found["n"] == 9 and found["groups"] == 3
    assert set(found["spread"]["stopped"]) == {"mean", "lowest", "highest", "range", "deviation"}
    prompts = {row["wording"]: row["prompt"] for row in rows if row["set"] == "asked.generated"}
    assert prompts["direct"] == TEXTS["urd_Arab"]
    assert prompts["xlt"].startswith("I want you to act as an expert for Urdu.")
    assert prompts["{prompt}\n({language})"].endswith("\n(Urdu)")


def test_translations_go_in_every_direction_with_signatures(measured: Any) -> None:
    sets, rows = measured
    grid = sets["grid"]["directions"]
    assert len(grid) == 6 and grid["urd_Arab-tha_Thai"]["n"] == 3
    assert "tok:char" in grid["urd_Arab-tha_Thai"]["bleu_signature"]
    assert "tok:13a" in grid["tha_Thai-urd_Arab"]["bleu_signature"]
    assert sets["grid"]["chrf_mean"]["n"] == 3 and sets["grid"]["off_target_fraction"]["value"] <= 1
    first = next(row for row in rows if row["set"] == "grid")
    assert first["prompt"].startswith("Translate into ") and first["reference"]


def test_layers_are_told_one_by_one(measured: Any) -> None:
    sets, rows = measured
    found = sets["self"]
    assert len(found["layers"]) == 3 and found["languages"] == ["urd_Arab", "eng_Latn"]
    for place, layer in enumerate(found["layers"]):
        kept = [row for row in rows if row["set"] == "self" and row["task"] == str(place)]
        assert layer["mexa"]["value"] == pytest.approx(sum(row["correct"] for row in kept) / len(kept), abs=1e-6)
        assert layer["similarity"]["value"] == pytest.approx(sum(row["score"] for row in kept) / len(kept), abs=1e-6)
        for figure in layer.values():
            assert figure["low"] <= figure["value"] <= figure["high"] and figure["n"] == len(kept)


def test_the_probe_tells_what_each_task_saves(measured: Any) -> None:
    sets, rows = measured
    found = sets["in context"]
    assert set(found["tasks"]) == {"repeat", "copy", "recall", "cycle"} and found["role"] == "retention"
    kept = [row for row in rows if row["set"] == "in context"]
    saved = 1 - sum(row["bits"] for row in kept) / sum(row["bits_alone"] for row in kept)
    assert found["saving"]["value"] == pytest.approx(saved, abs=1e-4)


@pytest.mark.parametrize("wordings", [["no place for it"], ["direct", "direct"]])
def test_wordings_that_ask_nothing_are_refused(wordings: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"a wording needs|two wordings"):
        Generation(data="./c.jsonl", language="urd_Arab", wordings=wordings)


def test_empty_answers_are_counted_as_failures_everywhere() -> None:
    found = judge_answer("", "کیا؟", Generation(data="./c.jsonl", language="urd_Arab"))
    assert (found["empty"], found["faithful"], found["line_pass"], found["word_pass"]) == (True, False, False, False)


def test_text_that_is_not_aligned_is_an_error_that_counts(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "a.jsonl", [{"id": "1.urd_Arab", "text": "ایک"}, {"id": "2.urd_Arab", "text": "دو"}])
    two = write_lines(tmp_path / "b.jsonl", [{"id": "1.eng_Latn", "text": "one"}])
    corpora = {"urd_Arab": str(one), "eng_Latn": str(two)}
    config = EvalConfig.model_validate({"model": "./m", "alignment": {"x": {"corpora": corpora}}})
    with pytest.raises(DataError, match=r"1 held-out documents are aligned \(urd_Arab 2, eng_Latn 1\)"):
        evaluate(config, context_for(config, tmp_path / "out"))
