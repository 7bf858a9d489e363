"""The file beside a language card that tells the language from its neighbours: two arrays and a few numbers.

An `.npz` archive read without pickle; the card holds its hash, so that a file of another card is never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from newtongue.adapters.languages import card_file, load_card
from newtongue.core.errors import DataError

SUFFIX: Final = ".verifier.npz"
ARRAYS: Final = ("telling", "weights")
LARGEST_BYTES: Final = 4_000_000
"""A larger file is none of ours."""


def write_verifier(file: Path, parts: Mapping[str, Any]) -> str:
    """Write the parts of a verifier, arrays in half precision; return the file's sha256."""
    arrays = {name: np.asarray(parts[name], dtype=np.float16) for name in ARRAYS}
    rest = {name: value for name, value in parts.items() if name not in ARRAYS}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        np.savez_compressed(stream, **arrays, rest=np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8))
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def read_verifier(tag: str) -> dict[str, Any] | None:
    """Return the parts of the verifier of a tag's card, or None when the card has none.

    Raises:
        DataError: The card names a verifier and the file is not there, or is not the card's.
    """
    facts, card = load_card(tag).verifier, card_file(tag)
    if facts is None or card is None:
        return None
    file = card.with_suffix("").with_suffix(SUFFIX)
    fix = f"`newtongue language {tag} --from TEXT --out {card.parent}` makes it, when the card is out of the way"
    if not file.is_file() or file.stat().st_size > LARGEST_BYTES:
        raise DataError("the verifier of the card is not there", place=str(file), fix=fix)
    if hashlib.sha256(file.read_bytes()).hexdigest() != facts.sha256:
        raise DataError("the verifier is not the one of the card", place=str(file), fix=fix)
    with np.load(file, allow_pickle=False) as found:
        arrays: dict[str, Any] = {name: found[name].astype(np.float32) for name in ARRAYS}
        return {**arrays, **json.loads(found["rest"].tobytes())}
