"""Learn the mixture of each new token from text: its row is an average of old rows that predicts what stands around.

N  new tokens    V  old tokens    D  hidden size    C  contexts (old tokens)    S  candidates per new token
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.initialiser import Initialiser, from_mixtures

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
SMALLEST_WEIGHT = 1e-3
"""Mixture weights below this are dropped in the end and the rest scaled to sum 1."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Old tokens that may take part in each new token's mixture.

    Attributes:
        ids: Old ids, (N, S).
        start: Weights at the start, (N, S), at least 0; 0 marks a place that is not used.
    """

    ids: NDArray[np.int64]
    start: Wide


@dataclass(frozen=True, slots=True)
class Learning:
    """How long and how fast to learn.

    Attributes:
        steps: Passes over all counts.
        rate: Adam's learning rate, on the logarithms of the weights.
    """

    steps: int = 60
    rate: float = 0.1


def constrained_word2vec(
    counts_NC: Floats, context_CD: Floats, old: tuple[NDArray[np.int64], Floats], candidates: Candidates, how: Learning
) -> tuple[Initialiser, list[float]]:
    """Fit convex mixtures whose rows predict the contexts of the new tokens; old rows are frozen.

    Args:
        counts_NC: How often each context stood near each new token.
        context_CD: Rows of the contexts.
        old: Sorted old ids that are candidates somewhere, and their rows; the last id is V - 1 at most.
        candidates: Who may take part, and the mixture to start from.
        how: Steps and rate.

    Returns:
        The initialiser (a token without counts keeps its start) and the loss, in nats per context, at each step.

    Source: Mundra et al. 2024, constrained Word2Vec (arXiv 2407.05841, section 4): skip-gram, new rows
    softmax(A) E. Differs: counts instead of pairs, so a step sees everything and draws nothing; a mixture over
    candidates instead of a low-rank A over the whole vocabulary; dot products are scaled to unit spread.
    """
    ids, rows = old
    scale = 1.0 / max(float(np.std(rows.astype(np.float64) @ context_CD[:512].astype(np.float64).T)), 1e-12)
    totals = counts_NC.sum(1, keepdims=True)
    shares = (counts_NC / np.where(totals > 0, totals, 1)).astype(np.float32)
    places = np.searchsorted(ids, candidates.ids)
    logits = np.log(np.maximum(candidates.start, 1e-300))
    open_ = (candidates.start > 0) & (totals > 0)
    moments, losses = (np.zeros_like(logits), np.zeros_like(logits)), []
    for step in range(1, how.steps + 1):
        loss, gradient = loss_and_gradient(logits, (places, rows), (shares, context_CD), scale)
        losses.append(loss)
        logits = np.where(open_, _adam(logits, gradient, moments, (step, how.rate)), logits)
    return _mixtures(logits, candidates, int(ids[-1]) + 1 if len(ids) else 0), losses


def loss_and_gradient(
    logits: Wide, old: tuple[NDArray[np.int64], Floats], contexts: tuple[Floats, Floats], scale: float
) -> tuple[float, Wide]:
    """Return the mean cross-entropy of the contexts, in nats, and its gradient by the logits of the mixtures.

    Args:
        logits: Logarithms of mixture weights before normalising, (N, S).
        old: Row number of each candidate, (N, S), and the rows.
        contexts: Shares of the contexts of each new token, (N, C), and the contexts' rows.
        scale: Factor on dot products.
    """
    places, rows = old
    shares, context_CD = contexts
    weights = _softmax(logits)
    made = np.einsum("ns,nsd->nd", weights, rows[places])
    scores = (scale * made).astype(context_CD.dtype) @ context_CD.T
    scores -= scores.max(1, keepdims=True)
    powers = np.exp(scores)
    sums = powers.sum(1, keepdims=True)
    total = shares.sum(1, keepdims=True)
    count = max(1, int((total > 0).sum()))
    loss = float((total * np.log(sums)).sum() - np.vdot(shares, scores)) / count
    powers *= total / sums
    of_made = scale * ((powers - shares) @ context_CD) / count
    of_weights = np.einsum("nd,nsd->ns", of_made, rows[places])
    return loss, weights * (of_weights - (weights * of_weights).sum(1, keepdims=True))


def _adam(values: Wide, gradient: Wide, moments: tuple[Wide, Wide], at: tuple[int, float]) -> Wide:
    """Return the values after one step of Adam (Kingma and Ba 2015, arXiv 1412.6980), moments updated in place."""
    (step, rate), (first, second) = at, moments
    first += 0.1 * (gradient - first)
    second += 0.001 * (gradient**2 - second)
    return values - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)


def _mixtures(logits: Wide, candidates: Candidates, rows: int) -> Initialiser:
    weights = np.where(candidates.start > 0, _softmax(logits), 0)
    weights = np.where(weights >= SMALLEST_WEIGHT, weights, 0)
    weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-300)
    found = []
    for ids, row in zip(candidates.ids, weights, strict=True):
        order = np.argsort(-row, kind="stable")
        found.append({int(ids[k]): float(row[k]) for k in order if row[k] > 0})
    return from_mixtures(found, rows)


def _logsumexp(scores: Wide) -> Wide:
    top = scores.max(1, keepdims=True)
    return np.asarray(top + np.log(np.exp(scores - top).sum(1, keepdims=True)))


def _softmax(scores: Wide) -> Wide:
    return np.asarray(np.exp(scores - _logsumexp(scores)))
