"""How many of the rows accepted so far came from each of the first requests, for the estimate of what a row costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from newtongue.stages.synth.books import Books

NAME_CHARACTERS = 16
"""Of a request's key, with which the names of its rows begin."""


def rows_per_request(keys: Sequence[str], books: Books) -> list[int]:
    """Return accepted rows per request; spread evenly where the names of rows do not tell.

    Args:
        keys: Keys of the requests that are watched.
        books: What became of every row so far.
    """
    rows = Counter(row.id[:NAME_CHARACTERS] for row in books.accepted)
    named = [rows[key[:NAME_CHARACTERS]] for key in keys]
    accepted = len(books.accepted)
    if sum(named) or not accepted:
        return named
    share = accepted * len(keys) // max(1, books.requests)
    return [share // len(keys) + (number < share % len(keys)) for number in range(len(keys))]
