"""Ten thousand paired bootstraps of two thousand items: seconds, ours beside resampling one draw at a time.

    python bench/evaluation/bootstrap.py [--items 2000] [--draws 10000]

One thread. The bar is 0.5 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from newtongue.methods.bootstrap import difference_of_ratios, interval

LIMIT_SECONDS = 0.5
ROUNDS = 5


def main() -> int:
    """Time both, interleaved; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=10_000)
    asked = parser.parse_args()
    generator = np.random.default_rng(0)
    columns = np.column_stack([generator.random((asked.items, 2)), np.ones(asked.items)])
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: interval(columns, difference_of_ratios, draws=asked.draws, seed=0)))
        plain.append(seconds(lambda: one_by_one(columns, asked.draws)))
    median, slow = statistics.median(ours), statistics.median(plain)
    print(f"{asked.draws:,} paired bootstraps of {asked.items:,} items: {median:.3f} s (limit {LIMIT_SECONDS} s)")
    print(f"one draw at a time with numpy: {slow:.3f} s, {slow / median:.1f} times as long")
    return int(median > LIMIT_SECONDS)


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_by_one(columns: np.ndarray, draws: int) -> np.ndarray:
    """Return the interval by resampling indices, draw after draw."""
    generator, count = np.random.default_rng(0), len(columns)
    found = [difference_of_ratios(columns[generator.integers(0, count, count)].sum(axis=0)) for _ in range(draws)]
    return np.quantile(found, [0.025, 0.975])


if __name__ == "__main__":
    sys.exit(main())
