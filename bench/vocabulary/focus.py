"""FOCUS against its reference, and at full size against the bare matrix product it contains.

    python bench/vocabulary/focus.py --peer PYTHON          PYTHON of an environment with deepfocus 1.0.1
    python bench/vocabulary/focus.py --large [--rows 32768]

The first runs the core (cosines, sparsemax, combination) of both on the same random vectors, 256 new tokens,
60,000 candidates, 300 values, interleaved, and prints medians on the clock and in processor seconds (on which other
work tells less), their ratios (aim: at least 50) and the largest difference.
The second runs 32,768 x 131,072 x 300 and the product alone, both with all cores, interleaved, prints medians, their
ratio (aim: at most 1.5), peak memory (aim: below 4 GiB), and compares support and weights of sampled rows with a full
sort in fp64.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, HIDDEN = 300, 64
PEER = """
import json, sys, time
from types import SimpleNamespace
import numpy as np, torch
from deepfocus.focus import focus_additional_token_initialization as core
torch.set_num_threads(int(sys.argv[3]))
data = np.load(sys.argv[1])
new, old, rows = data["new"], data["old"], data["rows"]
token = lambda vector, **more: SimpleNamespace(auxiliary_embedding=vector, **more)
overlap = {str(i): token(old[i], source_embedding=torch.from_numpy(rows[i])) for i in range(len(old))}
fresh = {str(i): token(new[i], target=SimpleNamespace(id=i)) for i in range(len(new))}
few = dict(list(fresh.items())[:2])
core(few and dict(list(overlap.items())[:100]), few, torch.zeros(len(new), rows.shape[1]))
start = time.perf_counter(), time.process_time()
made = core(overlap, fresh, torch.zeros(len(new), rows.shape[1]))
seconds = time.perf_counter() - start[0], time.process_time() - start[1]
np.save(sys.argv[2], made.numpy())
print(json.dumps(seconds))
"""


def vectors(new: int, old: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors in clusters, as trained ones lie, and rows to combine."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((2000, WIDTH)).astype(np.float32)
    made = []
    for count in (new, old):
        noise = rng.standard_normal((count, WIDTH), dtype=np.float32)
        made.append(centres[rng.integers(0, 2000, count)] + 1.5 * noise)
    return made[0], made[1], rng.standard_normal((old, HIDDEN)).astype(np.float32)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ours(new: np.ndarray, old: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    from newtongue.methods.similarity_init import AuxiliaryVectors, focus

    start = time.perf_counter(), time.process_time()
    init = focus(AuxiliaryVectors(new, old, np.arange(len(old)), len(old)), threads=cores())
    nothing = np.zeros(rows.shape[1], np.float32)
    made = init.rows(rows[init.support()], rows.mean(0) if init.reads_mean else nothing, np.zeros(0, np.float32))
    return made, (time.perf_counter() - start[0], time.process_time() - start[1])


def against_reference(peer: str, repeats: int) -> None:
    new, old, rows = vectors(256, 60_000)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.npz", Path(folder) / "made.npy"
        np.savez(data, new=new, old=old, rows=rows)
        times: dict[str, list[tuple[float, float]]] = {"ours": [], "deepfocus": []}
        difference = 0.0
        ours(new[:8], old[:500], rows[:500])
        for _repeat in range(repeats):
            made, seconds = ours(new, old, rows)
            times["ours"].append(seconds)
            command = [peer, "-c", PEER, str(data), str(out), str(cores())]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times["deepfocus"].append(tuple(json.loads(done.stdout.splitlines()[-1])))
            difference = max(difference, float(np.abs(made - np.load(out)).max()))
    print(f"256 x 60,000 x {WIDTH}, medians of {repeats}, largest difference {difference:.1e}")
    for at, kind in enumerate(("on the clock", "of processors")):
        mine, theirs = (statistics.median(pair[at] for pair in found) for found in times.values())
        print(f"seconds {kind}: ours {mine:.2f}, deepfocus {theirs:.2f}, ratio {theirs / mine:.0f} (aim: at least 50)")


def bare_product(new: np.ndarray, old: np.ndarray) -> float:
    """Multiply in large blocks with all cores, results dropped."""
    from newtongue.methods.similarity_init import BLOCK_SCORES, unit

    first, second = unit(new)[0], unit(old)[0]
    step = BLOCK_SCORES // len(old)
    block = np.empty((step, len(old)), np.float32)
    start = time.perf_counter()
    for at in range(0, len(first), step):
        some = first[at : at + step]
        np.matmul(some, second.T, out=block[: len(some)])
    return time.perf_counter() - start


def large(rows: int, candidates: int, repeats: int) -> None:
    from newtongue.methods.similarity_init import AuxiliaryVectors, focus

    new, old, _rows = vectors(rows, candidates)
    ours(new[:8], old[:500], old[:500])
    bare, seconds = [], []
    for _repeat in range(repeats):
        bare.append(bare_product(new, old))
        start = time.perf_counter()
        init = focus(AuxiliaryVectors(new, old, np.arange(candidates), candidates), threads=cores())
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    product, whole = statistics.median(bare), statistics.median(seconds)
    rate = 2 * rows * candidates * WIDTH / product / 1e9
    print(
        f"{rows:,} x {candidates:,} x {WIDTH}, medians of {repeats}: {whole:.1f} s; bare product {product:.1f} s "
        f"({rate:.0f} GFLOP/s); support {len(init.data) / rows:.0f} on average"
    )
    print(f"ratio {whole / product:.2f} (aim: at most 1.5), peak memory {peak:.2f} GiB (aim: below 4)")
    check(init, new, old)


def check(init: object, new: np.ndarray, old: np.ndarray) -> None:
    """Compare sampled rows with sparsemax by a full sort of the same scores."""
    from newtongue.methods.similarity_init import unit

    units, worst, wrong = unit(old)[0], 0.0, 0
    sampled = np.random.default_rng(1).integers(0, len(new), 64)
    for token in sampled:
        scores = (unit(new[token : token + 1])[0] @ units.T)[0].astype(np.float64)
        ordered = np.sort(scores)[::-1]
        sums = np.cumsum(ordered)
        size = int((1 + np.arange(1, len(ordered) + 1) * ordered > sums).sum())
        weights = np.maximum(scores - (sums[size - 1] - 1) / size, 0)
        found = dict(init.row(int(token)))  # type: ignore[attr-defined]
        clear = {int(i) for i in np.flatnonzero(weights > 1e-6)}
        wrong += bool(clear - found.keys()) or any(weights[i] == 0 and w > 1e-6 for i, w in found.items())
        worst = max(worst, max(abs(weights[i] - w) for i, w in found.items()))
    print(f"{len(sampled)} sampled rows: {wrong} with another support, weights differ by at most {worst:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="python of an environment with deepfocus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--rows", type=int, default=32_768)
    parser.add_argument("--candidates", type=int, default=131_072)
    options = parser.parse_args()
    if not options.peer and not options.large:
        sys.exit("give --peer PYTHON or --large")
    if options.peer:
        against_reference(options.peer, options.repeats)
    if options.large:
        large(options.rows, options.candidates, options.repeats)


if __name__ == "__main__":
    main()
