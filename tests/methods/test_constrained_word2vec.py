"""Learnt mixtures: the gradient against differences, falling loss, convex weights."""

from __future__ import annotations

import numpy as np

from newtongue.methods.constrained_word2vec import Candidates, Learning, constrained_word2vec, loss_and_gradient

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((30, 8)).astype(np.float32)
COUNTS = RNG.integers(0, 5, (4, 20)).astype(np.float32)
IDS = np.stack([RNG.permutation(30)[:5] for _ in range(4)])
START = np.full((4, 5), 0.2)


def fit(steps: int = 80, counts: np.ndarray = COUNTS, start: np.ndarray = START):
    ids = np.unique(IDS)
    return constrained_word2vec(counts, ROWS[:20], (ids, ROWS[ids]), Candidates(IDS, start), Learning(steps))


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    shares = COUNTS.astype(np.float64) / COUNTS.sum(1, keepdims=True)
    logits = RNG.standard_normal((4, 5))
    old, contexts = (IDS, ROWS.astype(np.float64)), (shares, ROWS[:20].astype(np.float64))
    _loss, gradient = loss_and_gradient(logits, old, contexts, 0.7)
    for place in np.ndindex(4, 5):
        step = np.zeros((4, 5))
        step[place] = 1e-5
        up, down = (loss_and_gradient(logits + sign * step, old, contexts, 0.7)[0] for sign in (1, -1))
        assert abs((up - down) / 2e-5 - gradient[place]) < 1e-7


def test_the_loss_falls_and_weights_stay_convex() -> None:
    init, losses = fit()
    assert losses[-1] < losses[0] - 0.05
    assert init.convex
    assert all(set(dict(init.row(n))) <= set(IDS[n].tolist()) for n in range(4))


def test_a_mixture_that_explains_its_contexts_is_found() -> None:
    """Contexts drawn from the distribution of a known row: its weight ends on that row."""
    scale = 1 / np.std(ROWS @ ROWS[:20].T)
    wanted = IDS[:, 2]
    powers = np.exp(scale * ROWS[wanted] @ ROWS[:20].T)
    init, _losses = fit(400, (1000 * powers / powers.sum(1, keepdims=True)).astype(np.float32))
    assert [init.row(n)[0][0] for n in range(4)] == wanted.tolist()
    assert min(init.row(n)[0][1] for n in range(4)) > 0.8


def test_a_token_without_counts_keeps_its_start_and_closed_places_stay_closed() -> None:
    counts, start = COUNTS.copy(), START.copy()
    counts[1] = 0
    start[0] = [0.5, 0.5, 0, 0, 0]
    init, _losses = fit(30, counts, start)
    np.testing.assert_allclose(sorted(w for _i, w in init.row(1)), [0.2] * 5, atol=1e-6)
    assert {i for i, _w in init.row(0)} <= set(IDS[0, :2].tolist())
