"""Which of a model's new tokens a text uses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.models import load_tokenizer
from newtongue.core.errors import DataError

BATCH_TEXTS = 1024


def new_token_ids(path: Path, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the new tokens of every text, with repetition, counted from 0.

    Args:
        path: A model directory with `expansion.json`, as the `tokenizer` stage and those after it write it.
        texts: Texts.

    Raises:
        DataError: The directory has no `expansion.json`.
    """
    file = path / "expansion.json"
    if not file.is_file():
        raise DataError(
            "has no expansion.json, so which of its tokens are new is not known",
            place=str(path),
            expected="a model made by the `tokenizer` stage, or by a stage after it",
        )
    facts = json.loads(file.read_text("utf-8"))
    first, after = int(facts["first_new_id"]), int(facts["first_new_id"]) + int(facts["new_tokens"])
    tokenizer = load_tokenizer(path)
    found = []
    for start in range(0, len(texts), BATCH_TEXTS):
        made = tokenizer(list(texts[start : start + BATCH_TEXTS]), add_special_tokens=False, verbose=False)
        for ids in made["input_ids"]:
            row = np.asarray(ids, dtype=np.int64)
            found.append(row[(row >= first) & (row < after)] - first)
    return found
