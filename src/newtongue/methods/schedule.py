"""The learning rate as a pure function of the step."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, pi


@dataclass(frozen=True, slots=True)
class Schedule:
    """Linear warm-up, a plateau, then a cosine down to a final share of the peak.

    Attributes:
        steps: Optimiser steps in all, at least 1.
        warmup_fraction: Share of steps over which the rate rises from 0, in [0, 1].
        decay_fraction: Share of steps, at the end, over which it falls, in [0, 1].
        final_fraction: Share of the peak at the last step, in [0, 1].

    Source: warm-up, stable, decay as in Hu et al. 2024 (arXiv 2404.06395, section 4) with the cosine of
    Loshchilov and Hutter 2017 (arXiv 1608.03983, eq. 5) as decay; `decay_fraction=1` is the plain cosine.
    """

    steps: int
    warmup_fraction: float = 0.05
    decay_fraction: float = 0.5
    final_fraction: float = 0.1

    def __call__(self, step: int) -> float:
        """Return the share of the peak rate used by optimiser step `step`, counted from 0.

        Example:
            >>> rate = Schedule(10, warmup_fraction=0.2, decay_fraction=0.5, final_fraction=0.1)
            >>> [round(rate(step), 2) for step in range(10)]
            [0.5, 1.0, 1.0, 1.0, 1.0, 0.91, 0.69, 0.41, 0.19, 0.1]
        """
        warmup = ceil(self.steps * self.warmup_fraction)
        if step < warmup:
            return (step + 1) / warmup
        decay = min(ceil(self.steps * self.decay_fraction), self.steps - warmup)
        done = step - (self.steps - decay) + 1
        if done <= 0 or decay == 0:
            return 1.0
        fall = 0.5 * (1 + cos(pi * min(1.0, done / decay)))
        return self.final_fraction + (1 - self.final_fraction) * fall
