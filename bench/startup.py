"""Wall time of commands that must feel instant: the median of eleven fresh processes each.

    python bench/startup.py

The aims: `newtongue --help` under 0.3 s, `newtongue plan` under 1 s, on one laptop core.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

REPEATS = 11
COMMANDS = (("--help",), ("explain", "pretrain"), ("plan", "demo"))


def seconds(arguments: tuple[str, ...], folder: str) -> float:
    """Return the wall time of one command in a fresh process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "newtongue.cli.main", *arguments], cwd=folder, capture_output=True, check=True
    )
    return time.perf_counter() - start


def main() -> None:
    """Print one line per command."""
    with tempfile.TemporaryDirectory() as folder:
        for arguments in COMMANDS:
            seconds(arguments, folder)
            times = sorted(seconds(arguments, folder) for _ in range(REPEATS))
            print(
                f"newtongue {' '.join(arguments)}: {statistics.median(times):.3f} s ({times[0]:.3f} to {times[-1]:.3f})"
            )


if __name__ == "__main__":
    main()
