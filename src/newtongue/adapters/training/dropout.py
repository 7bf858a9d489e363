"""Dropout for models that have none of their own, the same whatever the micro-batch.

Small corpora are read many times over, and without noise a model of a few million weights learns them by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class BlockDropout:
    """Zeroes a share of what every attention and feed-forward block adds to the residual stream.

    All sequences of an optimiser step share one mask per block and position, drawn from (seed, step, block),
    so that cutting the step into other micro-batches, or resuming it, changes nothing.

    Source: Srivastava et al. 2014 (JMLR 15), placed as in Vaswani et al. 2017 (arXiv 1706.03762, section 5.4);
    the mask shared over the sequences of a step is ours.
    """

    def __init__(self, model: nn.Module, share: float, seed: int, mixed: Callable[[int, int], int]) -> None:
        """Attach to every block of `model` whose name ends in `self_attn` or `mlp`.

        Args:
            model: A decoder whose blocks have these names.
            share: Share to drop, in [0, 1).
            seed: Seed of the masks.
            mixed: (seed, number) -> well-mixed seed, at least 0.
        """
        self.share, self.seed, self.step, self._mixed = share, seed, 0, mixed
        blocks = [part for name, part in model.named_modules() if name.endswith(("self_attn", "mlp"))]
        self._handles = [
            block.register_forward_hook(self._hook(number)) for number, block in enumerate(blocks if share else [])
        ]

    def remove(self) -> None:
        """Detach, so that the model is as it was."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, number: int) -> Any:
        def drop(module: nn.Module, inputs: Any, output: Any) -> Any:
            if not module.training:
                return output
            if isinstance(output, tuple):
                return (self._mask(output[0], number), *output[1:])
            return self._mask(output, number)

        return drop

    def _mask(self, values: Tensor, number: int) -> Tensor:
        generator = torch.Generator(values.device)
        generator.manual_seed(self._mixed(self._mixed(self.seed, self.step), number))
        kept = torch.rand(values.shape[-2:], generator=generator, device=values.device) >= self.share
        return values * (kept / (1.0 - self.share)).to(values.dtype)
