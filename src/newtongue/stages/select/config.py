"""Settings of the `select` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from newtongue.core.config import RowsRef, StageConfig


class SelectConfig(StageConfig):
    """Choose which rows to train on."""

    MAKES: ClassVar[str] = "Conversations"

    candidates: RowsRef
    """Rows to choose from; held-out rows pass through untouched."""
    method: Literal["random", "length", "topk"] = "random"
    """`random` draws, `length` takes the longest answers, `topk` the highest `score_column`."""
    keep: int | None = Field(None, ge=1)
    """Training rows to keep (all when there are fewer); None takes `keep_fraction`."""
    keep_fraction: float = Field(1.0, gt=0, le=1)
    """Share of training rows to keep when `keep` is not set."""
    score_column: str = "score"
    """Numeric column `topk` sorts by, highest first; every training row must have one."""
    makes_kind: Literal["Conversations", "Corpus", "Preferences"] = "Conversations"
    """Kind of the rows; the stage makes the kind it was given."""
    seed: int = 0
    """Seed of `random` and of ties."""

    def makes(self) -> str:
        """Return the kind of the rows chosen from."""
        return self.makes_kind

    def rehearsal(self) -> Self:
        """Keep thirty rows."""
        return self.model_copy(update={"keep": min(self.keep, 30)} if self.keep else {})
