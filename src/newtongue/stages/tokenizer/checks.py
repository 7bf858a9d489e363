"""What must hold of a model before its vocabulary changes, and of the tokenizer after it was loaded again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.core.errors import DataError

MAX_SPARE_ROWS = 1024


def first_free_id(tokenizer: FastTokenizer, checkpoint: Checkpoint) -> int:
    """Return the id of the first new token: behind every id the tokenizer or the configs name.

    Spare rows behind the last token (Qwen, Gemma and Phi ship some) are used first, so ids stay without holes.

    Raises:
        DataError: The tokenizer's size and the number of embedding rows do not belong together, or the config names
            an id for which there is no row.
    """
    named = _named_ids(checkpoint)
    beyond = {key: i for key, i in named.items() if i >= checkpoint.rows}
    if beyond:
        key, number = next(iter(beyond.items()))
        raise DataError(
            f"{key} is {number:,}, the embedding matrix has {checkpoint.rows:,} rows",
            place=str(checkpoint.folder / "config.json"),
            expected=f"an id below {checkpoint.rows:,}",
            fix="set it to the id that this model's tokenizer gives the token, or to null",
        )
    free = max([tokenizer.last_id, *named.values()]) + 1
    spare = checkpoint.rows - free
    if spare < 0 or spare > max(MAX_SPARE_ROWS, checkpoint.rows // 20):
        raise DataError(
            f"the tokenizer uses ids up to {free - 1:,}, the embedding matrix has {checkpoint.rows:,} rows",
            place=str(checkpoint.folder),
            expected=f"an id below {checkpoint.rows:,}, and at most {MAX_SPARE_ROWS:,} spare rows",
            fix="use the tokenizer the model was trained with",
        )
    return free


def _named_ids(checkpoint: Checkpoint) -> dict[str, int]:
    """Return the highest id under each key of the config that names token ids."""
    named = {}
    for config in (checkpoint.config, checkpoint.text_config):
        for key, value in config.items():
            listed = value if isinstance(value, list) else [value]
            ids = [i for i in listed if isinstance(i, int) and not isinstance(i, bool)]
            if key.endswith("_token_id") and ids:
                named[key] = max(*ids, named.get(key, -1))
    return named


def running(old: FastTokenizer, auto: Any, new: FastTokenizer, reloaded: Any) -> tuple[list[Any], list[Any]]:
    """Return running tokenizers before and after: as the file says, and as transformers loads it where that differs."""
    before, after = as_loaded(old, auto), as_loaded(new, reloaded)
    if len(before) != len(after):
        before, after = [old, _loaded(auto)], [new, _loaded(reloaded)]
    return [each.backend for each in before], [each.backend for each in after]


def as_loaded(tokenizer: FastTokenizer, auto: Any) -> list[FastTokenizer]:
    """Return the tokenizer as its file says and, where that differs, as transformers loads it."""
    same = auto.backend_tokenizer.to_str() == tokenizer.backend.to_str()
    return [tokenizer] if same else [tokenizer, _loaded(auto)]


def _loaded(auto: Any) -> FastTokenizer:
    return FastTokenizer(json.loads(auto.backend_tokenizer.to_str()), type(auto).__name__)


def check_reloaded(before: Any, after: Any, id_map: NDArray[np.int64] | None = None) -> None:
    """Refuse a result whose special tokens or chat template differ after loading it again.

    Args:
        before: The source's tokenizer as transformers loads it.
        after: The result's.
        id_map: New id of each old one, where tokens were numbered anew.
    """
    for name in ("special_tokens_map", "all_special_ids", "added_tokens_encoder", "chat_template"):
        old, new = getattr(before, name), getattr(after, name)
        if id_map is not None and name == "all_special_ids":
            old = [int(id_map[i]) for i in old]
        if id_map is not None and name == "added_tokens_encoder":
            old = {token: int(id_map[i]) for token, i in old.items()}
        if old != new:
            raise DataError(
                f"{name} changed from {old} to {new} when the tokenizer was loaded again",
                fix='set "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json of the model to expand',
            )
