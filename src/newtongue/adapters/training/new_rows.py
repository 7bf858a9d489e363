"""Run a frozen model on text that holds new tokens, with their rows given from outside, and cut text for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from newtongue.adapters.hf.models import load_model
from newtongue.core.errors import DataError

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What rows are learnt on.

    Attributes:
        documents: Ids of each text; ids from `rows` up are new tokens, counted from there.
        rows: Rows of the old matrices.
        tokens: Tokens to see.
        sequence_length: Tokens per sequence.
        sequences_per_step: Sequences per step of the optimiser.
        learning_rate: Adam's, constant.
        seed: Seed of the order.
    """

    documents: Sequence[Ids]
    rows: int
    tokens: int
    sequence_length: int
    sequences_per_step: int
    learning_rate: float
    seed: int

    def batches(self) -> Iterator[list[Ids]]:
        """Yield the sequences of each step: shuffled, again from the start when the text ends.

        Raises:
            DataError: No text is long enough to learn from.
        """
        length = self.sequence_length
        cut = [ids[at : at + length] for ids in self.documents for at in range(0, len(ids), length)]
        cut = [ids for ids in cut if len(ids) > 1]
        if not cut:
            raise DataError("the corpus has no text of two tokens to learn rows on")
        rng, order, left = np.random.default_rng(self.seed), np.zeros(0, np.int64), self.tokens
        while left > 0:
            while len(order) < self.sequences_per_step:
                order = np.concatenate([order, rng.permutation(len(cut))])
            chosen = [cut[i] for i in order[: self.sequences_per_step]]
            order = order[self.sequences_per_step :]
            left -= sum(map(len, chosen))
            yield chosen


def frozen(folder: Path) -> Any:
    """Load a model in fp32 whose own weights never change."""
    model: Any = load_model(folder, "float32").eval()
    return model.requires_grad_(False)


def padded(sequences: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """Return ids padded on the right with 0, and which of them are real (B, T)."""
    width = max(map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    real = torch.zeros(len(sequences), width, dtype=torch.bool)
    for number, sequence in enumerate(sequences):
        ids[number, : len(sequence)] = torch.from_numpy(np.asarray(sequence, np.int64))
        real[number, : len(sequence)] = True
    return ids, real


def hidden_states(model: Any, ids_BT: Tensor, rows: int, new_ND: Tensor) -> Tensor:
    """Return the last hidden states of text with new tokens, differentiable by their rows.

    Args:
        model: A frozen causal model.
        ids_BT: Ids; from `rows` up they are new tokens.
        rows: Rows of the old matrices.
        new_ND: Rows of the new tokens.
    """
    is_new = ids_BT >= rows
    with _replaced(model.get_input_embeddings(), is_new, new_ND, (ids_BT - rows)[is_new]):
        made = model.base_model(input_ids=ids_BT.masked_fill(is_new, 0), use_cache=False)
    return made.last_hidden_state  # type: ignore[no-any-return]


@contextmanager
def _replaced(layer: Any, is_new: Tensor, new_ND: Tensor, numbers: Tensor) -> Iterator[None]:
    """Let an embedding layer give new rows at some places, scaled as the layer scales its own (Gemma 3)."""

    def hook(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
        scale = torch.as_tensor(getattr(layer, "embed_scale", 1.0), dtype=output.dtype)
        return output.index_put((is_new,), new_ND[numbers].to(output.dtype) * scale)

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def descend(
    parameters: list[Tensor], lessons: Lessons, loss_of: Callable[[list[Ids]], Tensor], progress: Callable[..., None]
) -> list[float]:
    """Minimise a loss over the lessons with Adam; return it at every step."""
    optimiser = torch.optim.Adam(parameters, lr=lessons.learning_rate)
    losses: list[float] = []
    done = 0
    for sequences in lessons.batches():
        optimiser.zero_grad()
        loss = loss_of(sequences)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
        done += sum(map(len, sequences))
        progress(min(done, lessons.tokens), lessons.tokens, "tokens", note="learning rows")
    return losses
