"""Cleaning that every script survives: what is invisible and harmful goes, what spells words stays.

Combining marks, ZWNJ, ZWJ, ZWSP, soft hyphens and directional marks (LRM, RLM, ALM) are part of the
text and are never touched. Judging quality is no business of this file.
"""

from __future__ import annotations

import re
import unicodedata

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028]")
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters; tab and line feed stay
    "\u202a-\u202e"  # bidi embeddings and overrides: reorder text that follows (CVE-2021-42574)
    "\u206a-\u206f\ufff9-\ufffc"  # deprecated format characters, annotation and object marks
    "\ufeff\ufffe\uffff\ufdd0-\ufdef"  # byte order marks in the middle, non-characters
    "\ud800-\udfff]"  # lone surrogates: no UTF-8 can hold them
)
_ISOLATES = re.compile("[\u2066-\u2069]")
_LINE_TAILS = re.compile(r"[^\S\n]+(?=\n)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    r"""Return a text in NFC, without control characters, with plain line ends and tidy white space.

    Line ends of every kind become a line feed, more than one empty line becomes one, white space at
    the ends of lines and of the text goes. Bidi embeddings and overrides go; isolates go from lines
    where they are not balanced. Cleaning twice gives the same as cleaning once.

    Args:
        text: Any text.

    Returns:
        The cleaned text; empty when nothing was left.

    Example:
        >>> clean("A\r\n\r\n\r\n\u202eB \x00").split("\n")
        ['A', '', 'B']
        >>> clean("می\u200cخواهم") == "می\u200cخواهم"
        True

    Source: Unicode Standard Annex 15 (NFC) and Annex 9 (bidi); Boucher and Anderson 2021 (arXiv 2111.00169)
        for what overrides can hide.
    """
    text = _LINE_ENDS.sub("\n", text).replace("\u2029", "\n\n")
    text = _CONTROLS.sub("", text)
    if _ISOLATES.search(text):
        text = "\n".join(line if _balanced(line) else _ISOLATES.sub("", line) for line in text.split("\n"))
    text = unicodedata.normalize("NFC", text)
    return _EMPTY_LINES.sub("\n\n", _LINE_TAILS.sub("", text)).strip()


def _balanced(line: str) -> bool:
    depth = 0
    for mark in _ISOLATES.findall(line):
        depth += -1 if mark == "\u2069" else 1
        if depth < 0:
            return False
    return depth == 0
