"""Word vectors in text files: one entry per line, its values behind it, an optional first line with both sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Entries and their vectors.

    Attributes:
        words: Entries in the order of the file, usually the most frequent first.
        vectors: One row each, fp32.
    """

    words: list[str]
    vectors: NDArray[np.float32]


def read_word_vectors(file: Path, most: int = 200_000) -> WordVectors:
    """Read the first entries of a file in the text format of word2vec and fastText (`.vec`).

    Args:
        file: The file, UTF-8.
        most: Entries read at most.

    Raises:
        DataError: A line has another number of values than the first, or one that is not a finite number.
    """
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    for number, line in _lines(file):
        word, *values = line.rstrip("\n").rstrip(" ").rsplit(" ", len(rows[0]) if rows else line.count(" "))
        try:
            row = np.asarray([float(value) for value in values], np.float32)
        except ValueError:
            row = np.zeros(0, np.float32)
        if not len(row) or (rows and len(row) != len(rows[0])) or not np.isfinite(row).all():
            raise DataError(
                f"line {number} is no word with {len(rows[0]) if rows else 'its'} values",
                place=str(file),
                expected="a word and the same number of finite values on every line, separated by single spaces",
                fix="write the vectors in the text format of word2vec (.vec)",
            )
        words.append(word)
        rows.append(row)
        if len(words) == most:
            break
    if not words:
        raise DataError("the file holds no vectors", place=str(file))
    return WordVectors(words, np.stack(rows))


def read_word_pairs(file: Path) -> list[tuple[str, str]]:
    """Read word pairs, separated by a tab, one per line.

    Raises:
        DataError: A line has no tab, or there is no pair.
    """
    pairs = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        first, tab, second = line.strip().partition("\t")
        if line.strip() and not (tab and second.strip()):
            raise DataError(f"line {number} holds no tab-separated pair of words", place=str(file))
        if line.strip():
            pairs.append((first.strip(), second.strip()))
    if not pairs:
        raise DataError("the file holds no word pairs", place=str(file))
    return pairs


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) without the line of sizes."""
    with open(file, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            sizes = line.split()
            if number == 1 and len(sizes) == 2 and all(size.isdigit() for size in sizes):
                continue
            if line.strip():
                yield number, line
