"""Attention kept in float32 while a model trains in bfloat16 on a CPU.

The CPU kernel behind `scaled_dot_product_attention` goes backward through bfloat16 sequences of up to a few hundred
tokens two to three times slower than through float32 ones (`docs/log.md`); everything else gains from bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

NAME = "sdpa_float32"
"""Under this name the attention is known to transformers."""


@contextmanager
def float32_attention(model: Any, device: torch.device) -> Iterator[None]:
    """While it lasts, `model` attends in float32 on a CPU; nothing changes on other devices or for other kernels."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    if device.type != "cpu" or plain.config._attn_implementation != "sdpa":
        yield
        return
    plain.set_attn_implementation(NAME)
    try:
        yield
    finally:
        plain.set_attn_implementation("sdpa")


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    with torch.autocast(query.device.type, enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **kwargs)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
