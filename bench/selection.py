"""Speed of selection: clusters against scikit-learn, and a choice by marginal relevance against the plain greedy.

    OMP_NUM_THREADS=2 python bench/selection.py PEER_PYTHON [--rows 1000000] [--select 10000]

PEER_PYTHON is an interpreter with scikit-learn (`python -m venv sk && sk/bin/pip install scikit-learn==1.7.2`).
Vectors are made: 384 dimensions with a falling spectrum around two thousand topics of uneven size, like sentence
embeddings. Ours and the peer's run in turn, each in its own process. The plain greedy is measured on twenty choices
and extrapolated. The arithmetic floor is the multiply-adds of the work at the speed this machine multiplies matrices,
measured in the same minute.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

STARTED = [0.0]
"""Processor seconds when the vectors were made and the work began: they tell on a busy machine, too."""
DIMENSIONS, TOPICS, SEED, WEIGHT = 384, 2000, 42, 0.5


def vectors(rows: int) -> np.ndarray:
    """Unit vectors in float32, the same in every process."""
    draw = np.random.default_rng(SEED)
    scale = ((1 + np.arange(DIMENSIONS)) ** -0.5).astype(np.float32)
    topics = draw.standard_normal((TOPICS, DIMENSIONS), dtype=np.float32) * scale
    weights = (1 + np.arange(TOPICS)) ** -0.7
    made = np.empty((rows, DIMENSIONS), dtype=np.float32)
    for first in range(0, rows, 65536):
        last = min(rows, first + 65536)
        chosen = draw.choice(TOPICS, last - first, p=weights / weights.sum())
        made[first:last] = topics[chosen] + 0.8 * scale * draw.standard_normal(
            (last - first, DIMENSIONS), dtype=np.float32
        )
        made[first:last] /= np.linalg.norm(made[first:last], axis=1, keepdims=True)
    return made


def grid(rows: int) -> np.ndarray:
    from newtongue.methods.unit_grid import to_grid

    made = vectors(rows)
    found = np.empty(made.shape, dtype=np.int16)
    for first in range(0, rows, 65536):
        found[first : first + 65536] = to_grid(made[first : first + 65536])
    return found


def multiply_adds_per_second() -> float:
    """Speed of a large float32 product, the best of five."""
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal((4096, 4096), dtype=np.float32) for _ in range(2))
    best = min(_seconds(lambda: left @ right) for _ in range(5))
    return 4096**3 / best


def _seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def ours_cluster(rows: int, keep: int) -> dict[str, float]:
    """PCA, clusters and the choice: everything `mdaq_cluster` does once it has vectors and scores."""
    from newtongue.methods.clustering import cluster_count, inertia, kmeans, principal
    from newtongue.methods.quality import normalised_ranks
    from newtongue.methods.quotas import Quotas
    from newtongue.methods.selection import cluster_rounds

    points, scores = grid(rows), np.random.default_rng(1).random(rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    STARTED[0], start = time.process_time(), time.perf_counter()
    turned = principal(points, 0.95)
    rotated = time.perf_counter()
    labels = kmeans(turned, cluster_count(rows), SEED)
    clustered = time.perf_counter()
    order = cluster_rounds(normalised_ranks(scores, ["x"] * rows), labels, np.arange(rows))
    Quotas(keep).walk(order)
    end = time.perf_counter()
    facts = {"pca": rotated - start, "kmeans": clustered - rotated, "total": end - start, "dimensions": turned.shape[1]}
    return facts | {"inertia": inertia(turned, labels), "making_vectors_kb": before}


def peer_cluster(rows: int, keep: int, name: str) -> dict[str, float]:
    """PCA and k-means of scikit-learn on the same vectors."""
    from sklearn import cluster
    from sklearn.decomposition import PCA

    points = vectors(rows)
    STARTED[0], start = time.process_time(), time.perf_counter()
    turned = PCA(0.95, random_state=SEED).fit_transform(points)
    rotated = time.perf_counter()
    made = getattr(cluster, name)(math.isqrt(rows // 2), n_init=1, random_state=SEED).fit(turned)
    end = time.perf_counter()
    facts = {"pca": rotated - start, "kmeans": end - rotated, "total": end - start}
    return facts | {"inertia": float(made.inertia_), "iterations": float(made.n_iter_)}


def ours_mmr(rows: int, keep: int) -> dict[str, float]:
    from newtongue.methods.diversity import mmr
    from newtongue.methods.quotas import Quotas

    points, scores = grid(rows), np.random.default_rng(1).random(rows)
    STARTED[0], start = time.process_time(), time.perf_counter()
    chosen = mmr(points, scores, WEIGHT, Quotas(keep), np.arange(rows))
    return {"total": time.perf_counter() - start, "chosen": len(chosen)}


def plain_mmr(rows: int, keep: int) -> dict[str, float]:
    """The textbook greedy, cosines to the newest row for all rows each time; twenty choices, extrapolated."""
    points, scores = vectors(rows), np.random.default_rng(1).random(rows)
    nearest, taken = np.full(rows, -1, dtype=np.float32), []
    STARTED[0], start = time.process_time(), time.perf_counter()
    for _ in range(20):
        taken.append(int((WEIGHT * scores - (1 - WEIGHT) * nearest).argmax()))
        np.maximum(nearest, points @ points[taken[-1]], out=nearest)
        nearest[taken] = np.inf
    return {"total": (time.perf_counter() - start) / 20 * keep}


WORK = {
    "mdaq_cluster": ours_cluster,
    "MiniBatchKMeans": lambda rows, keep: peer_cluster(rows, keep, "MiniBatchKMeans"),
    "KMeans": lambda rows, keep: peer_cluster(rows, keep, "KMeans"),
    "mdaq_mmr": ours_mmr,
    "plain_mmr": plain_mmr,
}


def one(name: str, rows: int, keep: int) -> None:
    """Run one piece of work in this process and print its figures as JSON."""
    found = WORK[name](rows, keep)
    found["cpu"] = time.process_time() - STARTED[0]
    found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(found))


def run(python: str, name: str, rows: int, keep: int) -> dict[str, float]:
    command = [python, str(Path(__file__).resolve()), "--one", name, "--rows", str(rows), "--select", str(keep)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-500:]}")
    facts = json.loads(done.stdout.splitlines()[-1])
    print(f"{name:16} " + "  ".join(f"{key} {value:,.3g}" for key, value in facts.items()), flush=True)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", nargs="?", default=sys.executable)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--select", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--one", choices=WORK)
    parser.add_argument("--skip", nargs="*", default=[])
    given = parser.parse_args()
    if given.one:
        one(given.one, given.rows, given.select)
        return
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(given.repeats):
        for name in (name for name in WORK if name not in given.skip):
            python = given.peer if "KMeans" in name else sys.executable
            found.setdefault(name, []).append(run(python, name, given.rows, given.select))
    report(found, given.rows, given.select)


def report(found: dict[str, list[dict[str, float]]], rows: int, keep: int) -> None:
    """Print medians, ratios and the arithmetic floor."""
    middle = {
        name: {key: float(np.median([run[key] for run in runs])) for key in runs[0]} for name, runs in found.items()
    }
    speed = multiply_adds_per_second()
    ours, clusters = middle["mdaq_cluster"], math.isqrt(rows // 2)
    pca = rows * DIMENSIONS * (DIMENSIONS / 2 + ours["dimensions"])
    print(f"\n{rows:,} rows x {DIMENSIONS}, {clusters} clusters; {speed / 1e9:.0f} G multiply-adds/s (float32)")
    for peer in ("MiniBatchKMeans", "KMeans"):
        if peer in middle:
            same = ours["pca"] + ours["kmeans"]
            ratio, worse = middle[peer]["total"] / same, ours["inertia"] / middle[peer]["inertia"] - 1
            print(f"PCA and clusters against {peer}: {ratio:.1f} times faster, inertia {100 * worse:+.2f} %")
    one_pass = rows * clusters * ours["dimensions"]
    print(f"floor of PCA {pca / speed:.1f} s, of one assignment of all rows {one_pass / speed:.1f} s")
    if "plain_mmr" in middle and "mdaq_mmr" in middle:
        ratio = middle["plain_mmr"]["total"] / middle["mdaq_mmr"]["total"]
        print(f"mdaq_mmr against the plain greedy (extrapolated): {ratio:.1f} times faster")
    print(f"floor of a choice that looks at every pair {rows * keep * DIMENSIONS / speed:.0f} s")


if __name__ == "__main__":
    main()
