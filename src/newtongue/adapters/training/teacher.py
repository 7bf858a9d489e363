"""A teacher whose whole predictions are learnt beside the next token of the text (knowledge distillation).

It is a model, counts of the text, or both.

Shapes: `B` sequences of `T` tokens, `N` tokens, `V` rows of the teacher's output embedding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from newtongue.adapters.training.architectures import output_embedding, plain_head, plain_model
from newtongue.adapters.training.counted import Counted, CountedBatch


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen model, or counts, and how much what they predict weighs.

    Attributes:
        model: Causal language model in evaluation mode, if one teaches; its token ids are the first ids of the pupil.
        weight: Share of the target that is the teacher's, in (0, 1]; the rest is the text's next token.
        temperature: The teacher's logits are divided by this, above 0; above 1 makes it less sure of itself.
        sources: Numbers of the sources it teaches on.
        counted: Counts of the text, if they teach.

    Source: Hinton et al. 2015 (arXiv 1503.02531, section 2). We differ: only the teacher is softened, so its target is
        a proper distribution over the next token, the gradient needs no factor T², and a temperature above 1 corrects a
        teacher that knows the training text by heart. On text a model should keep, this is learning without
        forgetting (Li and Hoiem 2016, arXiv 1606.09282); a pupil of the teacher's own size is a born-again network
        (Furlanello et al. 2018, arXiv 1805.04770).
    """

    model: nn.Module | None
    weight: float
    temperature: float
    sources: Collection[int]
    counted: Counted | None = None

    @property
    def plain(self) -> bool:
        """Whether its logits are its last hidden state times its output embedding."""
        return self.model is None or plain_head(self.model)

    def taught(self, sources: Tensor) -> Tensor:
        """Return which sequences it teaches on, `B`, of the number of each one's source."""
        return torch.isin(sources, torch.tensor(sorted(self.sources), device=sources.device))

    @torch.no_grad()
    def states(self, input_ids: Tensor, taught: Tensor) -> Tensor | None:
        """Return the model's last hidden states, `B x T x D`; zero where it does not teach."""
        if self.model is None:
            return None
        rows = torch.nonzero(taught)[:, 0]
        hidden = plain_model(self.model).model(input_ids=input_ids[rows], use_cache=False).last_hidden_state
        return hidden.new_zeros(*input_ids.shape, hidden.shape[-1]).index_copy_(0, rows, hidden)

    @torch.no_grad()
    def logits(self, input_ids: Tensor, taught: Tensor) -> Tensor | None:
        """Return the model's logits, `B x T x V`; zero where it does not teach."""
        if self.model is None:
            return None
        rows = torch.nonzero(taught)[:, 0]
        logits: Any = self.model(input_ids=input_ids[rows], use_cache=False).logits
        return logits.new_zeros(*input_ids.shape, logits.shape[-1]).index_copy_(0, rows, logits)

    def head(self, dtype: torch.dtype) -> Tensor:
        """Return the model's output embedding, `V x D`."""
        assert self.model is not None
        return output_embedding(self.model).detach().to(dtype)

    def counts_of(self, input_ids: Tensor, labels: Tensor, taught: Tensor) -> CountedBatch | None:
        """Return what the counts say of a batch, if they teach."""
        return None if self.counted is None else self.counted.of(input_ids, labels, taught)

    def target(self, logits: Tensor | None, counted: CountedBatch | None, places: Tensor) -> Tensor:
        """Return the distributions to learn, `N x V`.

        Args:
            logits: The model's, `N x V` (they are overwritten), if one teaches.
            counted: What the counts say of the batch, if they teach.
            places: Where in the batch the N tokens stand.
        """
        taught = None if logits is None else torch.softmax(logits.float().div_(self.temperature), dim=-1)
        if counted is not None:
            return counted.mixed(taught, places)
        assert taught is not None
        return taught
