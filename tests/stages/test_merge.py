"""The merge stage on pico models: closed forms, vocabularies that differ, ties, errors that name the tensor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stages.model_kit import combine, expand

from newtongue.adapters.hf.checkpoint import open_checkpoint
from newtongue.adapters.hf.model_files import template_of
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import raw, read_rows
from newtongue.core.errors import DataError
from newtongue.stages.merge.config import MergeConfig


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base without template, its instruct sibling, and an expanded, adapted model; untied."""
    folder = tmp_path_factory.mktemp("models")
    base = make_pico(folder / "base", seed=1, tied=False, chat_template=False)
    instruct = make_pico(folder / "instruct", seed=2, tied=False)
    adapted = make_pico(folder / "raw", seed=3, tied=False, chat_template=False)
    return {"base": base, "instruct": instruct, "adapted": expand(folder / "x", adapted)[1], "raw": adapted}


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return {name: read_rows(tensor) for name, tensor in open_checkpoint(folder).tensors.items()}


def test_a_chat_vector_moves_shared_rows_and_leaves_new_ones(tmp_path: Path, models: dict[str, Path]) -> None:
    settings = {"method": "chat_vector", "models": ["./adapted"], "base": "./base", "instruct": "./instruct"}
    outcome, payload, facts = combine(tmp_path, models, **settings)
    base, instruct, adapted, result = (
        tensors(f) for f in (models["base"], models["instruct"], models["adapted"], payload)
    )
    first_new = json.loads((models["adapted"] / "expansion.json").read_text("utf-8"))["first_new_id"]
    assert facts["shared_rows"] == [first_new, first_new]
    for name, value in result.items():
        expected = adapted[name].copy()
        shared = slice(0, first_new) if len(value) == outcome.counts["rows"] else slice(None)
        expected[shared] += instruct[name][shared] - base[name][shared]
        np.testing.assert_array_equal(value, expected, err_msg=name)
    assert template_of(payload) == template_of(models["instruct"])
    assert (payload / "tokenizer.json").read_bytes() == (models["adapted"] / "tokenizer.json").read_bytes()


def test_linear_averages_shared_rows_and_keeps_new_ones(tmp_path: Path, models: dict[str, Path]) -> None:
    settings = {"models": ["./adapted", "./raw"], "weights": [3, 1]}
    _outcome, payload, facts = combine(tmp_path, models, **settings)
    adapted, result = tensors(models["adapted"]), tensors(payload)
    assert facts["merged_tensors"] == 2
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        np.testing.assert_array_equal(result[name], adapted[name])


def test_tensors_that_are_equal_everywhere_keep_their_bytes(tmp_path: Path, models: dict[str, Path]) -> None:
    settings = {"models": ["./instruct", "./base"], "weights": [0.9, 0.1]}
    _outcome, payload, _facts = combine(tmp_path, models, **settings)
    before, after = open_checkpoint(models["instruct"]), open_checkpoint(payload)
    norms = [name for name in before.tensors if "norm" in name]
    assert norms
    assert all(raw(before.tensors[name]) == raw(after.tensors[name]) for name in norms)
    one, two, mixed = tensors(models["instruct"]), tensors(models["base"]), tensors(payload)
    np.testing.assert_allclose(
        mixed["lm_head.weight"], 0.9 * one["lm_head.weight"] + 0.1 * two["lm_head.weight"], atol=1e-7
    )


def test_task_arithmetic_with_one_model_and_weight_one_is_that_model(tmp_path: Path, models: dict[str, Path]) -> None:
    settings = {"method": "task_arithmetic", "models": ["./adapted"], "base": "./base"}
    _outcome, payload, _facts = combine(tmp_path, models, **settings)
    expected = tensors(models["adapted"])
    for name, value in tensors(payload).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)


def test_tied_and_untied_models_meet(tmp_path: Path, models: dict[str, Path]) -> None:
    tied = make_pico(tmp_path / "tied", seed=5)
    _outcome, payload, _facts = combine(tmp_path / "a", {**models, "tied": tied}, models=["./base", "./tied"])
    result, base, other = tensors(payload), tensors(models["base"]), tensors(tied)
    expected = (base["lm_head.weight"] + other["model.embed_tokens.weight"]) / 2
    np.testing.assert_allclose(result["lm_head.weight"], expected, atol=1e-7)
    with pytest.raises(DataError, match=r"\./base has an output matrix of its own, and \./tied ties it"):
        combine(tmp_path / "b", {**models, "tied": tied}, models=["./tied", "./base"])


def test_other_architectures_and_shapes_are_refused_by_name(tmp_path: Path, models: dict[str, Path]) -> None:
    qwen = make_pico(tmp_path / "qwen", "qwen2", tied=False)
    with pytest.raises(DataError, match=r"\./base is a llama model and \./qwen a qwen2 model"):
        combine(tmp_path / "a", {**models, "qwen": qwen}, models=["./base", "./qwen"])
    config = json.loads((qwen / "config.json").read_text("utf-8"))
    (qwen / "config.json").write_text(json.dumps({**config, "model_type": "llama"}), "utf-8")
    with pytest.raises(DataError, match=r"tensor .*: no such tensor in \./base, shape \[\d+\] in \./qwen"):
        combine(tmp_path / "b", {**models, "qwen": qwen}, models=["./base", "./qwen"])


def test_settings_that_lack_what_the_method_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="`chat_vector` needs `base`"):
        MergeConfig(method="chat_vector", models=["./a"])
