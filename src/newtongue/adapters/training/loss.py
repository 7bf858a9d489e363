"""Next-token loss of a causal model without ever holding the logits of a whole batch.

Shapes: `N` tokens, `D` hidden size, `V` rows of the output embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

GRAIN = 64
"""The head sees whole multiples of this many tokens: kernels are prepared anew for every number."""
IGNORED = -100
PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "phi3", "olmo2", "gemma3_text"})
"""Architectures whose logits are the last hidden state times the output embedding and nothing else."""


class LanguageModelLoss(nn.Module):
    """A causal language model whose forward pass returns losses, so that one call holds the whole graph."""

    def __init__(self, model: nn.Module, *, logits_at_once: int = 1 << 22) -> None:
        """Wrap `model`; where its architecture is known, at most this many logits (tokens x rows) exist at a time."""
        super().__init__()
        self.model = model
        config: Any = model.config
        self._chunk_tokens = max(64, logits_at_once // config.get_text_config().vocab_size)
        capped = getattr(config, "final_logit_softcapping", None)
        self._fused = config.model_type in PLAIN_HEADS and not capped

    def forward(self, input_ids: Tensor, labels: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scaled sum of losses and the loss of every token.

        Args:
            input_ids: Tokens, `B x T`.
            labels: The token after each, `B x T`; -100 where it carries no loss.
            scale: Factor of the sum, usually one over the labelled tokens of the optimiser step.

        Returns:
            A scalar to differentiate, and the losses in nats without gradient, `B x T`, 0 where masked.
        """
        if self._fused:
            plain: Any = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
            hidden = plain.model(input_ids=input_ids, use_cache=False).last_hidden_state
            states, targets = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
            places = _scored(targets)
            loss, nll = _LinearCrossEntropy.apply(
                states.index_select(0, places), _head(plain.lm_head), targets[places], scale, self._chunk_tokens
            )
            return loss, torch.zeros_like(targets, dtype=nll.dtype).index_copy_(0, places, nll).view_as(labels)
        logits = self.model(input_ids=input_ids, use_cache=False).logits.float()
        nll = functional.cross_entropy(logits.flatten(0, 1), labels.reshape(-1), ignore_index=IGNORED, reduction="none")
        return nll.sum() * scale, nll.detach().view_as(labels)


def _scored(labels: Tensor) -> Tensor:
    """Return the places that carry loss, in order, and as many others as make a whole number of grains."""
    kept = labels != IGNORED
    count = int(kept.sum())
    count = min(-(-max(count, 1) // GRAIN) * GRAIN, len(labels))
    return torch.argsort(~kept, stable=True)[:count].sort().values


def _head(layer: Any) -> Tensor:
    """Return the output embedding, with rows that train beside adapters put in."""
    rows = getattr(layer, "token_adapter", None)
    return layer.weight if rows is None else rows.get_merged_weights(rows.active_adapters)


class _LinearCrossEntropy(torch.autograd.Function):
    """Output projection and cross-entropy in one, chunk by chunk, gradients computed on the way forward.

    Source: the linear cross-entropy of Liger Kernel (Hsu et al. 2024, arXiv 2410.10989, section 3.2), in plain torch.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, scale: Tensor, chunk_tokens: int
    ) -> tuple[Tensor, Tensor]:
        """Return the scaled sum of losses and each loss (N,), of states (N, D) under rows (V, D) and labels (N,)."""
        dtype = torch.get_autocast_dtype(hidden.device.type) if torch.is_autocast_enabled(hidden.device.type) else None
        matrix = weight.to(dtype) if dtype else weight
        inputs = hidden.to(matrix.dtype)
        nll = torch.zeros(labels.shape, dtype=torch.float32, device=hidden.device)
        grad_hidden = torch.empty_like(inputs)
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(labels), chunk_tokens):
                rows = slice(start, start + chunk_tokens)
                logits = torch.mm(inputs[rows], matrix.t()).float()
                nll[rows], gradient = _cross_entropy(logits, labels[rows], scale)
                gradient = gradient.to(matrix.dtype)
                torch.mm(gradient, matrix, out=grad_hidden[rows])
                if grad_weight is not None:
                    grad_weight += torch.mm(gradient.t(), inputs[rows])
        ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight)
        ctx.mark_non_differentiable(nll)
        return nll.sum() * scale, nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _grad_nll: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that were made on the way forward."""
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad_loss, None if grad_weight is None else grad_weight * grad_loss, None, None, None


def _cross_entropy(logits: Tensor, labels: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses and, in the memory of `logits`, the gradient of their scaled sum."""
    kept = labels != IGNORED
    target = labels.clamp(min=0)[:, None]
    normaliser = torch.logsumexp(logits, dim=-1, keepdim=True)
    nll = (normaliser - logits.gather(1, target))[:, 0] * kept
    gradient = logits.sub_(normaliser).exp_()
    gradient.scatter_add_(1, target, torch.full_like(target, -1, dtype=gradient.dtype))
    return nll, gradient.mul_((kept * scale)[:, None])
