"""What counting n-grams predicts of the training text, as a target beside or in place of a teacher's.

Shapes: `B` sequences of `T` tokens, `N` places, `V` ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Predictions(Protocol):
    """Distributions at N places: `rest` times a distribution common to all, and `shares` added to single ids."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """First entry of each place, and the number of entries after the last, `N + 1`."""

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Ids of the entries."""

    @property
    def shares(self) -> NDArray[np.float32]:
        """Probabilities of the entries."""

    @property
    def rest(self) -> NDArray[np.float32]:
        """Probability left to the common distribution, `N`."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of the training text.

    Attributes:
        left_out: Inputs (T,) and the ids after them (T,) -> predictions that know nothing of these very places.
        base: Distribution that what the counts leave over is shared out by, `V`.
        share: Share of the counts in what is taught, in (0, 1]; 1 where no model teaches.
    """

    left_out: Callable[[NDArray[np.int64], NDArray[np.int64]], Predictions]
    base: NDArray[np.float32]
    share: float

    def of(self, input_ids: Tensor, labels: Tensor, taught: Tensor) -> CountedBatch:
        """Return what the counts say of sequences, `B x T`; nothing of those that are not taught (`B`)."""
        inputs, wanted = input_ids.cpu().numpy(), labels.cpu().numpy()
        silent = np.zeros(inputs.shape[1], np.int64)
        tokens, shares, sizes, rest = [], [], [], []
        for row, known in enumerate(taught.tolist()):
            found = self.left_out(inputs[row], wanted[row]) if known else None
            sizes.append(np.diff(found.starts) if found else silent)
            rest.append(found.rest if found else silent.astype(np.float32))
            if found:
                tokens.append(found.tokens)
                shares.append(found.shares)
        arrays = (np.append(0, np.cumsum(np.concatenate(sizes))), *map(np.concatenate, (tokens, shares, rest)))
        starts, ids, parts, left = (torch.from_numpy(array).to(input_ids.device) for array in arrays)
        return CountedBatch(starts, ids.long(), parts, left, torch.from_numpy(self.base).to(left), self.share)


@dataclass(frozen=True, slots=True)
class CountedBatch:
    """The counts' distributions at the places of a batch, `B x T` in one row of N; see `Predictions`.

    Attributes:
        starts: First entry of each place, and the number of entries after the last, `N + 1`.
        tokens: Ids of the entries.
        shares: Probabilities of the entries.
        rest: Probability left to `base`, `N`; 0, like all else, where nothing is taught.
        base: Distribution common to all places, `V`.
        share: Share of the counts beside a model.
    """

    starts: Tensor
    tokens: Tensor
    shares: Tensor
    rest: Tensor
    base: Tensor
    share: float

    def mixed(self, taught: Tensor | None, places: Tensor) -> Tensor:
        """Return the distributions to learn at some places (N,), `N x max(V, what a model knows)`.

        Args:
            taught: What a model teaches there, if one does.
            places: Numbers of the places in the batch.
        """
        size, width = len(self.base), max(len(self.base), 0 if taught is None else taught.shape[1])
        share = 1.0 if taught is None else self.share
        target = self.rest.new_zeros(len(places), width)
        if taught is not None:
            torch.mul(taught, 1.0 - share, out=target[:, : taught.shape[1]])
        target[:, :size].addr_(self.rest[places], self.base, alpha=share)
        first = self.starts[places]
        sizes = self.starts[places + 1] - first
        rows = torch.repeat_interleave(sizes)
        entries = torch.arange(len(rows), device=rows.device) + (first - sizes.cumsum(0) + sizes)[rows]
        return (
            target.view(-1)
            .index_add_(0, rows * width + self.tokens[entries], self.shares[entries], alpha=share)
            .view_as(target)
        )
