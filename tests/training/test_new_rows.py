"""Rows learnt with the model frozen: losses fall, gradients are those of the expanded model, bad input is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from newtongue.adapters.hf.checkpoint import open_checkpoint
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import read_rows
from newtongue.adapters.training.new_rows import Lessons, frozen, hidden_states, padded
from newtongue.adapters.training.token_distillation import distil_rows
from newtongue.adapters.training.vocabulary_adapter import learn_adapter
from newtongue.core.errors import DataError

ROWS = 392
PIECES = [[10, 11], [20, 21, 22], [30, 31], [40, 41]]


def quiet(*_args: object, **_kwargs: object) -> None:
    pass


@pytest.fixture(scope="module", params=["llama", "gemma3_text"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp(request.param) / "m", request.param, tied=True)


def lessons(tokens: int = 3000, rate: float = 0.01, new: int = 3) -> Lessons:
    rng = np.random.default_rng(0)
    documents = [
        np.where(rng.random(40) < 0.3, ROWS + rng.integers(0, new, 40), rng.integers(0, 380, 40)) for _ in range(20)
    ]
    return Lessons(list(documents), ROWS, tokens, 16, 8, rate, seed=0)


def started(model: Path) -> np.ndarray:
    rows = read_rows(open_checkpoint(model).input)
    return np.stack([rows[pieces].mean(0) for pieces in PIECES])


def test_distilled_rows_imitate_the_old_spelling_and_unseen_tokens_keep_their_start(model: Path) -> None:
    first = started(model)
    learnt = distil_rows(model, PIECES, first, lessons(), quiet)
    assert np.mean(learnt.losses[-5:]) < 0.8 * np.mean(learnt.losses[:3])
    assert learnt.unseen == 1
    np.testing.assert_array_equal(learnt.rows[3], first[3])
    assert np.abs(learnt.rows[:3] - first[:3]).max(1).min() > 1e-3
    again = distil_rows(model, PIECES, first, lessons(), quiet)
    assert np.array_equal(learnt.rows, again.rows)


def test_a_copied_row_has_the_states_of_its_original(model: Path) -> None:
    """Also where the model scales its embeddings."""
    loaded = frozen(model)
    rows = loaded.get_input_embeddings().weight[[7]]
    old, new = torch.tensor([[5, 7, 9]]), torch.tensor([[5, ROWS, 9]])
    torch.testing.assert_close(hidden_states(loaded, old, ROWS, rows), hidden_states(loaded, new, ROWS, rows))


def test_gradients_reach_new_rows_only_and_equal_differences(tmp_path: Path) -> None:
    loaded = frozen(make_pico(tmp_path / "m")).double()
    rows = loaded.get_input_embeddings().weight[[3, 4]].clone().requires_grad_(True)
    ids = torch.tensor([[5, ROWS, 9, ROWS + 1]])
    weights = torch.randn(1, 4, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (hidden_states(loaded, ids, ROWS, rows) * weights).sum().backward()
    assert rows.grad is not None
    assert all(p.grad is None for p in loaded.parameters())
    step = torch.zeros_like(rows)
    step[1, 5] = 1e-3
    with torch.no_grad():
        up, down = ((hidden_states(loaded, ids, ROWS, rows + s * step) * weights).sum() for s in (1, -1))
    assert float((up - down) / 2e-3) == pytest.approx(float(rows.grad[1, 5]), rel=1e-2)


def test_mixtures_learn_to_predict_and_closed_places_stay_closed(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "m", tied=False)
    candidates = np.asarray([[10, 11, 5], [20, 21, 22], [30, 31, 6], [40, 41, 7]])
    weights = np.asarray([[0.5, 0.5, 0]] + [[0.4, 0.4, 0.2]] * 3, np.float32)
    made = learn_adapter(model, candidates, weights, lessons(6000, 0.05), quiet)
    assert np.mean(made.losses[-5:]) < np.mean(made.losses[:3]) - 0.02
    assert made.input[0, 2] == made.head[0, 2] == 0
    assert not np.array_equal(made.input, made.head)
    np.testing.assert_array_equal(made.input[3], weights[3])


def test_architectures_whose_logits_are_unknown_are_refused(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "m", "gemma2")
    with pytest.raises(DataError, match="vocadt does not know how gemma2 turns states into logits"):
        learn_adapter(model, np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32), lessons(), quiet)


def test_text_without_pairs_of_tokens_is_refused() -> None:
    short = Lessons([np.asarray([3])], ROWS, 100, 16, 8, 0.01, 0)
    with pytest.raises(DataError, match="no text of two tokens"):
        next(short.batches())


def test_lessons_show_as_many_tokens_as_asked_in_an_order_of_the_seed() -> None:
    one, two = (list(lessons(500).batches()) for _time in range(2))
    assert all(np.array_equal(a, b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))
    assert 500 <= sum(len(ids) for step in one for ids in step) < 500 + 8 * 16
    ids, real = padded([np.asarray([1, 2, 3]), np.asarray([4])])
    assert ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert real.sum() == 4
