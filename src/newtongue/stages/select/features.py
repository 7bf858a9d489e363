"""What a scorer sees of a row: symptoms of its surface, and with an encoder a vector and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.corruption import Example
from newtongue.methods.quality import render
from newtongue.methods.surface import FEATURES, Surface, symptoms

Floats = NDArray[np.float64]
Progress = Callable[..., None]

BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class Described:
    """Rows in numbers.

    Attributes:
        symptoms: Larger is more suspicious, NaN is unknown (B, F).
        vectors: Hidden states (B, D), D = 0 without an encoder.
    """

    symptoms: Floats
    vectors: Floats


class Describer:
    """Turns rows into numbers; an encoder is loaded when first needed."""

    def __init__(self, encoder: Path | None, surprise: bool, max_tokens: int, device: str) -> None:
        """Take an encoder's directory, or None for the surface alone."""
        self.encoder, self.surprise, self.max_tokens, self.device = encoder, surprise, max_tokens, device
        self._loaded: Any = None

    @property
    def names(self) -> list[str]:
        """Names of the symptoms in the order of columns."""
        if self.encoder is None:
            return list(FEATURES)
        from newtongue.adapters.hf.pooling import SURPRISES

        return [*FEATURES, "far_from_prompt", *(SURPRISES if self.surprise else ())]

    def describe(self, rows: Sequence[Example], surface: Surface, progress: Progress) -> Described:
        """Return the numbers of rows."""
        model = self.model_part(rows, progress)
        return Described(np.concatenate([surface_part(rows, surface), model.symptoms], axis=1), model.vectors)

    def model_part(self, rows: Sequence[Example], progress: Progress) -> Described:
        """Return the numbers that depend on the encoder alone, not on what was counted on good rows."""
        if self.encoder is None:
            return Described(np.zeros((len(rows), 0)), np.zeros((len(rows), 0)))
        from newtongue.adapters.hf.pooling import Encoder, Shown, surprises

        self._loaded = self._loaded or Encoder(self.encoder, self.max_tokens, self.device)
        shown = [Shown(text, len(text) - len(row.answer)) for row in rows for text in [render(row.prompt, row.answer)]]
        answers = self._loaded.vectors(shown, lambda done: progress(done, len(rows), "rows", note="encoding"))
        asked = [Shown(row.prompt, 0) for row in rows]
        found = [_distances(answers, self._loaded.vectors(asked))]
        if self.surprise:
            bare = [Shown(text, len(text) - len(row.answer)) for row in rows for text in [render("", row.answer)]]
            found.append(surprises(self.encoder, shown, bare, self.max_tokens, self.device))
        return Described(np.concatenate(found, axis=1), answers)


def surface_part(rows: Sequence[Example], surface: Surface) -> Floats:
    """Return the surface symptoms of rows: array (B, F)."""
    if not rows:
        return np.zeros((0, len(FEATURES)))
    parts = [symptoms(rows[first : first + BATCH_ROWS], surface) for first in range(0, len(rows), BATCH_ROWS)]
    return np.concatenate(parts)


def _distances(first: Floats, second: Floats) -> Floats:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (1 - (first * second).sum(axis=1) / np.maximum(lengths, 1e-12))[:, None]
