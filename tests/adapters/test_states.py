"""Sentence vectors: batches change nothing, padding changes nothing, layers are all there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stages.eval_kit import make_model

from newtongue.adapters.hf.models import load_model
from newtongue.adapters.hf.states import sentence_vectors
from newtongue.methods.alignment import position_weighted


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    return load_model(make_model(tmp_path_factory.mktemp("states")), "float32").eval()


SENTENCES = [np.arange(1, n, dtype=np.int64) for n in (9, 4, 17, 2)]


def test_every_layer_has_a_vector_per_sentence(model) -> None:  # type: ignore[no-untyped-def]
    found = sentence_vectors(model, SENTENCES, batch=4, pool=position_weighted)
    assert found.shape == (3, 4, 32) and np.isfinite(found).all()


def test_batches_and_padding_change_nothing(model) -> None:  # type: ignore[no-untyped-def]
    one, four = (sentence_vectors(model, SENTENCES, batch=size, pool=position_weighted) for size in (1, 4))
    assert np.allclose(one, four, atol=1e-5)


def test_vectors_are_weighted_means_of_hidden_states(model, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with torch.inference_mode():
        states = model(input_ids=torch.tensor(SENTENCES[0][None]), output_hidden_states=True).hidden_states
    found = sentence_vectors(model, SENTENCES, batch=2, pool=position_weighted)
    for layer, expected in enumerate(states):
        assert np.allclose(found[layer, 0], position_weighted(expected[0].double().numpy()), atol=1e-5)
