"""Start the offline teacher as a child process, wait until it answers, and end it with the work."""

from __future__ import annotations

import hashlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import IO, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from newtongue.core.errors import ProviderError

START_SECONDS: Final = 60.0
"""Time the child has to start and to answer."""
MODULE: Final = "newtongue.tools.teacher"
VERSION: Final = b"1"
"""Raised by hand when the stand-in's code gives other answers to the same request."""


@cache
def edition(language: str) -> str:
    """Return a short hash of the stand-in's wordings in a language: answers of another edition are other answers.

    Example:
        >>> len(edition("urd_Arab"))
        8
    """
    sample = files("newtongue") / "assets" / "sample"
    parts = [sample / f"{name}.{language}.json" for name in ("teacher", "wordings")]
    content = b"".join(part.read_bytes() for part in parts if part.is_file())
    return hashlib.sha256(VERSION + content).hexdigest()[:8]


@contextmanager
def offline_teacher() -> Iterator[str]:
    """Run the stand-in teacher on a free loopback port; give its base url (up to `/v1`).

    The child watches its standard input and ends at once when this process does, however it ends.

    Raises:
        ProviderError: It did not start or did not answer in time.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=True
    )
    assert child.stdin and child.stdout
    try:
        deadline = time.monotonic() + START_SECONDS
        url = _first_line(child.stdout, deadline)
        _wait_for_health(url, deadline)
        yield url
    finally:
        child.stdin.close()
        child.terminate()
        child.wait(10)
        child.stdout.close()


def _first_line(stream: IO[str], deadline: float) -> str:
    ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
    line = stream.readline().strip() if ready else ""
    if not line:
        raise _failed("it did not say where it listens")
    return line


def _wait_for_health(url: str, deadline: float) -> None:
    opener = build_opener(ProxyHandler({}))
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{url.removesuffix('/v1')}/health", timeout=5) as response:
                if json.load(response).get("newtongue_offline"):
                    return
        except (URLError, OSError, ValueError):
            time.sleep(0.05)
    raise _failed("it did not answer /health")


def _failed(why: str) -> ProviderError:
    return ProviderError(
        f"the offline teacher did not start: {why} (it has {START_SECONDS:.0f} s)",
        fix=f"run `{sys.executable} -m {MODULE}` to see its own message",
    )
