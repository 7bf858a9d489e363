"""Whether text may be cut at spaces before a tokenizer cuts it into words: read from its parts, or not claimed.

Two families are read. Patterns: see `cut_patterns`. Word marks: spaces become marks, before which text is cut
by the pre-tokenizer, or, where there is none, by the lack of any merge that joins something to a mark behind it. For
all other tokenizers there is no cutter, and text has to be encoded as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from tokenizers import normalizers

from newtongue.adapters.hf.cut_patterns import CutPattern, read_pattern
from newtongue.adapters.hf.cutters import DIGITS, Classes, Cutter, MarkCutter, Normalise, PatternCutter, fitting
from newtongue.adapters.hf.tokenizers import SPACE_MARK, FastTokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The pattern inside `ByteLevel` (Radford et al. 2019)."""
CHARACTER_WISE = frozenset({"NFC", "NFD", "NFKC", "NFKD", "Lowercase"})
"""Normalisers that never join what stands on both sides of a space, and end no stretch in white space."""
_APART = "\U0010ffff"


def cutter_of(tokenizer: FastTokenizer) -> Cutter | None:
    """Return how stretches are cut; None where it is not proved that cutting them is cutting the text."""
    parts = _parts(tokenizer.content.get("normalizer"), "normalizers")
    plain = [part for part in parts if part["type"] in CHARACTER_WISE]
    rest = parts[len(plain) :]
    if parts[: len(plain)] != plain or not _harmless(tokenizer.content.get("added_tokens", ()), bool(parts)):
        return None
    steps = _parts(tokenizer.content.get("pre_tokenizer"), "pretokenizers")
    normalise = _normaliser(plain) if plain else None
    if tokenizer.byte_level:
        classes = None if rest else _classes(steps)
        return None if classes is None else PatternCutter(tokenizer.backend, classes, normalise)
    return _mark_cutter(tokenizer, rest, steps, normalise)


def _parts(part: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    """Return the steps of a normaliser or pre-tokenizer."""
    if part is None:
        return []
    return [step for each in part[inner] for step in _parts(each, inner)] if part["type"] == "Sequence" else [part]


def _harmless(added: Sequence[Mapping[str, Any]], normalised: bool) -> bool:
    """Whether added tokens are found in a stretch as they are in the text."""
    return not any(
        token.get("rstrip") or (token.get("normalized") and normalised) or " " in token["content"] for token in added
    )


def _classes(steps: Sequence[Mapping[str, Any]]) -> Classes | None:
    """Return the parts of all patterns, if each step leaves both sides of a space alone and one cuts there."""
    if "ByteLevel" not in [step["type"] for step in steps[-1:]] or "ByteLevel" in [step["type"] for step in steps[:-1]]:
        return None
    patterns = [_pattern(step) for step in steps if step["type"] != "Digits"]
    if not all(pattern is not None and pattern.independent_at_spaces(_fits) for pattern in patterns):
        return None
    if not any(pattern.cuts_at_spaces(_fits) for pattern in patterns if pattern):
        return None
    digits = frozenset({DIGITS}) if len(patterns) < len(steps) else frozenset()
    marks, few = (
        frozenset().union(*some)
        for some in zip(*(pattern.behind_marks() for pattern in patterns if pattern), strict=True)
    )
    return Classes(digits.union(*(pattern.classes for pattern in patterns if pattern)), marks, few | digits)


def _pattern(step: Mapping[str, Any]) -> CutPattern | None:
    """Return the pattern of a step, an empty one where it has none; None where it is of another kind."""
    if step["type"] == "ByteLevel" and not step.get("add_prefix_space", True):
        return read_pattern(GPT2) if step.get("use_regex", True) else CutPattern()
    isolated = step["type"] == "Split" and step["behavior"] == "Isolated" and not step.get("invert")
    return read_pattern(step["pattern"]["Regex"]) if isolated and "Regex" in step["pattern"] else None


def _mark_cutter(
    tokenizer: FastTokenizer,
    normalisers: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    normalise: Normalise | None,
) -> MarkCutter | None:
    kinds = [part["type"] for part in normalisers]
    replaces = [part for part in normalisers if part["type"] == "Replace"]
    prepends = [part for part in normalisers if part["type"] == "Prepend"]
    if any(part["pattern"] != {"String": " "} or part["content"] != SPACE_MARK for part in replaces):
        return None
    if any(part["prepend"] != SPACE_MARK for part in prepends) or len(prepends) > 1 or len(replaces) > 1:
        return None
    if len(kinds) != len(prepends) + len(replaces) or len(steps) > 1:
        return None
    step = steps[0] if steps else {"type": ""}
    if step["type"] == "Metaspace" and step["replacement"] == SPACE_MARK and not kinds:
        scheme = step.get("prepend_scheme", "always")
        made = MarkCutter(step.get("split", True), "" if scheme == "never" else "unless marked", normalise)
    elif replaces and (not steps or (step["type"] == "Split" and step["pattern"] == {"String": " "})):
        made = MarkCutter(False, "always" if prepends else "", normalise)
    else:
        return None
    return made if made.split or _apart_at_marks(tokenizer) else None


def _apart_at_marks(tokenizer: FastTokenizer) -> bool:
    """Whether the model of running text joins nothing to a mark behind it."""
    model = tokenizer.content["model"]
    if tokenizer.kind != "BPE" or model.get("ignore_merges") or SPACE_MARK not in model["vocab"]:
        return False
    pairs = (pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"])
    return not any(right.startswith(SPACE_MARK) and not left.endswith(SPACE_MARK) for left, right in pairs)


def _normaliser(steps: Sequence[Mapping[str, Any]]) -> Normalise:
    """Return steps of a normaliser as a function of many strings."""
    apply = normalizers.Sequence([getattr(normalizers, step["type"])() for step in steps]).normalize_str

    def normalise(strings: list[str]) -> list[str]:
        joined = _APART.join(strings)
        if not strings or joined.count(_APART) >= len(strings):
            return [apply(string) for string in strings]
        return apply(joined).split(_APART)

    return normalise


@cache
def _fits(pattern: str, character: str) -> bool:
    return bool(fitting(pattern, np.array([ord(character)]))[0])
