"""A choice in one piece and from shards: seconds, processor seconds and memory, and how good what is kept is.

    OMP_NUM_THREADS=1 python bench/selection_shards.py FOLDER [--rows 1000000] [--keep 10000] [--method mdaq_cluster]
        [--ways whole plain native native2 ray2]

Vectors are those of `bench/selection.py`, made once in FOLDER and mapped from there. `native` and `ray` need Daft (and
Ray); the digit is the number of shards worked on at a time. Each way runs in a process of its own. Quality is the mean
rank of what is kept and the mean cosine of 20,000 rows to the nearest row kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from array import array
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from selection import grid

SHARDS = 4


def prepared(folder: Path, rows: int) -> Path:
    file = folder / f"vectors-{rows}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(file, grid(rows))
    return file


def one(folder: Path, way: str, given: argparse.Namespace) -> dict[str, object]:
    """Choose in one way and tell what it took."""
    from newtongue.methods.unit_grid import ONE, dots
    from newtongue.stages.select.choose import choose
    from newtongue.stages.select.config import SelectConfig
    from newtongue.stages.select.material import Material
    from newtongue.stages.select.pool import Facts

    rows, runner = given.rows, way.rstrip("0123456789")
    vectors = np.load(prepared(folder, rows), mmap_mode="r")
    scores = np.random.default_rng(1).random(rows)
    facts = Facts(languages=["x"] * rows, tasks=["x"] * rows, sources=["x"] * rows, lengths=array("d", bytes(8 * rows)))
    quality = scores.argsort().argsort() / (rows - 1)
    material = Material(facts, given.keep, scores, quality, np.random.default_rng(2).permutation(rows), vectors, [])
    settings = {"candidates": "$pool", "method": given.method, "keep": given.keep, "shard_rows": rows}
    if runner != "whole":
        engine = {"runner": runner, "processes": int(way[len(runner) :] or 1)}
        settings |= {"shard_rows": -(-rows // SHARDS), "engine": engine}
    context = SimpleNamespace(scratch=folder, progress=lambda *a, **k: None)
    start = time.perf_counter()
    choice = choose(SelectConfig.model_validate(settings), material, context)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sample, stay = vectors[:: rows // 20000], np.asarray(vectors[np.sort(choice.order)])
    near = np.concatenate([dots(sample[k : k + 500], stay).max(axis=1) for k in range(0, len(sample), 500)]) / ONE
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(sum(who.ru_utime + who.ru_stime for who in (own, others)), 1),
        "own_gib": round(own.ru_maxrss / 2**20, 2),
        "largest_child_gib": round(others.ru_maxrss / 2**20, 2),
        "mean_rank": round(float(quality[choice.order].mean()), 4),
        "mean_cosine": round(float(near.mean()), 4),
        "chosen": hashlib.sha256(np.array(choice.order).tobytes()).hexdigest()[:12],
    }


def _command(given: argparse.Namespace) -> list[str]:
    settings = ["--rows", str(given.rows), "--keep", str(given.keep), "--method", given.method]
    return [sys.executable, __file__, str(given.folder), *settings]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=int, default=10_000)
    parser.add_argument("--method", default="mdaq_cluster")
    parser.add_argument("--ways", nargs="+", default=["whole", "plain"])
    parser.add_argument("--one", action="store_true")
    given = parser.parse_args()
    if given.ways == ["none"]:
        prepared(given.folder, given.rows)
    elif given.one:
        print(json.dumps(one(given.folder, given.ways[0], given)), flush=True)
    else:
        compare(given)


def compare(given: argparse.Namespace) -> None:
    """Run every way in a process of its own and print what each tells."""
    subprocess.run([*_command(given), "--ways", "none", "--one"], check=True)
    for way in given.ways:
        done = subprocess.run([*_command(given), "--ways", way, "--one"], capture_output=True, text=True, check=False)
        print(f"{way:8} {done.stdout.strip() or done.stderr[-600:]}", flush=True)


if __name__ == "__main__":
    main()
