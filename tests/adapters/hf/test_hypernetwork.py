"""A hypernetwork: the published forward, recorded; shape, order, batches; and checkpoints that do not fit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from newtongue.adapters.hf import hypernetwork
from newtongue.adapters.hf.hypernetwork import Hypernetwork, predict_rows
from newtongue.core.errors import DataError

GOLDEN = Path(__file__).parents[2] / "golden"
RECORDER = runpy.run_path(str(GOLDEN / "record_initialisers.py"))
PIECES = [[1, 2], [3], [4, 5, 6, 7, 8], [1, 2]]
BASE: dict[str, Any] = {
    "n_embd": 8, "hn_hidden_size": 16, "hn_intermediate_size": 24, "hn_num_attention_heads": 2, "hn_n_layers": 2,
    "hn_surface_maxlen": 4, "hn_embed_using_source_embeddings": True, "hn_rescale_embeddings": True, "pad_token_id": 0,
}  # fmt: skip
ROWS = np.random.default_rng(0).standard_normal((2, 20, 8)).astype(np.float32)


def make(folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    config = {**BASE, **settings}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(Hypernetwork(config).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def rows_of(ids: np.ndarray, head: bool) -> np.ndarray:
    return ROWS[int(head)][ids]


@pytest.mark.parametrize("name", RECORDER["HYPERNETWORKS"])
def test_rows_are_those_of_the_published_network(tmp_path: Path, name: str) -> None:
    """Weights, rows and spellings of the recording; the reference is the authors' own model in torch."""
    settings = {**RECORDER["HYPERNETWORK"], **RECORDER["HYPERNETWORKS"][name]}
    shapes = {key: value.shape for key, value in Hypernetwork(settings).state_dict().items()}
    save_file({k: torch.from_numpy(v) for k, v in RECORDER["weights"](shapes).items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(settings), "utf-8")
    rows, spelt = RECORDER["old_rows"](), RECORDER["SPELLINGS"]
    made = predict_rows(tmp_path, spelt, lambda ids, head: rows[int(head)][ids])
    recorded = json.loads((GOLDEN / "initialisers_zett.json").read_text("utf-8"))[name]
    np.testing.assert_allclose(made.input, recorded["input"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.head, recorded["head"] or recorded["input"], rtol=1e-4, atol=1e-5)
    assert made.cut == 1 and np.ptp(made.input, axis=0).max() > 0.01


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_rows_have_the_models_width_and_depend_on_pieces_alone(tmp_path: Path, separate: bool, single: bool) -> None:
    folder = make(tmp_path / "h", separate_out_embeddings=separate, hn_single_head=single)
    made = predict_rows(folder, PIECES, rows_of)
    assert made.input.shape == made.head.shape == (4, 8)
    assert made.cut == 1
    np.testing.assert_allclose(made.input[0], made.input[3], atol=1e-6)
    turned = predict_rows(folder, PIECES[::-1], rows_of)
    np.testing.assert_allclose(turned.input[::-1], made.input, atol=1e-5)
    assert np.array_equal(made.input, made.head) == (not separate)
    other = predict_rows(folder, [[2, 1]], rows_of)
    assert np.abs(other.input[0] - made.input[0]).max() > 1e-3


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "h")
    whole = predict_rows(folder, PIECES, rows_of)
    monkeypatch.setattr(hypernetwork, "BATCH", 1)
    np.testing.assert_allclose(predict_rows(folder, PIECES, rows_of).input, whole.input, atol=1e-5)
    assert predict_rows(folder, [], rows_of).input.shape == (0, 8)


def test_checkpoints_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    with pytest.raises(DataError, match="reads rows of 8 values, the model's have 5"):
        predict_rows(folder, PIECES, lambda ids, _head: ROWS[0][ids, :5])
    (folder / "config.json").write_text(json.dumps({**BASE, "hn_embed_lang_id": True}), "utf-8")
    with pytest.raises(DataError, match="works with an embedding of the language, which is not supported"):
        predict_rows(folder, PIECES, rows_of)
    (folder / "config.json").write_text(json.dumps({**BASE, "hn_concat_last_hidden_state": True}), "utf-8")
    with pytest.raises(DataError, match="works with the states of all pieces together, which is not supported"):
        predict_rows(folder, PIECES, rows_of)
    (folder / "config.json").write_text(json.dumps({**BASE, "hn_n_layers": 3}), "utf-8")
    with pytest.raises(DataError, match="the stored weights do not fit the config"):
        predict_rows(folder, PIECES, rows_of)
    with pytest.raises(DataError, match="no hypernetwork can be read here"):
        predict_rows(tmp_path / "nowhere", PIECES, rows_of)
