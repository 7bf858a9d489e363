"""In whose name attempts are open: a process, told apart from later ones of its number, or a batch file."""

from __future__ import annotations

from typing import Final

from newtongue.core.process import is_alive, started

BATCH: Final = "batch/"
"""How the holder of attempts in a batch file begins: they are open until its results are read, whoever lives."""


def holder_of(pid: int) -> str:
    """Return a name for a process that is not reused when its number is."""
    return f"{pid}:{started(pid)}"


def lives(holder: str) -> bool:
    """Return whether a holder may still settle what it has in flight."""
    if holder.startswith(BATCH):
        return True
    pid, _, since = holder.partition(":")
    return is_alive(int(pid), since.partition(":")[0])
