"""Kill one worker of a sharded run, without warning, once its work has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from newtongue.adapters.llm.shards import WORKER

RAY_WORKER = "ray::run_shard"
KILL_AFTER = 12
"""Requests that have arrived when a worker is killed."""


def kill_one(arrived: Counter[str], named: str, killed: list[int], over: threading.Event) -> None:
    """Kill the first process of that name that is found after enough requests have arrived."""
    while not killed and not over.is_set():
        children = ["-P", str(os.getpid())] if named == WORKER else []
        found = subprocess.run(["pgrep", *children, "-f", named], capture_output=True, text=True).stdout.split()
        if found and arrived.total() >= KILL_AFTER:
            killed.append(int(found[0]))
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.02)


@contextmanager
def killing(arrived: Counter[str], named: str = WORKER) -> Iterator[None]:
    """Kill one worker in the time of the block; there must have been one.

    Args:
        arrived: Request -> how often it came, as the server counts.
        named: Part of the worker's command line.
    """
    killed: list[int] = []
    over = threading.Event()
    killer = threading.Thread(target=kill_one, args=(arrived, named, killed, over))
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()
    assert killed, "nobody was killed"
