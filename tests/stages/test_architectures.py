"""Every architecture people start from goes through the stages that touch a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stages.model_kit import combine, expand

from newtongue.adapters.hf.pico import ARCHITECTURES, make_pico
from newtongue.tools import doctor


def healthy(folder: Path) -> bool:
    """Whether the doctor, generation included, has nothing to complain about."""
    findings = doctor.examine(folder)
    assert [finding for finding in findings if finding.level != "ok"] == [], doctor.render(findings)
    return True


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_goes_through_every_model_stage(architecture: str, tmp_path: Path) -> None:
    tied = architecture not in ("llama", "mistral", "phi3", "olmo2")
    base = make_pico(tmp_path / "base", architecture, tied=tied, dtype="bfloat16", padding_rows=16)
    assert healthy(base)
    _outcome, expanded, facts = expand(tmp_path / "tokenizer", base)
    assert facts["tied"] is tied
    assert facts["fertility"]["after"]["tokens"] < facts["fertility"]["before"]["tokens"] / 2
    assert healthy(expanded)
    _outcome, merged, _facts = combine(
        tmp_path / "merge", {"expanded": expanded, "base": base}, models=["./expanded", "./base"], weights=[0.9, 0.1]
    )
    assert healthy(merged)
    config = json.loads((merged / "config.json").read_text("utf-8"))
    assert config["model_type"] == architecture
    assert config["vocab_size"] == facts["rows"]


@pytest.mark.parametrize("tied", [True, False])
def test_a_sentencepiece_vocabulary_grows_by_characters_and_merges(tmp_path: Path, tied: bool) -> None:
    base = make_pico(tmp_path / "base", "mistral", "sentencepiece", tied=tied)
    _outcome, expanded, facts = expand(tmp_path / "tokenizer", base)
    assert facts["fertility"]["after"]["fragment_fraction"] < 0.2 < facts["fertility"]["before"]["fragment_fraction"]
    assert facts["fertility"]["after"]["round_trips"]
    assert facts["unreachable"] == []
    assert healthy(expanded)
