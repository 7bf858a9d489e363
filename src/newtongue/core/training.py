"""Settings that several training stages share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from newtongue.core.config import Settings


class Lora(Settings):
    """Low-rank adapters on all linear layers; chosen embedding rows are trained in full; the export is merged."""

    rank: int = Field(16, ge=1)
    """Rank of the adapters."""
    alpha: float = Field(32.0, gt=0)
    """Scale: the update is multiplied by alpha/rank (alpha/sqrt(rank) with `rslora`)."""
    rslora: bool = False
    """Whether the scale is rank-stabilised."""
    rows: Literal["new", "all", "none"] = "new"
    """Embedding rows that train in full: those added by `tokenizer`, all, or none."""
