"""Next-token loss of a causal model without ever holding the logits of a whole batch.

Shapes: `N` tokens, `D` hidden size, `V` rows of the output embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from newtongue.adapters.training.architectures import output_embedding, plain_head, plain_model
from newtongue.adapters.training.counted import CountedBatch
from newtongue.adapters.training.teacher import Teacher

GRAIN = 64
"""The head sees whole multiples of this many tokens: kernels are prepared anew for every number."""
IGNORED = -100


class LanguageModelLoss(nn.Module):
    """A causal language model whose forward pass returns losses, so that one call holds the whole graph."""

    def __init__(self, model: nn.Module, *, logits_at_once: int = 1 << 22, teacher: Teacher | None = None) -> None:
        """Wrap `model`; where its architecture is known, at most this many logits (tokens x rows) exist at a time."""
        super().__init__()
        self.model, self._teacher = model, teacher
        config: Any = model.config
        self._chunk_tokens = max(64, logits_at_once // config.get_text_config().vocab_size)
        self._fused = plain_head(model) and (teacher is None or teacher.plain)

    def forward(
        self, input_ids: Tensor, labels: Tensor, scale: Tensor, sources: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the scaled sum of losses and the loss of every token.

        Args:
            input_ids: Tokens, `B x T`.
            labels: The token after each, `B x T`; -100 where it carries no loss.
            scale: Factor of the sum, usually one over the labelled tokens of the optimiser step.
            sources: Number of the source of each sequence, `B`; needed where there is a teacher.

        Returns:
            A scalar to differentiate (with the teacher's part, where it teaches), and the cross-entropy of the text
            itself in nats without gradient, `B x T`, 0 where masked.
        """
        taught = None
        if self._teacher is not None and sources is not None:
            rows = self._teacher.taught(sources)
            taught = rows if bool(rows.any()) else None
        return (self._in_chunks if self._fused else self._at_once)(input_ids, labels, scale, taught)

    def _in_chunks(
        self, input_ids: Tensor, labels: Tensor, scale: Tensor, taught: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        hidden = plain_model(self.model).model(input_ids=input_ids, use_cache=False).last_hidden_state
        states, targets = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
        places = _scored(targets)
        lesson = None
        if taught is not None:
            shown = self._teacher.states(input_ids, taught)
            shown = None if shown is None else shown.flatten(0, 1).index_select(0, places)
            weights = (taught[:, None] & (labels != IGNORED)).reshape(-1)[places] * self._teacher.weight
            lesson = _Lesson(self._teacher, shown, self._teacher.counts_of(input_ids, labels, taught), places, weights)
        loss, nll = _LinearCrossEntropy.apply(
            states.index_select(0, places),
            output_embedding(self.model),
            targets[places],
            scale,
            (self._chunk_tokens, lesson),
        )
        return loss, torch.zeros_like(targets, dtype=nll.dtype).index_copy_(0, places, nll).view_as(labels)

    def _at_once(
        self, input_ids: Tensor, labels: Tensor, scale: Tensor, taught: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        logits = self.model(input_ids=input_ids, use_cache=False).logits.float()
        nll = functional.cross_entropy(logits.flatten(0, 1), labels.reshape(-1), ignore_index=IGNORED, reduction="none")
        nll = nll.view_as(labels)
        total = nll
        if taught is not None:
            said = self._teacher.logits(input_ids, taught)
            counted = self._teacher.counts_of(input_ids, labels, taught)
            places = torch.arange(labels.numel(), device=labels.device)
            target = self._teacher.target(None if said is None else said.flatten(0, 1), counted, places)
            target = target.unflatten(0, labels.shape)
            normaliser = torch.logsumexp(logits, dim=-1)
            soft = normaliser - (target * logits[..., : target.shape[-1]]).sum(dim=-1)
            weights = (taught[:, None] & (labels != IGNORED)) * self._teacher.weight
            total = nll * (1.0 - weights) + soft * weights
        return total.sum() * scale, nll.detach()


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a teacher knows of N tokens of a batch.

    Attributes:
        teacher: The teacher.
        states: Its model's last hidden states (N, D), if a model teaches.
        counted: What its counts say of the batch, if they teach.
        places: Where in the batch the tokens stand, (N,).
        weights: Its weight for each, (N,); 0 where it is silent.
    """

    teacher: Teacher
    states: Tensor | None
    counted: CountedBatch | None
    places: Tensor
    weights: Tensor

    def target(self, rows: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the teacher's distributions (n, V) and their weights (n, 1) of some of the tokens."""
        head = None if self.states is None else self.teacher.head(dtype).t()
        logits = None if self.states is None else torch.mm(self.states[rows].to(dtype), head)
        return self.teacher.target(logits, self.counted, self.places[rows]), self.weights[rows, None]


def _scored(labels: Tensor) -> Tensor:
    """Return the places that carry loss, in order, and as many others as make a whole number of grains."""
    kept = labels != IGNORED
    count = int(kept.sum())
    count = min(-(-max(count, 1) // GRAIN) * GRAIN, len(labels))
    return torch.argsort(~kept, stable=True)[:count].sort().values


class _LinearCrossEntropy(torch.autograd.Function):
    """Output projection and cross-entropy in one, chunk by chunk, gradients computed on the way forward.

    Source: the linear cross-entropy of Liger Kernel (Hsu et al. 2024, arXiv 2410.10989, section 3.2), in plain torch.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        labels: Tensor,
        scale: Tensor,
        how: tuple[int, _Lesson | None],
    ) -> tuple[Tensor, Tensor]:
        """Return the scaled sum of losses and each token's cross-entropy (N,).

        Of states (N, D) under rows (V, D) and labels (N,); `how` is the tokens of a chunk and what a teacher says.
        """
        chunk_tokens, lesson = how
        dtype = torch.get_autocast_dtype(hidden.device.type) if torch.is_autocast_enabled(hidden.device.type) else None
        matrix = weight.to(dtype) if dtype else weight
        inputs = hidden.to(matrix.dtype)
        nll = torch.zeros(labels.shape, dtype=torch.float32, device=hidden.device)
        total = nll.new_zeros(())
        grad_hidden = torch.empty_like(inputs)
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(labels), chunk_tokens):
                rows = slice(start, start + chunk_tokens)
                logits = torch.mm(inputs[rows], matrix.t()).float()
                target = lesson.target(rows, matrix.dtype) if lesson else None
                part, nll[rows], gradient = _cross_entropy(logits, labels[rows], scale, target)
                total += part
                gradient = gradient.to(matrix.dtype)
                torch.mm(gradient, matrix, out=grad_hidden[rows])
                if grad_weight is not None:
                    grad_weight += torch.mm(gradient.t(), inputs[rows])
        ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight)
        ctx.mark_non_differentiable(nll)
        return total * scale, nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _grad_nll: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that were made on the way forward."""
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad_loss, None if grad_weight is None else grad_weight * grad_loss, None, None, None


def _cross_entropy(
    logits: Tensor, labels: Tensor, scale: Tensor, target: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum to minimise, each label's loss and, in the memory of `logits`, the gradient of the scaled sum.

    Where `target` gives distributions q and weights w, a token's loss is (1 - w) CE(label) + w CE(q).
    """
    kept = labels != IGNORED
    label = labels.clamp(min=0)[:, None]
    normaliser = torch.logsumexp(logits, dim=-1, keepdim=True)
    nll = (normaliser - logits.gather(1, label))[:, 0] * kept
    total, hard = nll, torch.ones_like(normaliser)
    if target is not None:
        wanted, weights = target
        width = wanted.shape[1]
        soft = normaliser - (wanted * logits[:, :width]).sum(dim=1, keepdim=True)
        hard = hard - weights
        total = nll * hard[:, 0] + (soft * weights)[:, 0]
    gradient = logits.sub_(normaliser).exp_()
    if target is not None:
        gradient[:, :width].sub_(wanted.mul_(weights))
    gradient.scatter_add_(1, label, -hard)
    return total.sum(), nll, gradient.mul_((kept * scale)[:, None])
