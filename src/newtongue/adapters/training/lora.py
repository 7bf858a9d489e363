"""Low-rank adapters with embedding rows trained in full, merged before export."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from newtongue.adapters.hf.models import load_model
from newtongue.core.errors import MissingExtra
from newtongue.core.training import Lora

SEED = 0
"""Seed of the adapters' first matrices; the second ones start at zero."""


def trainable_model(source: Path, lora: Lora | None, device: torch.device) -> Any:
    """Load a model with the weights that should learn switched on and in float32.

    Args:
        source: Model directory; `expansion.json` there says which rows are new.
        lora: Adapter settings, or None to train every weight. Frozen weights keep the type they are stored in.
        device: Where to train.
    """
    if lora is None:
        return load_model(source, "float32", device).requires_grad_(True)
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise MissingExtra("peft", "train") from error
    model = load_model(source, "auto", device)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        use_rslora=lora.rslora,
        lora_dropout=0.0,
        target_modules="all-linear",
        trainable_token_indices=_row_layers(lora, source, model),
        task_type=TaskType.CAUSAL_LM,
    )
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = get_peft_model(model, config)
    for weight in adapted.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return adapted


def trained_rows(lora: Lora, source: Path, rows: int) -> list[int]:
    """Return the embedding rows that train in full: new ones, all or none.

    A model without `expansion.json` has no new rows.
    """
    if lora.rows != "new":
        return list(range(rows)) if lora.rows == "all" else []
    first = first_new_row(source)
    return [] if first is None else list(range(first, rows))


def first_new_row(source: Path) -> int | None:
    """Return the first embedding row that vocabulary expansion added, or None for a model that was never expanded."""
    notes = source / "expansion.json"
    return int(json.loads(notes.read_text("utf-8"))["first_new_id"]) if notes.is_file() else None


def hold_old_rows(model: Any, source: Path, learn: Sequence[int] = ()) -> None:
    """Keep the embedding rows a model had before expansion as they are: their gradient is zero from now on.

    Rows of an old vocabulary serve the kept languages; held still, they cannot be forgotten, and the new rows may
    learn at a higher rate. A model without `expansion.json` keeps all its rows trainable.

    Args:
        model: The model about to be trained.
        source: Directory it was loaded from.
        learn: Old rows that learn all the same, such as those of a chat template's special tokens.
    """
    first = first_new_row(source)
    if first is None:
        return
    old = torch.ones(first, dtype=torch.bool)
    old[[row for row in learn if row < first]] = False
    held = old.nonzero()[:, 0]

    def hold(gradient: torch.Tensor) -> torch.Tensor:
        return gradient.index_fill(0, held.to(gradient.device), 0)

    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    for weight in {id(layer.weight): layer.weight for layer in layers if layer is not None}.values():
        weight.register_hook(hold)


def merge_adapters(model: Any) -> Any:
    """Return the plain model with adapters and trained rows merged into its weights; a full model unchanged."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def _row_layers(lora: Lora, source: Path, model: Any) -> dict[str, list[int]] | None:
    rows = trained_rows(lora, source, model.get_input_embeddings().weight.shape[0])
    layers = ("embed_tokens",) if model.config.tie_word_embeddings else ("embed_tokens", "lm_head")
    return {layer: rows for layer in layers} if rows else None
