"""Watches one child process: passes progress on, charges machine time, stops it when the money is gone."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from newtongue.core import errors
from newtongue.core.budget import MICRO, micro_usd
from newtongue.core.context import Outcome
from newtongue.core.errors import BudgetExceeded, NewtongueError
from newtongue.core.process import FileLock
from newtongue.run.job import MARK, Job
from newtongue.run.plan import Plan, PlannedStep
from newtongue.run.reporter import Reporter

CHARGE_SECONDS = 30.0
STOP_SECONDS = 10.0
LOG = "output.log"


class Charges(Protocol):
    """The part of the ledger the runner needs."""

    def charge(self, stage: str, micro: int, what: str) -> None:
        """Book money that has been used."""

    def spent(self) -> int:
        """Return micro-dollars settled and reserved."""


@contextlib.contextmanager
def open_ledger(plan: Plan) -> Iterator[Charges]:
    """Open the store's ledger with the recipe's cap."""
    from newtongue.adapters.llm.ledger import Ledger

    usd = plan.recipe.header.budget.usd
    with contextlib.closing(
        Ledger(plan.store.path / "ledger.db", None if usd is None else round(usd * MICRO))
    ) as ledger:
        yield ledger


def run_child(job: Job, step: PlannedStep, plan: Plan, show: Reporter, lock: FileLock, ledger: Charges) -> Outcome:
    """Run a job in a fresh process and return its outcome.

    Raises:
        NewtongueError: What the stage reported, or BudgetExceeded when machine time ran over the cap.
        RuntimeError: The stage has a bug; the log is named.
    """
    log = job.scratch / LOG
    with open(log, "ab") as errors_to:
        process = subprocess.Popen(
            [sys.executable, "-m", "newtongue.run.child", str(job.write())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors_to,
            pass_fds=(lock.descriptor,),
            env=_environment(),
        )
    lock.note_child(process.pid)
    try:
        answer = _listen(process, step, plan, show, ledger)
    finally:
        _stop(process)
    return _outcome(answer, process.returncode, log, step)


def _environment() -> dict[str, str]:
    """Return the child's environment: telemetry off, deterministic hashing, offline unless a hub id needs more."""
    quiet = {
        "PYTHONHASHSEED": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    return {"HF_HUB_OFFLINE": "1", **os.environ, **quiet}


def _listen(
    process: subprocess.Popen[bytes], step: PlannedStep, plan: Plan, show: Reporter, ledger: Charges
) -> dict[str, Any]:
    """Read the child's lines until it ends; return the last one that says how it ended."""
    answer: dict[str, Any] = {}
    charged = time.monotonic()
    assert process.stdout is not None
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    pending = b""
    while True:
        ready = selector.select(timeout=1.0)
        charged = _charge(charged, step, plan, ledger, CHARGE_SECONDS)
        if not ready:
            continue
        block = os.read(process.stdout.fileno(), 65536)
        if not block:
            break
        *lines, pending = (pending + block).split(b"\n")
        for line in lines:
            answer = _take(line, step, show) or answer
    _charge(charged, step, plan, ledger, 0.0)
    process.wait()
    return answer


def _take(line: bytes, step: PlannedStep, show: Reporter) -> dict[str, Any] | None:
    text = line.decode("utf-8", "replace")
    if not text.startswith(MARK):
        return None
    message: dict[str, Any] = json.loads(text[len(MARK) :])
    if message["kind"] == "progress":
        show.progress(step.step.name, message["done"], message["total"], message["unit"], message["note"])
        return None
    return message


def _charge(since: float, step: PlannedStep, plan: Plan, ledger: Charges, every: float) -> float:
    """Book machine time since the last charge; return the time up to which it is booked."""
    budget = plan.recipe.header.budget
    now = time.monotonic()
    if budget.machine.usd_per_hour <= 0 or now - since < every:
        return since if budget.machine.usd_per_hour > 0 else now
    ledger.charge(step.step.name, micro_usd((now - since) / 3600 * budget.machine.usd_per_hour), "machine time")
    if budget.usd is not None and ledger.spent() > round(budget.usd * MICRO):
        raise BudgetExceeded(
            f"${budget.usd:.2f} are spent; the stage stopped and can be resumed",
            place=f"stages.{step.step.name}",
            fix="raise budget.usd and run again",
        )
    return now


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child if it still runs, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def _outcome(answer: dict[str, Any], code: int, log: Path, step: PlannedStep) -> Outcome:
    kind = answer.get("kind")
    if kind == "done":
        return Outcome(**answer["outcome"])
    if kind == "error":
        raise _rebuild(answer)
    if kind == "bug":
        raise RuntimeError(f"stages.{step.step.name}: {answer['problem']}\n{answer['trace']}")
    tail = log.read_text("utf-8", "replace")[-2000:] if log.is_file() else ""
    if code in (-9, 137):
        raise errors.DataError(
            "the stage's process was killed, probably for memory",
            place=f"stages.{step.step.name}",
            fix="free memory or lower `micro_batch`, then run again: it resumes",
        )
    raise RuntimeError(f"stages.{step.step.name}: the process ended with code {code}\n{tail}")


def _rebuild(answer: dict[str, Any]) -> NewtongueError:
    """Return the child's error as the same class with the same text."""
    kind = getattr(errors, answer["type"], NewtongueError)
    error: NewtongueError = NewtongueError.__new__(kind)
    NewtongueError.__init__(
        error, answer["problem"], place=answer["place"], expected=answer["expected"], fix=answer["fix"]
    )
    return error
