"""Add rows to a synthetic checkpoint of two gigabytes: time against copying its file, and peak memory.

    python bench/vocabulary/surgery.py [--gigabytes 2] [--folder DIR] [--repeats 5]

Interleaved: a copy of the weights file, then the surgery: 8,192 new tokens in two untied bf16 matrices of 128,256
rows, each the mean of three of 4,096 old rows. Each runs in a process of its own; medians and their ratio are printed,
in seconds on the clock and in processor seconds, on which other work tells less. Both end when the kernel has taken
the last byte: neither waits for the disk, which sealing a stage does later for every file alike. The source is in the
page cache for both; four gigabytes are filled and freed before each run, because a virtual machine's first use of a
page takes ten times as long as the next. Surgery also looks at every value of both matrices, before it writes.
The aims: within 1.5 times of the copy, under 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, WIDTH, NEW = 128_256, 2048, 8192


def make(folder: Path, gigabytes: float) -> None:
    """Write a checkpoint: two embedding matrices, the rest in layers of 64 MB."""
    import numpy as np

    from newtongue.adapters.hf.safetensors_file import NewTensor, encode, write_file

    block = encode(np.random.default_rng(0).standard_normal((1024, WIDTH)).astype(np.float32), "BF16")

    def blocks(rows: int) -> list[bytes]:
        return [block[: min(1024, rows - at) * WIDTH * 2] for at in range(0, rows, 1024)]

    layers = max(1, int((gigabytes * 1e9 - 4 * ROWS * WIDTH) / (16384 * WIDTH * 2)))
    tensors = {"model.embed_tokens.weight": NewTensor("BF16", (ROWS, WIDTH), blocks(ROWS))}
    for n in range(layers):
        tensors[f"model.layers.{n}.mlp.up_proj.weight"] = NewTensor("BF16", (16384, WIDTH), blocks(16384))
    tensors["lm_head.weight"] = NewTensor("BF16", (ROWS, WIDTH), blocks(ROWS))
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "model.safetensors", tensors, {"format": "pt"})
    config = {"model_type": "llama", "vocab_size": ROWS, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def operate(source: Path, target: Path) -> None:
    """Add the rows."""
    import numpy as np

    from newtongue.adapters.hf.checkpoint import open_checkpoint, rewrite, write_config
    from newtongue.adapters.hf.embeddings import RowPlan, grow_checkpoint
    from newtongue.methods.embedding_init import subword_mean

    init = subword_mean(np.random.default_rng(1).integers(0, 4096, (NEW, 3)).tolist(), ROWS)
    start = time.perf_counter(), time.process_time()
    before = open_checkpoint(source)
    changes = grow_checkpoint(before, (init, init), RowPlan(ROWS + NEW, np.arange(ROWS, ROWS + NEW)), str)
    rewrite(before, changes, target, link=False)
    write_config(before, target, ROWS + NEW)
    print_figures(*start)


def copy(source: Path, target: Path) -> None:
    """Copy the weights."""
    target.mkdir()
    start = time.perf_counter(), time.process_time()
    shutil.copyfile(source / "model.safetensors", target / "model.safetensors")
    print_figures(*start)


def print_figures(clock: float, processor: float) -> None:
    seconds, busy = time.perf_counter() - clock, time.process_time() - processor
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "busy": busy, "peak_kb": peak_kb}))


def take_memory() -> None:
    """Fill memory and give it back, so that no run pays for pages that a virtual machine has to ask its host for."""
    subprocess.run([sys.executable, "-c", "import numpy; numpy.ones(4 * 10**9, numpy.uint8)"], check=True)


def child(what: str, source: Path, target: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", what, str(source), str(target)]
    try:
        take_memory()
        return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    finally:
        shutil.rmtree(target, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, source, target = options.child
        {"copy": copy, "operate": operate}[what](Path(source), Path(target))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        source = Path(place) / "source"
        make(source, options.gigabytes)
        size = (source / "model.safetensors").stat().st_size
        child("copy", source, Path(place) / "warm")
        found: dict[str, list[dict[str, float]]] = {"copy": [], "operate": []}
        for _repeat in range(options.repeats):
            for what, runs in found.items():
                runs.append(child(what, source, Path(place) / what))
        peak = max(run["peak_kb"] for run in found["operate"]) / 2**20
        print(f"{size / 1e9:.2f} GB, {NEW:,} new rows in two matrices of {ROWS:,} x {WIDTH:,}, bf16")
        for key, name in (("seconds", "on the clock"), ("busy", "of processors")):
            copied, operated = (statistics.median(run[key] for run in runs) for runs in found.values())
            print(
                f"seconds {name}: copy {copied:.2f}, surgery {operated:.2f}, ratio {operated / copied:.2f} (aim: 1.5)"
            )
        print(f"peak {peak:.2f} GiB (aim: below 1), medians of {options.repeats}")


if __name__ == "__main__":
    main()
