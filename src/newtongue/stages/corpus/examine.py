"""What one document goes through on its own: cleaning, limits, script, hashes. Pure, so any process may do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from newtongue.core.rows import Document
from newtongue.methods.cleaning import clean
from newtongue.methods.deduplication import comparable, content_hash, minhash, permutations, shingles
from newtongue.methods.scripts import script_fraction
from newtongue.methods.splitting import group_key
from newtongue.stages.corpus.config import CorpusConfig


@dataclass(frozen=True, slots=True)
class Examined:
    """A document after examination.

    Attributes:
        document: Cleaned, with its group key.
        fault: Why it does not get in, or "".
        content: Hash of the comparable view.
        signature: MinHash signature, or None when near duplicates stay.
    """

    document: Document
    fault: str
    content: bytes = b""
    signature: NDArray[np.uint32] | None = None


def examine(document: Document, config: CorpusConfig, ranges: Sequence[tuple[int, int]]) -> Examined:
    """Clean one document, check it, and make the hashes that find its duplicates.

    Args:
        document: As read; `group` holds the stated group, or the stated id after a NUL, or nothing.
        config: Settings of the stage.
        ranges: Code points of the language's own scripts.
    """
    text = clean(document.text)
    document = replace(document, text=text)
    fault = _fault(text, config, ranges)
    if fault:
        return Examined(document, fault)
    view = comparable(text)
    content = content_hash(view)
    stated, _, identifier = document.group.partition("\0")
    key = group_key(stated, identifier, document.language, content.hex())
    near = config.near_duplicates
    if near is None:
        return Examined(replace(document, group=key), "", content)
    signature = minhash(shingles(view, near.shingle_chars), permutations(near.hashes))
    return Examined(replace(document, group=key), "", content, signature)


def _fault(text: str, config: CorpusConfig, ranges: Sequence[tuple[int, int]]) -> str:
    if len(text) < max(config.min_chars, 1):
        return "too short"
    if config.max_chars is not None and len(text) > config.max_chars:
        return "too long"
    if config.min_script_fraction <= 0:
        return ""
    share = script_fraction(text, ranges)
    if share is None:
        return "no letters"
    return "other script" if share < config.min_script_fraction else ""
