"""Low-rank adapters with embedding rows trained in full, merged before export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from newtongue.core.errors import MissingExtra
from newtongue.core.training import Lora


def prepare_trainable(model: Any, lora: Lora | None, source: Path) -> Any:
    """Return the model with the weights that should learn switched on.

    Args:
        model: A causal language model in float32.
        lora: Adapter settings, or None to train every weight.
        source: Directory the model came from; `expansion.json` there says which rows are new.
    """
    if lora is None:
        return model.requires_grad_(True)
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise MissingExtra("peft", "train") from error
    rows = trained_rows(lora, source, model.get_input_embeddings().weight.shape[0])
    tokens: Any = None
    if rows:
        tied = model.config.tie_word_embeddings
        tokens = {"embed_tokens": rows} if tied else {"embed_tokens": rows, "lm_head": rows}
    torch.manual_seed(0)
    return get_peft_model(
        model,
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            use_rslora=lora.rslora,
            lora_dropout=0.0,
            target_modules="all-linear",
            trainable_token_indices=tokens,
            task_type=TaskType.CAUSAL_LM,
        ),
    )


def trained_rows(lora: Lora, source: Path, rows: int) -> list[int]:
    """Return the embedding rows that train in full: new ones, all or none."""
    if lora.rows == "none":
        return []
    if lora.rows == "all":
        return list(range(rows))
    notes = source / "expansion.json"
    if not notes.is_file():
        return []
    first = int(json.loads(notes.read_text("utf-8"))["first_new_id"])
    return list(range(first, rows))


def merge_adapters(model: Any) -> Any:
    """Return the plain model with adapters and trained rows merged into its weights; a full model unchanged."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
