"""Sentence vectors from a model's hidden states, one per layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@torch.inference_mode()
def sentence_vectors(
    model: Any, sentences: Sequence[NDArray[np.int64]], batch: int, pool: Callable[[Floats], Floats]
) -> Floats:
    """Return one vector per sentence and layer.

    Args:
        model: A causal language model in evaluation mode.
        sentences: Token ids of each sentence, at least one each, start token included.
        batch: Sentences per forward pass.
        pool: States of a sentence's tokens (tokens, hidden) -> its vector (hidden).

    Returns:
        Array (layers + 1, sentences, hidden); layer 0 is the embedding.
    """
    order = sorted(range(len(sentences)), key=lambda n: -len(sentences[n]))
    found: list[Floats] = [np.zeros(0)] * len(sentences)
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        states = _states(model, [sentences[row] for row in rows])
        for place, row in enumerate(rows):
            kept = states[:, place, : len(sentences[row])]
            found[row] = np.stack([pool(layer) for layer in kept])
    return np.stack(found, axis=1)


def _states(model: Any, sentences: Sequence[NDArray[np.int64]]) -> Floats:
    """Return the states of a batch padded on the right: array (layers + 1, sentences, tokens, hidden)."""
    ids = torch.zeros(len(sentences), max(map(len, sentences)), dtype=torch.long)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = torch.from_numpy(sentence)
    ids = ids.to(model.device)
    base = getattr(model, model.base_model_prefix, model)
    states = base(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    return np.asarray(torch.stack(states).float().cpu().numpy(), dtype=np.float64)
