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


def check_rows_can_be_held(devices: int, embedding_rows: str, lora: Lora | None) -> None:
    """Check that old embedding rows are not to be held still where weights are shared out among devices.

    Raises:
        ValueError: They are; only adapters hold them there.
    """
    if devices > 1 and embedding_rows == "new" and lora is None:
        raise ValueError("embedding_rows: new needs devices: 1, or `lora`, which holds old rows on several devices")
