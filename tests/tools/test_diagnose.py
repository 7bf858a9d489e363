"""Candidates side by side: figures that can be checked, advice that follows, errors that say what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import TEXTS, documents, make_model, write_lines

from newtongue.core.errors import DataError
from newtongue.tools.diagnose import advise, diagnose, render


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("diagnose")
    models = [make_model(folder / "a" / "base"), make_model(folder / "b" / "base", vocabulary=420, seed=1)]
    text = write_lines(folder / "t.jsonl", [{"id": n, "text": text[:40]} for n, text in TEXTS.items()][:4])
    return diagnose(models, text, parallel=text, usd_per_million_tokens=2.0, items=2)


def test_models_of_the_same_name_are_told_apart(found: dict[str, Any]) -> None:
    assert list(found["models"]) == ["a/base", "b/base"]


def test_figures_have_intervals_and_prices(found: dict[str, Any]) -> None:
    for facts in found["models"].values():
        bits = facts["bits_per_byte"]
        assert bits["low"] <= bits["value"] <= bits["high"] and bits["n"] == 4
        assert facts["usd_per_million_words"] == pytest.approx(2 * facts["fertility"])
        assert facts["bits_per_character"] > bits["value"]
    json.dumps(found, allow_nan=False)


def test_a_text_is_nearest_to_itself_in_every_layer(found: dict[str, Any]) -> None:
    for facts in found["models"].values():
        assert len(facts["layers"]) == 3
        for layer in facts["layers"]:
            assert layer["similarity"]["value"] == pytest.approx(1.0) and layer["similarity"]["n"] == 4
            assert (layer["mexa"]["value"], layer["mexa"]["high"]) == (1.0, 1.0) and 0 < layer["mexa"]["low"] < 1


def test_text_for_a_terminal_names_models_advice_and_limits(found: dict[str, Any]) -> None:
    text = render(found)
    assert "a/base" in text and "What this does not say:" in text and "Only 4 documents" in text


def facts(bits: float, fertility: float, saved: float) -> dict[str, Any]:
    interval = {"value": bits, "low": bits - 0.1, "high": bits + 0.1, "n": 50}
    return {
        "bits_per_byte": interval,
        "fertility": fertility,
        "in_context_saving": {"value": saved, "low": saved - 0.05, "high": saved + 0.05, "n": 8},
    }


def test_advice_follows_from_the_figures() -> None:
    said = " ".join(advise({"wide": facts(0.9, 1.4, 0.6), "narrow": facts(9.0, 8.0, 0.0)}, 50))
    assert "wide already reads this text" in said and "narrow does not know this script" in said
    assert "narrow makes no use of examples" in said and "wide reads the text best" in said
    assert "cannot be told from it" not in said


def test_models_within_the_interval_are_not_ranked() -> None:
    said = " ".join(advise({"one": facts(1.50, 2.0, 0.5), "two": facts(1.55, 2.0, 0.5)}, 50))
    assert "two cannot be told from it on this text" in said and "fewest tokens" not in said


def test_models_that_know_nothing_are_not_ranked_by_it() -> None:
    said = " ".join(advise({"one": facts(9.0, 8.0, 0.5), "two": facts(23.0, 4.0, 0.5)}, 50))
    assert "No candidate knows this script" in said and "reads the text best" not in said
    assert "two needs the fewest tokens per word (4.00)." in said


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    text = documents(tmp_path / "t.jsonl", "urd_Arab", 2)
    with pytest.raises(DataError, match="no model to look at"):
        diagnose([], text)
    with pytest.raises(DataError, match="no model here"):
        diagnose([tmp_path], text)
    other = write_lines(tmp_path / "o.jsonl", [{"id": "x", "text": TEXTS["eng_Latn"]}])
    with pytest.raises(DataError, match="0 documents are aligned"):
        diagnose([tmp_path], text, parallel=other)
