"""Resume state on disk: whole or not there at all.

A checkpoint is a folder `step-N` that was written under another name, flushed and renamed; a kill at
any moment leaves the previous one. It holds what training changes (weights that learn, both moments
of the optimiser, sums for the log) as safetensors, and the rest as JSON. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from newtongue.core.manifest import sync_folder

TENSORS, FACTS = "state.safetensors", "trainer_state.json"
KEEP = 2


def write_checkpoint(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> Path:
    """Write `folder/step-N` in one indivisible move and drop all but the newest two.

    Args:
        folder: Where checkpoints live.
        step: Optimiser steps done.
        tensors: Name -> tensor on any device.
        facts: Plain JSON values; `global_step` is added.

    Returns:
        The finished checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft, final = folder / f"draft-{os.getpid()}", folder / f"step-{step:09d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, draft / TENSORS)
    (draft / FACTS).write_text(json.dumps({**facts, "global_step": step}), "utf-8")
    for place in (draft / TENSORS, draft / FACTS, draft):
        sync_folder(place)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(draft, final)
    sync_folder(folder)
    for old in _finished(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest finished checkpoint, or None; drafts left by a kill are removed."""
    for draft in folder.glob("draft-*"):
        shutil.rmtree(draft, ignore_errors=True)
    finished = _finished(folder)
    return finished[-1] if finished else None


def read_checkpoint(checkpoint: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors (on the CPU) and the facts of a checkpoint."""
    return load_file(checkpoint / TENSORS), json.loads((checkpoint / FACTS).read_text("utf-8"))


def _finished(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if (path / FACTS).is_file())
