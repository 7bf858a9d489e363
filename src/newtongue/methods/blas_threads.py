"""How many threads a matrix product takes for itself, so that several products may run side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import numpy as np

PREFIXES = ("scipy_openblas_", "openblas_")
SUFFIXES = ("64_", "")
_lock = Lock()
_before: list[int] = []
"""What to go back to, once for each of those who want products of one thread at this moment."""


@contextmanager
def products_of_one_thread() -> Iterator[bool]:
    """Let each of numpy's products run in the thread that asks for it, and say whether they do.

    A product that spreads over all cores waits for every other one, and its threads keep cores busy for a while after
    it; products of one thread each do neither.

    Yields:
        False where numpy's algebra is not OpenBLAS, whose products then spread as they like.

    Source: `openblas_set_num_threads` of OpenBLAS's manual, found through the library that numpy has loaded (as the
    package threadpoolctl finds it).
    """
    found = thread_controls()
    if found is None:
        yield False
        return
    count, limit = found
    with _lock:
        _before.append(_before[0] if _before else count())
        limit(1)
    try:
        yield True
    finally:
        with _lock:
            threads = _before.pop()
            if not _before:
                limit(threads)


@cache
def thread_controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return how the loaded OpenBLAS is asked for its number of threads and told another one; None where it is none."""
    library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    for prefix in PREFIXES:
        for suffix in SUFFIXES:
            if hasattr(library, f"{prefix}set_num_threads{suffix}"):
                get, tell = (getattr(library, f"{prefix}{verb}_num_threads{suffix}") for verb in ("get", "set"))
                return get, tell
    return None
