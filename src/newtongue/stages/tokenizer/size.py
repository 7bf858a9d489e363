"""Choose the number of new tokens from a curve measured on text set aside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from newtongue.adapters.hf.segmentation import Stretches
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.methods.vocabulary_size import ModelSize, Size, choose, saving
from newtongue.stages.tokenizer.config import SizeSettings
from newtongue.stages.tokenizer.grow import Growth

Grow = Callable[[Sequence[str], int, int], Growth]
MOST_TOKENS = 65_536
SMALLEST = 16
MEASURED_CHARS = 1_000_000
"""Text set aside at most; more does not move the curve."""
ASIDE = 5
"""Every so manieth line is set aside: savings on the lines tokens were learnt from are too good to be true."""


def choose_size(
    settings: SizeSettings, old: FastTokenizer, texts: Sequence[str], grow: Grow, model: ModelSize
) -> dict[str, Any]:
    """Return the number of new tokens (`new_tokens`), why (`reason`), and the curve.

    Args:
        settings: What counts as often enough, and how much is worth it.
        old: The tokenizer to expand.
        texts: Training text.
        grow: (texts, tokens, min_count) -> new tokens in order.
        model: Size of the model.
    """
    learnt, aside = _set_aside(texts)
    enough = settings.min_updates * (ASIDE - 1) / ASIDE / settings.passes
    growth = grow(learnt, MOST_TOKENS, math.ceil(enough))
    words = Stretches.of(old, aside)
    before = words.segmented(old).tokens
    curve = [Size(0, before, 0, 0.0, 0)]
    for number in _grid(len(growth.tokens)):
        tokens = words.segmented(growth.at(number)).tokens
        rare = sum(uses < enough for uses in growth.uses(number))
        gain = saving(tokens, before, model.cost(number), settings.target_share)
        curve.append(Size(number, tokens, rare, gain, number * model.hidden * (1 if model.tied else 2)))
    chosen, reason = choose(curve, settings.min_saving)
    return {"new_tokens": chosen, "reason": reason, "curve": [size.facts() for size in curve]}


def _set_aside(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return lines to learn from and lines to measure on."""
    learnt, aside = [], []
    size = 0
    for number, line in enumerate(line for text in texts for line in text.split("\n") if line.strip()):
        if number % ASIDE < ASIDE - 1:
            learnt.append(line)
        elif size < MEASURED_CHARS:
            aside.append(line)
            size += len(line)
    return learnt, aside


def _grid(most: int) -> Iterator[int]:
    """Yield numbers of tokens that grow by a half from one to the next, the last being all there are."""
    number = float(SMALLEST)
    while number < most:
        yield round(number)
        number *= 1.5 if number >= 256 else 2
    if most:
        yield most
