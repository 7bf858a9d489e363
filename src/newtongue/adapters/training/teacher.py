"""A teacher whose whole predictions are learnt beside the next token of the text (knowledge distillation).

Shapes: `B` sequences of `T` tokens, `N` tokens, `V` rows of the teacher's output embedding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from newtongue.adapters.training.architectures import output_embedding, plain_head, plain_model


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen model and how much its predictions weigh.

    Attributes:
        model: Causal language model in evaluation mode; its token ids are the first ids of the pupil.
        weight: Share of the target that is the teacher's, in (0, 1]; the rest is the text's next token.
        temperature: The teacher's logits are divided by this, above 0; above 1 makes it less sure of itself.
        sources: Numbers of the sources it teaches on.

    Source: Hinton et al. 2015 (arXiv 1503.02531, section 2). We differ: only the teacher is softened, so its target is
        a proper distribution over the next token, the gradient needs no factor T², and a temperature above 1 corrects a
        teacher that knows the training text by heart. On text a model should keep, this is learning without
        forgetting (Li and Hoiem 2016, arXiv 1606.09282); a pupil of the teacher's own size is a born-again network
        (Furlanello et al. 2018, arXiv 1805.04770).
    """

    model: nn.Module
    weight: float
    temperature: float
    sources: Collection[int]

    @property
    def plain(self) -> bool:
        """Whether its logits are its last hidden state times its output embedding."""
        return plain_head(self.model)

    def taught(self, sources: Tensor) -> Tensor:
        """Return which sequences it teaches on, `B`, of the number of each one's source."""
        return torch.isin(sources, torch.tensor(sorted(self.sources), device=sources.device))

    @torch.no_grad()
    def states(self, input_ids: Tensor, taught: Tensor) -> Tensor:
        """Return its last hidden states, `B x T x D`; zero where it does not teach."""
        rows = torch.nonzero(taught)[:, 0]
        hidden = plain_model(self.model).model(input_ids=input_ids[rows], use_cache=False).last_hidden_state
        return hidden.new_zeros(*input_ids.shape, hidden.shape[-1]).index_copy_(0, rows, hidden)

    @torch.no_grad()
    def logits(self, input_ids: Tensor, taught: Tensor) -> Tensor:
        """Return its logits, `B x T x V`; zero where it does not teach."""
        rows = torch.nonzero(taught)[:, 0]
        logits: Any = self.model(input_ids=input_ids[rows], use_cache=False).logits
        return logits.new_zeros(*input_ids.shape, logits.shape[-1]).index_copy_(0, rows, logits)

    def head(self, dtype: torch.dtype) -> Tensor:
        """Return its output embedding, `V x D`."""
        return output_embedding(self.model).detach().to(dtype)

    def target(self, logits: Tensor) -> Tensor:
        """Return its distribution over its own tokens, `N x V`, of its logits (which are overwritten)."""
        return torch.softmax(logits.float().div_(self.temperature), dim=-1)
