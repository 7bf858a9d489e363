"""Threads for arithmetic on the CPU."""

from __future__ import annotations

import os

import torch

from newtongue.adapters.hf.vector_math import settle_vector_math


def use_threads(threads: int | None) -> None:
    """Use this many CPU threads; None takes what OMP_NUM_THREADS says, else every core this process may use."""
    if threads is None:
        named = os.environ.get("OMP_NUM_THREADS", "")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = int(named) if named.isdigit() and int(named) > 0 else cores
    torch.set_num_threads(threads)
    settle_vector_math()
