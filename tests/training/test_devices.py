"""Two processes under torchrun train as one does: same weights up to rounding, same bytes after kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from newtongue.adapters.training.devices import Devices, join
from newtongue.core.errors import DataError
from newtongue.stages.sft.config import SftConfig

SETTINGS = (
    "sequence_length=32", "tokens_per_step=288", "learning_rate=5e-3", "device=cpu", "dtype=float32",
)  # fmt: skip


def stage(name: str, out: Path, folder: Path, *settings: str) -> subprocess.Popen[bytes]:
    """Start `newtongue stage` in its own process group."""
    chosen = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    command = [sys.executable, "-m", "newtongue.cli.main", "stage", name, *chosen, "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def finished(process: subprocess.Popen[bytes]) -> str:
    said = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, said
    return said


def trained(out: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Return weights and training log of a finished stage."""
    log = (out / "model" / "training_log.jsonl").read_text().splitlines()
    return load_file(out / "model" / "model.safetensors"), [json.loads(line) for line in log]


def assert_near(one: Path, other: Path) -> None:
    (first, log), (second, other_log) = trained(one), trained(other)
    assert all(torch.allclose(weight, second[name], atol=5e-5) for name, weight in first.items())
    for line, same in zip(log, other_log, strict=True):
        assert line["loss"] == pytest.approx(same["loss"], abs=1e-4)
        assert {name: facts["sequences"] for name, facts in line["sources"].items()} == {
            name: facts["sequences"] for name, facts in same["sources"].items()
        }


@pytest.fixture
def folder(tmp_path: Path, pico_model: Callable[..., Path], corpus_file: Path) -> Path:
    """Return a folder with `base`, `corpus.jsonl` and `rows.jsonl`."""
    (tmp_path / "base").symlink_to(pico_model())
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"چکی {n}؟"},
                {"role": "assistant", "content": "دریا " * (1 + n % 5)},
            ]
        }
        for n in range(21)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return tmp_path


PRETRAIN = (
    "model=./base", "corpus=./corpus.jsonl", "tokens=14400", "dropout=0.1", "replay.corpus=./corpus.jsonl",
    "replay.share=0.3", "distillation.model=./base", "save_every_seconds=0.1",
)  # fmt: skip


def test_two_processes_are_as_one_and_survive_a_kill(folder: Path) -> None:
    """Each step has nine sequences: one process gets a tenth that carries no loss."""
    for count in (1, 2):
        finished(stage("pretrain", folder / f"with-{count}", folder, *PRETRAIN, f"devices={count}"))
    assert_near(folder / "with-1", folder / "with-2")
    whole, killed = folder / "with-2", folder / "killed"
    process = stage("pretrain", killed, folder, *PRETRAIN, "devices=2")
    wait_for(lambda: list(killed.glob(".scratch/checkpoints/step-*")), process)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not any(map(alive, workers)))
    assert len(workers) >= 3, "torchrun and two processes"
    finished(stage("pretrain", killed, folder, *PRETRAIN, "devices=2"))
    files = ["model.safetensors", "training_log.jsonl"]
    assert all((whole / "model" / name).read_bytes() == (killed / "model" / name).read_bytes() for name in files)


def test_conversations_with_adapters(folder: Path) -> None:
    settings = ("model=./base", "data=./rows.jsonl", "epochs=2", "lora.rank=2", "lora.rows=all", "micro_batch=3")
    for count in (1, 2):
        finished(stage("sft", folder / f"with-{count}", folder, *settings, f"devices={count}"))
    assert_near(folder / "with-1", folder / "with-2")


def wait_for(come: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + 120
    while not come():
        assert process is None or process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Return the processes below one, all generations."""
    found = []
    for child in _below(pid):
        found += [child, *children(child)]
    return found


def _below(pid: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            yield int(status.parent.name)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_process_gets_as_many_rows_of_like_length() -> None:
    lengths, seen = np.array([3, 5, 5, 8, 9]), []
    for rank in range(2):
        devices = Devices(torch.device("cpu"), rank, 2)
        assert devices.longest(lengths).tolist() == [3, 5, 9]
        seen.append(devices.share(lengths[:, None], filler=-100)[:, 0].tolist())
    assert seen == [[-100, 5, 8], [3, 5, 9]]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="2 processes should train together, 1 were started"):
        join("cpu", 2)
    with pytest.raises(ValueError, match="needs devices: 1"):
        SftConfig(model="./m", data="./d", devices=2, embedding_rows="new")
