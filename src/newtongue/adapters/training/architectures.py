"""What training has to know of an architecture: whether its logits are a plain product, and where its parts lie."""

from __future__ import annotations

from typing import Any

from torch import Tensor

PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "phi3", "olmo2", "gemma3_text"})
"""Architectures whose logits are the last hidden state times the output embedding and nothing else."""


def plain_head(model: Any) -> bool:
    """Return whether the logits are the last hidden state times the output embedding."""
    return model.config.model_type in PLAIN_HEADS and not getattr(model.config, "final_logit_softcapping", None)


def plain_model(model: Any) -> Any:
    """Return the model without the adapters around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def output_embedding(model: Any) -> Tensor:
    """Return the output embedding, with rows that train beside adapters put in."""
    layer = plain_model(model).lm_head
    rows = getattr(layer, "token_adapter", None)
    return layer.weight if rows is None else rows.get_merged_weights(rows.active_adapters)
