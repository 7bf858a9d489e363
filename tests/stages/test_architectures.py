"""Every architecture people start from goes through the stages that touch a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.model_kit import URDU, combine, conversations, corpus, expand, run_stage

from newtongue.adapters.hf.pico import ARCHITECTURES, make_pico
from newtongue.core.artefact import Artefact
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
    trained, tuned = train(tmp_path, expanded)
    _outcome, merged, _facts = combine(
        tmp_path / "merge", {"tuned": tuned, "trained": trained}, models=["./tuned", "./trained"], weights=[0.9, 0.1]
    )
    assert healthy(merged)
    config = json.loads((merged / "config.json").read_text("utf-8"))
    assert (config["model_type"], config["vocab_size"]) == (architecture, facts["rows"])
    scores = measure(tmp_path, merged)
    assert 0 < scores["urdu"]["bits_per_byte"]["value"] < 12
    assert scores["answers.generated"]["n"] == 2


def train(folder: Path, model: Path) -> tuple[Path, Path]:
    """A few steps of pretrain and then sft; every result is healthy."""
    text, talk = corpus(folder, URDU * 6), conversations(folder / "talk.jsonl")
    steps = {"sequence_length": 32, "tokens_per_step": 128, "micro_batch": 4, "threads": 1, "device": "cpu"}
    inputs = {"./m": Artefact("Model", model, name="./m"), "$c": text}
    _outcome, trained = run_stage(
        "pretrain", folder / "p", {"model": "./m", "corpus": "$c", "tokens": 512, **steps}, inputs
    )
    assert healthy(trained)
    inputs = {"./m": Artefact("Model", trained, name="./m"), "./talk": talk}
    settings = {"model": "./m", "data": "./talk", "epochs": 1, **steps, "sequence_length": 128}
    _outcome, tuned = run_stage("sft", folder / "s", settings, inputs)
    assert healthy(tuned)
    return trained, tuned


def measure(folder: Path, model: Path) -> dict[str, dict[str, Any]]:
    """Scores of a model on held-out text and on two prompts, by set."""
    settings = {
        "model": "./m",
        "text": {"urdu": {"corpus": "$c", "language": "urd_Arab", "role": "target", "max_bytes": 2000}},
        "generation": {"answers": {"data": "./talk", "language": "urd_Arab", "prompts": 2, "max_new_tokens": 4}},
        "threads": 1,
        "device": "cpu",
    }
    talk = conversations(folder / "prompts.jsonl")
    inputs = {"./m": Artefact("Model", model, name="./m"), "$c": corpus(folder / "e", URDU * 6), "./talk": talk}
    _outcome, payload = run_stage("eval", folder / "eval", settings, inputs)
    return dict(json.loads((payload / "scores.json").read_text("utf-8"))["sets"])


@pytest.mark.parametrize("tied", [True, False])
def test_a_sentencepiece_vocabulary_grows_by_characters_and_merges(tmp_path: Path, tied: bool) -> None:
    base = make_pico(tmp_path / "base", "mistral", "sentencepiece", tied=tied)
    _outcome, expanded, facts = expand(tmp_path / "tokenizer", base)
    assert facts["fertility"]["after"]["fragment_fraction"] < 0.2 < facts["fertility"]["before"]["fragment_fraction"]
    assert facts["fertility"]["after"]["round_trips"]
    assert facts["unreachable"] == []
    assert healthy(expanded)
