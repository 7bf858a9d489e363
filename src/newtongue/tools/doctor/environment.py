"""What this computer offers: Python, packages, processors, memory, disk. Imports nothing heavy."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from newtongue.tools.doctor.findings import Finding

OLDEST_PYTHON = (3, 11)
TRAINING = ("torch", "transformers", "safetensors", "tokenizers", "peft", "accelerate")
LEAST_DISK_GB = 5.0
LEAST_MEMORY_GB = 4.0


def environment() -> list[Finding]:
    """Check this computer."""
    return [_python(), *_packages(), _processors(), _memory(), _disk(), _accelerator()]


def installed(package: str) -> str | None:
    """Return the version of an installed package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def free_memory_bytes() -> int | None:
    """Return memory that can be had without swapping, or None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return None
    except OSError:
        return None


def _python() -> Finding:
    said = ".".join(map(str, sys.version_info[:3]))
    new_enough = sys.version_info >= OLDEST_PYTHON
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        "python", "ok" if new_enough else "error", said, "" if new_enough else f"install Python {wanted} or newer"
    )


def _packages() -> list[Finding]:
    missing = [package for package in TRAINING if installed(package) is None]
    if missing:
        sentence = f"not installed: {', '.join(missing)}; planning works, training does not"
        return [Finding("packages", "warning", sentence, "pip install 'newtongue[train]'")]
    return [Finding("packages", "ok", ", ".join(f"{package} {installed(package)}" for package in TRAINING))]


def _processors() -> Finding:
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    sentence = f"{cores} processor{'s' if cores != 1 else ''}" + (f", OMP_NUM_THREADS is {threads}" if threads else "")
    if threads and threads.isdigit() and int(threads) > cores:
        return Finding("processors", "warning", sentence, f"unset OMP_NUM_THREADS or set it to {cores}")
    return Finding("processors", "ok", sentence)


def _memory() -> Finding:
    free = free_memory_bytes()
    if free is None:
        return Finding("memory", "ok", "free memory is not known on this system")
    sentence = f"{free / 1e9:.1f} GB free"
    if free < LEAST_MEMORY_GB * 1e9:
        return Finding("memory", "warning", sentence, "close other programs; the demo needs about 2 GB")
    return Finding("memory", "ok", sentence)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    sentence = f"{free / 1e9:.1f} GB free here"
    if not os.access(Path.cwd(), os.W_OK):
        return Finding("disk", "error", "the working directory is not writable", "change to one that is, or give --out")
    if free < LEAST_DISK_GB * 1e9:
        return Finding("disk", "warning", sentence, "every model stage writes a model; free some space")
    return Finding("disk", "ok", sentence)


def _accelerator() -> Finding:
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return Finding("accelerator", "ok", "an NVIDIA driver is present")
    return Finding("accelerator", "ok", "none found; small models train on the processor")
