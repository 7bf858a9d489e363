"""Work for the data engine's tests: importable by processes that know the folder by PYTHONPATH."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from newtongue.adapters.engine import Arrays, read_piece
from newtongue.core.errors import DataError


@dataclass(frozen=True)
class Lengths:
    """Characters of every row of a piece, times a factor, and who counted them."""

    factor: int

    def __call__(self, piece: str) -> Arrays:
        rows = read_piece(piece)
        lengths = np.array([self.factor * sum(map(len, row)) for row in rows])
        return {"lengths": lengths, "process": np.array([os.getpid()])}


def refuse(piece: str) -> Arrays:
    """An error of the user's in the second piece."""
    if piece.endswith("1"):
        raise DataError("holds nothing", place=piece, fix="fill it")
    return {"fine": np.ones(1)}


def hang(piece: str) -> Arrays:
    """Write who works here, then work for long."""
    Path(piece, str(os.getpid())).touch()
    time.sleep(60)
    return {}
