"""When a tokenizer's regular expression cuts text at spaces, whatever stands on the other side: read from the pattern.

Tokenizers cut text with one pattern applied from left to right; each match is a pre-token. Counting the pre-tokens of a
large text is far cheaper on its distinct stretches between spaces, if no pre-token reaches across such a space and
none depends on what is behind it. For patterns whose every part looks at one character that can be decided (positions
of Glushkov's automaton), and the cuts of a stretch then depend on nothing but which parts each character fits.

Patterns with anything else in them (anchors, look-behind, references to groups) are not read: no claim is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

Holds = Callable[[str, str], bool]
"""Whether a part of a pattern, as written, fits a character."""

_PIECE = re.compile(
    r"""(?P<open>\((?:\?:|\?i:|\?!|\?=|(?!\?)))|(?P<close>\))|(?P<bar>\|)
    |(?P<count>[?*+]|\{(?P<least>\d+)(?P<to>,(?P<most>\d*))?\})(?P<manner>[?+]?)
    |(?P<atom>\\[sSdDwWrnt]|\\[pP]\{\^?\w+\}|\\[^\w\s]|\[(?:\\.|[^\\\]\[&]|&(?!&))+\]|[^\\^$()\[\]{}|?*+])""",
    re.VERBOSE | re.DOTALL,
)
_ONLY_WHITESPACE = re.compile(r"\\[srnt]|[ \r\n\t]|\[(?:\\[srnt]|[ \r\n\t])+\]")
_FOLDED_TOGETHER = ("ss", "st", "ff", "fi", "fl")
"""Letters for which, case aside, one character can stand."""


class _Unread(ValueError):
    """The pattern holds something that is not read here."""


@dataclass(slots=True)
class _Part:
    """Some part of a pattern, by the positions a match of it can begin and end with."""

    nullable: bool
    first: set[int]
    last: set[int]
    single: bool = False
    """Whether every character that fits its one position is a match."""


@dataclass(slots=True)
class CutPattern:
    """A pattern that was read.

    Attributes:
        atoms: Its positions, each the part of the pattern that fits one character.
        looks: Parts that are only looked at, ahead.
        follows: Pairs of positions that may fit neighbouring characters of a match.
        first: Positions a match can begin with.
        singles: Positions that are a whole branch: what fits one is a match, alone or repeated.
        nullable: Whether an empty match is possible.
    """

    atoms: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    follows: set[tuple[int, int]] = field(default_factory=set)
    first: set[int] = field(default_factory=set)
    singles: set[int] = field(default_factory=set)
    nullable: bool = False

    @property
    def classes(self) -> set[str]:
        """Every part that looks at a character: two characters that fit the same ones are cut alike."""
        return {*self.atoms, *self.looks}

    def behind_marks(self) -> tuple[set[str], set[str]]:
        r"""Return punctuation marks of the pattern, and the parts that decide in text that holds none of these marks.

        The letters of `'s` are no part that matters where there is no apostrophe: no match gets as far.

        Example:
            >>> marks, parts = read_pattern(r"'s|\w+").behind_marks()
            >>> sorted(marks), sorted(parts)
            (["'"], ["'", '\\w'])
        """
        marks = {at for at, atom in enumerate(self.atoms) if re.fullmatch(r"[^\w\s]|\(\?i:[^\w\s]\)", atom)}
        behind = set(range(len(self.atoms))) - self.first - marks
        while loose := {right for left, right in self.follows if right in behind and left not in behind | marks}:
            behind -= loose
        gates = {self.atoms[left] for left, right in self.follows if right in behind and left in marks}
        return gates, {atom for at, atom in enumerate(self.atoms) if at not in behind} | set(self.looks)

    def independent_at_spaces(self, holds: Holds) -> bool:
        """Return whether text before a space that follows other than white space is matched as if it ended there.

        Then text from that space on is matched as if it began there, too, because nothing looks back.

        Source: own. No match may hold a space behind a character that is no white space; what looks ahead may not
        look for a space, so that the space and the end of a text are the same to it.
        """
        space = {at for at, atom in enumerate(self.atoms) if holds(atom, " ")}
        black = {at for at, atom in enumerate(self.atoms) if not _ONLY_WHITESPACE.fullmatch(atom)}
        across = any(left in black and right in space for left, right in self.follows)
        return not (self.nullable or across or any(holds(atom, " ") for atom in self.looks))

    def cuts_at_spaces(self, holds: Holds) -> bool:
        """Return whether, besides, a match begins at every such space, so that text is cut there."""
        return self.independent_at_spaces(holds) and any(holds(self.atoms[at], " ") for at in self.singles)


def read_pattern(pattern: str) -> CutPattern | None:
    r"""Read a regular expression; None where it holds something whose meaning depends on more than one character.

    Example:
        >>> holds = lambda atom, character: re.fullmatch(atom, character) is not None
        >>> read_pattern(r" ?\w+|\s+(?!\S)|\s+").cuts_at_spaces(holds)
        True
        >>> read_pattern(r"\w[\w ]*|\s+").cuts_at_spaces(holds), read_pattern(r"\bword")
        (False, None)

    Source: Glushkov 1961 (positions and what follows them); the syntax is that of Oniguruma.
    """
    try:
        return _Reader(pattern).read()
    except _Unread:
        return None


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.made = CutPattern()
        self.pieces = list(_PIECE.finditer(pattern))
        if "".join(piece.group() for piece in self.pieces) != pattern:
            raise _Unread(pattern)
        self.at = 0

    def read(self) -> CutPattern:
        """Return the whole pattern's positions; `_Unread` where a part of it is not understood."""
        whole, self.made.singles = self._branches(fold=False)
        if self.at < len(self.pieces):
            raise _Unread("a bracket closes that was not opened")
        self.made.first, self.made.nullable = whole.first, whole.nullable
        self._refuse_joint_folds()
        return self.made

    def _next(self, kind: str) -> re.Match[str] | None:
        if self.at < len(self.pieces) and self.pieces[self.at][kind] is not None:
            self.at += 1
            return self.pieces[self.at - 1]
        return None

    def _branches(self, *, fold: bool) -> tuple[_Part, set[int]]:
        """Read branches up to a closing bracket or the end; return them and the single positions among them."""
        branches = [self._branch(fold=fold)]
        while self._next("bar"):
            branches.append(self._branch(fold=fold))
        first = set().union(*(part.first for part in branches))
        last = set().union(*(part.last for part in branches))
        singles = {at for part in branches if part.single for at in part.first}
        return _Part(any(part.nullable for part in branches), first, last), singles

    def _branch(self, *, fold: bool) -> _Part:
        parts = []
        while (part := self._repeated(fold=fold)) is not None:
            parts.append(part)
        whole = _Part(True, set(), set())
        for part in parts:
            self.made.follows |= {(left, right) for left in whole.last for right in part.first}
            whole.first |= part.first if whole.nullable else set()
            whole.last = part.last | (whole.last if part.nullable else set())
            whole.nullable = whole.nullable and part.nullable
        whole.single = len(parts) == 1 and parts[0].single
        return whole

    def _repeated(self, *, fold: bool) -> _Part | None:
        part = self._one(fold=fold)
        if part is None or not (count := self._next("count")):
            return part
        if (count["manner"] and count["least"]) or self._next("count"):
            raise _Unread("a count of a count")
        least = int(count["least"]) if count["least"] else int(count["count"] == "+")
        if count["count"] != "?":
            self.made.follows |= {(left, right) for left in part.last for right in part.first}
        alone = part.single and least <= 1
        return _Part(part.nullable or least == 0, part.first, part.last, alone)

    def _one(self, *, fold: bool) -> _Part | None:
        if atom := self._next("atom"):
            return self._position(atom.group(), fold=fold)
        if not (opened := self._next("open")):
            return None
        kind = opened.group()
        if kind in ("(?!", "(?="):
            part = self._look(fold=fold)
        else:
            part, _singles = self._branches(fold=fold or kind == "(?i:")
        if not self._next("close"):
            raise _Unread("a bracket is not closed")
        return part

    def _look(self, *, fold: bool) -> _Part:
        atom = self._next("atom")
        if atom is None or fold:
            raise _Unread("looks at more than one character")
        self.made.looks.append(atom.group())
        return _Part(True, set(), set())

    def _position(self, atom: str, *, fold: bool) -> _Part:
        if fold and not (len(atom) == 1 and atom.isascii()):
            raise _Unread("only letters are folded")
        self.made.atoms.append(f"(?i:{atom})" if fold else atom)
        here = {len(self.made.atoms) - 1}
        return _Part(False, here, here, single=True)

    def _refuse_joint_folds(self) -> None:
        letters = [atom[4:-1].lower() if atom.startswith("(?i:") else "" for atom in self.made.atoms]
        if any(letters[left] + letters[right] in _FOLDED_TOGETHER for left, right in self.made.follows):
            raise _Unread("letters that fold together")
