"""Learn W itself on next-token loss, the model frozen: every new row is a mixture of a few old ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from newtongue.adapters.training.architectures import PLAIN_HEADS, plain_head
from newtongue.adapters.training.new_rows import Ids, Lessons, descend, frozen, hidden_states, padded
from newtongue.core.errors import DataError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Learnt mixtures.

    Attributes:
        input: Weights of the candidates in each new input row, (N, S).
        head: The same for output rows; equal to `input` where the matrices are tied.
        losses: Next-token loss at every step, nats per token.
    """

    input: Floats
    head: Floats
    losses: list[float]


def learn_adapter(
    folder: Path, candidates_NS: Ids, start_NS: Floats, lessons: Lessons, progress: Callable[..., None]
) -> Adapter:
    """Fit the mixtures of input and output rows to text in the new vocabulary.

    Args:
        folder: The old model.
        candidates_NS: Old ids that may take part in each new token's mixture.
        start_NS: Weights to start from; a place at exactly 0 stays closed.
        lessons: Text and how to learn.
        progress: Told of tokens seen.

    Raises:
        DataError: The architecture's logits are more than hidden states times output rows.

    Source: Han et al. 2024, VocADT (arXiv 2410.09644, section 3). Differs: W has a few candidates per token instead
    of the whole vocabulary, and old tokens need no term that ties them to their rows, because they keep them.
    """
    model = frozen(folder)
    if not plain_head(model):
        raise DataError(
            f"vocadt does not know how {model.config.model_type} turns states into logits",
            place=str(folder),
            expected=" ".join(sorted(PLAIN_HEADS)),
            fix="choose another initialiser",
        )
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    open_ = torch.from_numpy(np.asarray(start_NS) != 0)
    sides = [torch.nn.Parameter(torch.from_numpy(np.array(start_NS, np.float32))) for _side in range(1 if tied else 2)]
    chosen = torch.from_numpy(candidates_NS)
    losses = descend(sides, lessons, lambda found: _loss(model, found, chosen, (sides, open_), lessons.rows), progress)
    made = [(side.detach() * open_).numpy() for side in sides]
    return Adapter(made[0], made[-1], losses)


def _loss(
    model: Any, sequences: list[Ids], candidates: Tensor, weights: tuple[list[torch.nn.Parameter], Tensor], rows: int
) -> Tensor:
    sides, open_ = weights
    old = (model.get_input_embeddings().weight, model.get_output_embeddings().weight)
    made = [
        torch.einsum("ns,nsd->nd", side * open_, matrix[candidates])
        for side, matrix in zip([sides[0], sides[-1]], old, strict=True)
    ]
    ids, real = padded(sequences)
    hidden = hidden_states(model, ids, rows, made[0])[:, :-1][real[:, 1:]]
    bias = getattr(model.get_output_embeddings(), "bias", None)
    logits = torch.cat([functional.linear(hidden, old[1], bias), hidden @ made[1].T], dim=1)
    return functional.cross_entropy(logits, ids[:, 1:][real[:, 1:]])
