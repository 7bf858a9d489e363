"""How often the first call of a vector function is wrong in one thread's share: `first_call.py 15000`.

Each trial is a fresh process with two threads that calls a function twice on the same numbers. Before the last
column every function was called once on one number, as the product does it.
"""

from __future__ import annotations

import os
import sys

import torch

from newtongue.adapters.hf.vector_math import settle_vector_math


def differs(name: str, settled: bool) -> bool:
    """Say whether a fresh process answers differently at the first call than at the second."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    torch.set_num_threads(2)
    if settled:
        settle_vector_math()
    numbers = torch.rand(17_600) * 5 + 0.5
    torch.ones(200_000).add_(1)  # the threads are there
    function = getattr(torch, name)
    os._exit(int(not torch.equal(function(numbers), function(numbers))))


def main() -> None:
    """Print one line per function."""
    trials = int(sys.argv[1])
    for name in ("cos", "exp"):
        plain, settled = (sum(differs(name, way) for _ in range(trials)) for way in (False, True))
        print(f"{name}: of {trials:,} processes {plain} differ, {settled} after a first call on one number", flush=True)


if __name__ == "__main__":
    main()
