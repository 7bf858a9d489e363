"""What of a text goes to a translator, and what must hold of what comes back.

A text is cut into pieces that join to exactly the text: stretches to translate, and what stays (code blocks, blank
lines, list and heading marks for translators that take single sentences). A translation must keep protected parts,
numbers, lines and list marks, and have a plausible length.
Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from newtongue.methods.protection import digit_runs
from newtongue.methods.scripts import count_letters

MIN_LETTERS_COMPARED: Final = 12
"""Shorter texts may stay as they are (names, formulas) and have any length in translation."""
_FENCE = re.compile(r"(^```.*?^```[ \t]*$)", re.MULTILINE | re.DOTALL)
_PREFIX = re.compile(r"[ \t]*(?:(?:#{1,6}|[-*+•]|\d+[.)]|>)[ \t]+)?")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text.

    Attributes:
        text: As it stands.
        kept: Whether it stays untranslated.
    """

    text: str
    kept: bool


def cut(text: str, unit: Literal["document", "sentence"], most: int, marks: str) -> list[Piece]:
    r"""Return the pieces of a text; joined they are the text.

    Args:
        text: Any text.
        unit: `document` keeps paragraphs together up to `most` characters; `sentence` gives single sentences.
        most: Longest piece in characters, as far as paragraphs allow.
        marks: Characters that end a sentence.

    Example:
        >>> [piece.text for piece in cut("# A. B!\n\nC.", "sentence", 1000, ".!") if not piece.kept]
        ['A.', 'B!', 'C.']
    """
    pieces: list[Piece] = []
    for number, stretch in enumerate(_FENCE.split(text)):
        if number % 2:
            pieces.append(Piece(stretch, kept=True))
        elif unit == "document":
            pieces += _paragraphs(stretch, most)
        else:
            pieces += _sentences(stretch, marks)
    return [piece if count_letters(piece.text) else Piece(piece.text, kept=True) for piece in pieces if piece.text]


def problem(source: str, translation: str, shortest: float, longest: float) -> str:
    """Return why a translated piece cannot be used, a short stable phrase, or "".

    Args:
        source: The piece, protected parts in place.
        translation: Its translation, protected parts in place.
        shortest: Least length of the translation as a share of the source's, in characters.
        longest: Greatest length, likewise.
    """
    if not translation.strip():
        return "empty translation"
    if [prefix_of(line) for line in source.split("\n")] != [prefix_of(line) for line in translation.split("\n")]:
        return "structure changed"
    if digit_runs(source) != digit_runs(translation):
        return "numbers changed"
    if count_letters(source) < MIN_LETTERS_COMPARED:
        return ""
    if not shortest <= len(translation) / len(source) <= longest:
        return "implausible length"
    return "left untranslated" if translation.strip() == source.strip() else ""


def prefix_of(line: str) -> str:
    """Return the indentation and list, heading or quotation mark a line begins with; numbered marks without digits.

    Example:
        >>> prefix_of("  - a"), prefix_of("12. b"), prefix_of("c"), prefix_of("")
        ('  - ', '. ', '', '(empty)')
    """
    if not line.strip():
        return "(empty)"
    match = _PREFIX.match(line)
    return re.sub(r"\d+", "", match[0]) if match else ""


def _paragraphs(text: str, most: int) -> list[Piece]:
    """Return whole paragraphs together up to a length; the blank lines between pieces stay."""
    parts = re.split(r"(\s*\n\s*\n\s*|^\s+|\s+$)", text)
    pieces: list[Piece] = []
    for paragraph, gap in zip(parts[::2], [*parts[1::2], ""], strict=True):
        last = pieces[-2:] if len(pieces) > 1 and not pieces[-2].kept else None
        if last and paragraph and len(last[0].text) + len(last[1].text) + len(paragraph) <= most:
            pieces[-2:] = [Piece(last[0].text + last[1].text + paragraph, kept=False)]
        elif paragraph:
            pieces.append(Piece(paragraph, kept=False))
        pieces.append(Piece(gap, kept=True))
    return pieces


def _sentences(text: str, marks: str) -> list[Piece]:
    pieces: list[Piece] = []
    end = re.compile(rf"((?<=[{re.escape(marks)}])\s+)")
    for line in re.split(r"(\n)", text):
        start = _PREFIX.match(line)
        prefix = start[0] if start else ""
        pieces.append(Piece(prefix, kept=True))
        for number, part in enumerate(end.split(line[len(prefix) :])):
            pieces.append(Piece(part, kept=bool(number % 2) or part == "\n"))
    return pieces


def join(pieces: Sequence[Piece], translations: Sequence[str]) -> str:
    """Return a text with its translatable pieces replaced, in order."""
    rest = iter(translations)
    return "".join(piece.text if piece.kept else next(rest) for piece in pieces)
