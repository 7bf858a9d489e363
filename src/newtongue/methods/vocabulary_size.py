"""How many tokens to add: tokens saved against rows to multiply with and to learn.

A new token shortens text, which saves computing in training and in use. It also makes every softmax wider, on kept
languages too, and it has to be met often enough to be learnt. The first grows ever more slowly with the number of new
tokens, the others do not, so there is a best number; for a text that is short or already well covered it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

ENOUGH = 0.99
"""The smallest number that saves this share of what the best one saves is taken: rows cost memory, too."""
MOST_RARE = 0.1
"""A number of tokens is refused when a larger share of them would be met too rarely."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What one token costs a model.

    Attributes:
        parameters: Weights, embeddings included.
        rows: Rows of an embedding matrix.
        hidden: Width.
        tied: Whether input and output embeddings are one matrix.
    """

    parameters: int
    rows: int
    hidden: int
    tied: bool

    @property
    def body(self) -> int:
        """Weights outside the embeddings."""
        return max(0, self.parameters - self.rows * self.hidden * (1 if self.tied else 2))

    def cost(self, new_rows: int) -> float:
        """Return the computing per token with more rows, as a multiple of what it is now.

        Source: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1: two operations per weight and token; the input
        embedding is looked up, the output embedding is a product.
        """
        now = self.body + self.rows * self.hidden
        return 1.0 if not now else (now + new_rows * self.hidden) / now


@dataclass(frozen=True, slots=True)
class Size:
    """One number of new tokens and what it does.

    Attributes:
        new_tokens: How many.
        tokens: Tokens of text set aside.
        rare_tokens: New tokens that training would meet too rarely to learn them.
        saving: Share of all computing saved, target and kept languages together; negative when it costs.
        parameters: Weights added.
    """

    new_tokens: int
    tokens: int
    rare_tokens: int
    saving: float
    parameters: int

    @property
    def learnable(self) -> bool:
        """Whether nearly all of the new tokens would be met often enough."""
        return self.rare_tokens <= MOST_RARE * self.new_tokens

    def facts(self) -> dict[str, float | int | bool]:
        """Return everything as plain JSON values."""
        return {**asdict(self), "saving": round(self.saving, 6), "learnable": self.learnable}


def saving(tokens: int, tokens_before: int, cost: float, target_share: float) -> float:
    """Return the share of computing that new tokens save, in training and use alike.

    Args:
        tokens: Tokens of some target text with the new tokens.
        tokens_before: Tokens of the same text without.
        cost: Computing per token, as a multiple of what it was (`ModelSize.cost`).
        target_share: Share of all tokens that is target text, before; the rest gets no shorter.

    Example:
        >>> saving(50, 100, cost=1.0, target_share=0.5)
        0.25
    """
    shorter = tokens / tokens_before if tokens_before else 1.0
    return 1 - (target_share * shorter + 1 - target_share) * cost


def choose(curve: Sequence[Size], min_saving: float) -> tuple[int, str]:
    """Return the number of tokens to add, and why.

    Args:
        curve: Sizes in ascending order, the first with no new token.
        min_saving: Saving, as a share, below which the answer is 0.

    Example:
        >>> curve = [Size(0, 100, 0, 0.0, 0), Size(64, 60, 0, 0.2, 64), Size(128, 50, 90, 0.3, 128)]
        >>> choose(curve, 0.02)[0]
        64
        >>> choose(curve[:1], 0.02)
        (0, 'the text holds no token that would be met often enough to learn it')

    Source: own; that small text wants few tokens agrees with Yamaguchi et al. 2024 (arXiv 2406.11477).
    """
    learnable = [size for size in curve if size.new_tokens and size.learnable]
    if not learnable:
        return 0, "the text holds no token that would be met often enough to learn it"
    best = max(learnable, key=lambda size: size.saving)
    if best.saving < min_saving:
        return 0, (
            f"the best number, {best.new_tokens:,}, would save {best.saving:.1%} of computing, "
            f"and less than {min_saving:.0%} is not worth new rows"
        )
    chosen = next(size for size in learnable if size.saving >= ENOUGH * best.saving)
    larger = [size for size in curve if size.new_tokens > chosen.new_tokens]
    return chosen.new_tokens, f"saves {chosen.saving:.1%} of computing; {_why_no_more(chosen, larger)}"


def _why_no_more(chosen: Size, larger: Sequence[Size]) -> str:
    if not larger:
        return "the text holds no more that occur often enough"
    following = larger[0]
    if not following.learnable:
        return f"of {following.new_tokens:,}, {following.rare_tokens:,} would be met too rarely to be learnt"
    if following.saving <= chosen.saving:
        return f"{following.new_tokens:,} would save {following.saving:.1%}, because every token costs more with them"
    return f"{following.new_tokens:,} would save {following.saving:.1%}, hardly more"
