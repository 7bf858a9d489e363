"""What a person sees while stages run: one live line on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from newtongue.core.secrets import redact


class Reporter(Protocol):
    """Told what the runner does."""

    def line(self, text: str) -> None:
        """Show one finished fact."""

    def progress(self, stage: str, done: float, total: float | None, unit: str, note: str) -> None:
        """Show how far a stage is."""


def duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> duration(75), duration(7300)
        ('1 min 15 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Silent:
    """Shows nothing; for libraries and tests."""

    def line(self, text: str) -> None:
        """Show nothing."""

    def progress(self, stage: str, done: float, total: float | None, unit: str, note: str) -> None:
        """Show nothing."""


class Terminal:
    """Shows a live line with rate and remaining time on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `stream`, by default standard error."""
        self.stream, self.clock = stream or sys.stderr, clock
        self.live = self.stream.isatty()
        self.stage, self.start, self.first, self.last = "", 0.0, 0.0, 0.0

    def line(self, text: str) -> None:
        """Write one line, over the live one."""
        self._write(text, end="\n")

    def progress(self, stage: str, done: float, total: float | None, unit: str, note: str) -> None:
        """Write rate and remaining time."""
        now = self.clock()
        if stage != self.stage:
            self.stage, self.start, self.first, self.last = stage, now, done, now
            return
        if now - self.last < (0.2 if self.live else 10.0):
            return
        self.last = now
        self._write(self._text(now, done, total, unit, note), end="" if self.live else "\n")

    def _write(self, text: str, end: str) -> None:
        self.stream.write(("\r\x1b[K" if self.live else "") + redact(text) + end)
        self.stream.flush()

    def _text(self, now: float, done: float, total: float | None, unit: str, note: str) -> str:
        rate = (done - self.first) / max(now - self.start, 1e-9)
        share = f" of {total:,.0f}" if total else ""
        rest = f", {duration((total - done) / rate)} left" if total and rate > 0 else ""
        return f"   {self.stage}: {done:,.0f}{share} {unit}, {rate:,.0f}/s{rest}{', ' + note if note else ''}"
