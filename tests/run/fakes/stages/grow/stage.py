"""The work of the test stage."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time

from newtongue.core.config import references
from newtongue.core.context import Outcome
from newtongue.core.errors import BudgetExceeded, DataError, ProviderError


def grow(config, context):
    """Write chunks, each from the one before; finished ones are kept in scratch."""
    context.journal("started", teacher=config.teacher.url)
    state = _inputs(config, context)
    for number in range(config.chunks):
        kept = context.scratch / f"chunk-{number}"
        if not kept.exists():
            time.sleep(config.delay_seconds)
            _write(kept, hashlib.sha256(f"{state}{config.text}{config.seed}{number}".encode()).hexdigest())
        state = kept.read_text()
        with open(context.payload / "chunks.txt", "a") as stream:
            stream.write(f"{config.text} {config.learning_rate} {state}\n")
        context.progress(number + 1, config.chunks, "chunks", note="going on")
        if number == 0 and not (context.scratch / "failed").exists():
            _fail(config, context)
    (context.payload / "clock.txt").write_text(str(time.time()))
    key = config.teacher.api_key.read() if config.teacher.api_key else ""
    return Outcome(
        counts={"documents": config.chunks},
        licences={"CC0-1.0": config.chunks},
        card=[f"Grown with {key}." if config.fault == "leak" else "Grown."],
        volatile=["clock.txt"],
        gate="too short" if config.gate else None,
    )


def _inputs(config, context):
    parts = []
    for _, ref in references(config):
        path = context[ref].path
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.name != "clock.txt":
                parts.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return "".join(parts)


def _write(file, text):
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def _fail(config, context):
    (context.scratch / "failed").touch()
    key = os.environ.get("GROW_KEY", "")
    if config.fault == "data":
        raise DataError("a row is broken", place="rows.jsonl, line 3", fix="mend it")
    if config.fault == "provider":
        raise ProviderError(f"401 for {key}", place="http://teacher")
    if config.fault == "budget":
        raise BudgetExceeded("too dear")
    if config.fault == "bug":
        raise ValueError(f"a bug with {key}")
    if config.fault == "memory":
        raise MemoryError
    if config.fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if config.fault == "leak":
        sys.stdout.write(f"out {key}\n")
        sys.stderr.write(f"err {key}\n")
        context.journal("leak", key=key)
        raise ValueError(f"after the leak of {key}")
    if config.fault == "write":
        with open(context.payload / "large", "wb") as stream:
            for _ in range(64):
                stream.write(bytes(1 << 20))
