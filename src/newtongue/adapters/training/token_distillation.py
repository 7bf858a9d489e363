"""Learn input rows of new tokens so that the model's states are those it has on the old spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from newtongue.adapters.training.new_rows import Ids, Lessons, descend, frozen, hidden_states, padded

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Learnt rows.

    Attributes:
        rows: One per new token, (N, D).
        losses: Loss at every step.
        unseen: New tokens the lessons never showed; they keep their start.
    """

    rows: Floats
    losses: list[float]
    unseen: int


def distil_rows(
    folder: Path, pieces: Sequence[Sequence[int]], start_ND: Floats, lessons: Lessons, progress: Callable[..., None]
) -> Learnt:
    """Fit the new input rows to running text; every other weight is frozen.

    The same text is shown twice: in old tokens to the model as it was, in new tokens to the model with the new rows.
    With continued BPE each new token is a run of whole old ones, so the state after it answers to the state after
    the last old one, and the squared difference of the two is what is made small.

    Args:
        folder: The old model.
        pieces: Old ids that spell each new token.
        start_ND: Rows to start from.
        lessons: Text and how to learn.
        progress: Told of tokens seen.

    Source: Dobler, Elliott, de Melo 2025, token distillation (arXiv 2505.20133, equation 1), last layer. Differs:
    running text with all its new tokens at once instead of snippets for one token each, which needs about a
    twentieth of the text; tokens the text does not show keep their start instead of being dropped.
    """
    model = frozen(folder)
    new = torch.nn.Parameter(torch.from_numpy(np.array(start_ND, np.float32)))
    spelt = [np.asarray(spelling, np.int64) for spelling in pieces]
    seen = np.zeros(len(pieces), bool)

    def loss_of(sequences: list[Ids]) -> Tensor:
        for ids in sequences:
            seen[ids[ids >= lessons.rows] - lessons.rows] = True
        return _difference(model, sequences, spelt, (lessons.rows, new))

    losses = descend([new], lessons, loss_of, progress)
    return Learnt(new.detach().numpy(), losses, int((~seen).sum()))


def _difference(model: object, sequences: list[Ids], spelt: list[Ids], rows: tuple[int, Tensor]) -> Tensor:
    first_new, new = rows
    parts = [[spelt[i - first_new] if i >= first_new else np.asarray([i]) for i in ids] for ids in sequences]
    old, _real = padded([np.concatenate(part) for part in parts])
    last, _real = padded([np.cumsum([len(piece) for piece in part]) - 1 for part in parts])
    with torch.no_grad():
        wanted = hidden_states(model, old, first_new, new)
    ids, real = padded(sequences)
    made = hidden_states(model, ids, first_new, new)
    wanted = wanted.gather(1, last.unsqueeze(-1).expand(-1, -1, wanted.shape[-1]))
    return ((made - wanted)[real] ** 2).mean()
