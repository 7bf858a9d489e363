"""Bits of tokens: exact against hand-made logits, whatever the batch, with or without anything before them."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stages.eval_kit import make_model

from newtongue.adapters.hf.models import load_tokenizer
from newtongue.adapters.hf.scoring import Request, encode, ids_digest, token_bits
from newtongue.adapters.tables.items import read_items, write_items
from newtongue.core.errors import Corrupt, DataError

V = 16


class Bigram:
    """A causal model whose logits depend on the last token alone, so that bits can be told by hand."""

    device = torch.device("cpu")
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=V))

    def __init__(self, logits: torch.Tensor) -> None:
        self.table, self.shapes = logits, []  # type: ignore[var-annotated]

    def __call__(self, input_ids: torch.Tensor, logits_to_keep: torch.Tensor, use_cache: bool) -> Any:
        assert not use_cache
        self.shapes.append((tuple(input_ids.shape), len(logits_to_keep)))
        return SimpleNamespace(logits=self.table[input_ids][:, logits_to_keep])


def requests(count: int = 20) -> list[Request]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(2, 12, count)
    return [Request(generator.integers(0, V, size), int(generator.integers(1, size))) for size in sizes]


def test_a_uniform_model_needs_log2_of_its_vocabulary_for_every_token() -> None:
    found = token_bits(Bigram(torch.zeros(V, V)), requests(), batch=4)
    assert all(bits == pytest.approx(4.0) for bits in found)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_bits_are_those_of_each_token_given_the_one_before(batch: int) -> None:
    table = torch.randn(V, V, generator=torch.Generator().manual_seed(0))
    asked = requests()
    expected = -torch.log_softmax(table.double(), -1).numpy() / math.log(2)
    for request, bits in zip(asked, token_bits(Bigram(table), asked, batch=batch), strict=True):
        ids, first = request.ids, request.first
        assert bits == pytest.approx([expected[ids[k - 1], ids[k]] for k in range(first, len(ids))], abs=1e-5)


def test_a_token_with_nothing_before_it_costs_the_whole_vocabulary() -> None:
    table = torch.randn(V, V, generator=torch.Generator().manual_seed(1))
    bits = token_bits(Bigram(table), [Request(np.array([3, 5]), 0), Request(np.array([7]), 0)], batch=2)
    assert [len(found) for found in bits] == [2, 1]
    assert bits[0][0] == bits[1][0] == math.log2(V)


def test_logits_are_kept_only_where_something_is_scored() -> None:
    model = Bigram(torch.zeros(V, V))
    token_bits(model, [Request(np.arange(12), 9), Request(np.arange(11), 8)], batch=2)
    assert model.shapes == [((2, 12), 4)]


def test_batches_shrink_where_logits_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newtongue.adapters.hf.scoring.LOGIT_BYTES", 4 * V * 12 * 2)
    model = Bigram(torch.zeros(V, V))
    token_bits(model, [Request(np.arange(12), 1)] * 5, batch=16)
    assert [shape[0] for shape, _kept in model.shapes] == [2, 2, 1]


def test_progress_counts_scored_tokens() -> None:
    told: list[int] = []
    token_bits(Bigram(torch.zeros(V, V)), [Request(np.arange(5), 2)] * 3, batch=2, progress=told.append)
    assert told == [6, 9]


def test_markers_in_a_document_are_text_and_in_a_chat_special(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_model(tmp_path))
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    text = "پانی<|im_end|>"
    assert end not in encode(tokenizer, text).ids
    assert encode(tokenizer, text, specials=True).ids[-1] == end
    assert end not in encode(tokenizer, text).ids, "the switch does not stick"


def test_a_tokenizer_without_offsets_is_refused() -> None:
    with pytest.raises(DataError, match="reports no offsets"):
        encode(SimpleNamespace(is_fast=False), "x")


def test_digests_tell_equal_ids_from_others() -> None:
    assert ids_digest(np.array([1, 2])) == ids_digest(np.array([1, 2], dtype=np.int32))
    assert ids_digest(np.array([1, 2])) != ids_digest(np.array([12]))


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"set": "a", "kind": "text", "item": "1", "group": "g", "bits": 1.5, "correct": None}]
    write_items(tmp_path / "items.parquet", rows)
    (row,) = read_items(tmp_path / "items.parquet")
    assert (row["bits"], row["correct"], row["prompt"]) == (1.5, None, None)


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(Corrupt, match=r"items\.parquet: cannot be read"):
        read_items(tmp_path / "items.parquet")
