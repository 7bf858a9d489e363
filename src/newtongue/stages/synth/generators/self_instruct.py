"""`self_instruct`: tasks grown from seed tasks, in four modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from newtongue.core.config import Settings

Compared = Literal["two_channel", "whole", "instruction"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What one request of a mode shows and asks for.

    Attributes:
        seeds: Seed tasks shown.
        pool: Rows accepted in earlier rounds shown among them.
        tasks: Tasks asked for.
        requests_per_round: Requests of one task type that go out before the pool is drawn from again.
        compared: What the similarity filter looks at.
    """

    seeds: int
    pool: int
    tasks: int
    requests_per_round: int
    compared: Compared


SHAPES: Final = {
    "structured": Shape(3, 3, 4, 128, "two_channel"),
    "alif": Shape(4, 2, 20, 4, "instruction"),
    "alpaca": Shape(3, 0, 20, 5, "instruction"),
    "self_instruct": Shape(6, 2, 8, 5, "instruction"),
}
"""Mode -> its published numbers (`structured` is ours and takes seeds, pool and tasks from `prompt`)."""


class SelfInstruct(Settings):
    """Tasks grown from seed tasks: ours (`structured`), or Alif, Alpaca and Self-Instruct as published."""

    kind: Literal["self_instruct"] = "self_instruct"
    """Name of the generator."""
    mode: Literal["structured", "alif", "alpaca", "self_instruct"] = "structured"
    """`structured` asks for JSON and grounds on documents; the others follow their papers' prompts and filters."""
    seeds_per_prompt: int | None = Field(None, ge=1, le=20)
    """Seed tasks shown; null takes the mode's number (Alif 4, Alpaca 3, Self-Instruct 6)."""
    pool_per_prompt: int | None = Field(None, ge=0, le=20)
    """Accepted rows shown with them; null takes the mode's number (Alif 2, Alpaca 0, Self-Instruct 2)."""
    pool_scope: Literal["global", "task"] = "global"
    """Whether shown rows may be of any task type or of the request's own only."""
    tasks_per_request: int | None = Field(None, ge=1, le=50)
    """Tasks asked for; null takes the mode's number (Alif and Alpaca 20, Self-Instruct 8)."""
    compared: Compared | None = None
    """What similarity is about: `two_channel` wording and material apart, the `whole` question, the `instruction`."""

    def shape(self) -> Shape:
        """Return the numbers of the mode, with what is set here."""
        usual = SHAPES[self.mode]
        return Shape(
            usual.seeds if self.seeds_per_prompt is None else self.seeds_per_prompt,
            usual.pool if self.pool_per_prompt is None else self.pool_per_prompt,
            usual.tasks if self.tasks_per_request is None else self.tasks_per_request,
            usual.requests_per_round,
            self.compared or usual.compared,
        )
