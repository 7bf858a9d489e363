"""Watches one child process: passes progress on, books machine time, stops it when the money is gone."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from newtongue.core import errors
from newtongue.core.budget import MICRO, Budget, micro_usd
from newtongue.core.context import Outcome
from newtongue.core.errors import BudgetExceeded, NewtongueError
from newtongue.core.process import FileLock
from newtongue.core.secrets import redact
from newtongue.run.job import MARK, Job
from newtongue.run.plan import Plan, PlannedStep
from newtongue.run.reporter import Reporter

SLICE_SECONDS = 30.0
"""Machine time is booked ahead in slices of this length; what was not used is booked back at the end."""
LEAD_SECONDS = 5.0
"""The next slice is booked, or refused, this long before the last one is used up: time to stop within what is paid."""
STOP_SECONDS = 10.0
LOG = "output.log"
CLOCK = "clock.json"
KILLED = (-9, 137)


class Charges(Protocol):
    """The part of the ledger the runner needs."""

    def charge(self, stage: str, micro_usd: int, what: str) -> None:
        """Book money."""

    def spent(self) -> int:
        """Return micro-dollars settled and reserved."""


@dataclass(slots=True)
class Meter:
    """Time and money of one stage: this attempt and those before it.

    Attributes:
        step: The stage.
        budget: What the store may spend, and the price of the machine.
        ledger: Where its time is booked.
        earlier_seconds: Wall time of attempts that did not finish.
        attempts: How often the stage was started, this time included.
    """

    step: PlannedStep
    budget: Budget
    ledger: Charges
    earlier_seconds: float = 0.0
    attempts: int = 1
    started: float = field(default_factory=time.monotonic)
    booked_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of this attempt."""
        return time.monotonic() - self.started

    def tick(self) -> None:
        """Book the next slice when the last one is used up.

        Raises:
            BudgetExceeded: It does not fit; nothing was booked.
        """
        while self.seconds >= self.booked_seconds - LEAD_SECONDS:
            self._require_room(self._price(SLICE_SECONDS))
            self._book(SLICE_SECONDS)
            self.booked_seconds += SLICE_SECONDS
            self.save()

    def stop(self) -> None:
        """Book back what was not used."""
        self._book(self.seconds - self.booked_seconds)
        self.booked_seconds = self.seconds
        self.save()

    def save(self) -> None:
        """Remember the time of this attempt, should it not finish."""
        facts = {"seconds": self.earlier_seconds + self.seconds, "attempts": self.attempts}
        with contextlib.suppress(OSError):
            (self.step.place.scratch / CLOCK).write_text(json.dumps(facts), "utf-8")

    def costs(self, outcome: Outcome) -> dict[str, float]:
        """Return what the stage took in all its attempts."""
        seconds = self.earlier_seconds + self.seconds
        machine_usd = seconds / 3600 * self.budget.machine.usd_per_hour
        usd = outcome.costs.get("usd", 0.0) + machine_usd
        return {"seconds": round(seconds, 3), "usd": usd, "machine_usd": machine_usd, "attempts": self.attempts}

    def _price(self, seconds: float) -> int:
        return micro_usd(seconds / 3600 * self.budget.machine.usd_per_hour)

    def _book(self, seconds: float) -> None:
        if amount := self._price(seconds):
            self.ledger.charge(self.step.step.name, amount, f"{seconds:.0f} s of the machine")

    def _require_room(self, amount: int) -> None:
        usd, spent = self.budget.usd or 0.0, self.ledger.spent()
        if amount and spent + amount > round(usd * MICRO):
            raise BudgetExceeded(
                f"${spent / MICRO:.2f} of ${usd:.2f} are spent or reserved; the stage stopped and can be resumed",
                place=f"stages.{self.step.step.name}",
                fix="raise `budget.usd` and run again; finished work is kept",
            )


def run_child(
    job: Job, step: PlannedStep, plan: Plan, show: Reporter, lock: FileLock
) -> tuple[Outcome, dict[str, float]]:
    """Run a job in a fresh process and return its outcome and what it took.

    Raises:
        NewtongueError: What the stage reported, or BudgetExceeded when machine time does not fit under the cap.
        RuntimeError: The stage has a bug; its last lines are shown.
    """
    with _open_ledger(plan) as ledger:
        meter = _meter(step, plan, ledger)
        meter.tick()
        process = subprocess.Popen(
            [sys.executable, *_launcher(job), "-m", "newtongue.run.child", str(job.write())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(lock.descriptor,),
            env=_environment(),
        )
        try:
            lock.note_child(process.pid)
            answer = _listen(process, meter, show)
        finally:
            _stop(process)
            meter.stop()
        outcome = _outcome(answer, process.returncode, step)
        return outcome, meter.costs(outcome)


def _launcher(job: Job) -> list[str]:
    """Return what starts the child: nothing, or torchrun where several processes train together."""
    processes = int(job.settings.get("devices") or 1)
    one_machine = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return one_machine if processes > 1 else []


@contextlib.contextmanager
def _open_ledger(plan: Plan) -> Iterator[Charges]:
    """Open the store's ledger with the recipe's cap."""
    from newtongue.adapters.llm.ledger import Ledger

    usd = plan.recipe.header.budget.usd
    cap = None if usd is None else round(usd * MICRO)
    with contextlib.closing(Ledger(plan.store.path / "ledger.db", cap)) as ledger:
        yield ledger


def _meter(step: PlannedStep, plan: Plan, ledger: Charges) -> Meter:
    try:
        before = json.loads((step.place.scratch / CLOCK).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        before = {"seconds": 0.0, "attempts": 0}
    budget = plan.recipe.header.budget
    return Meter(step, budget, ledger, float(before["seconds"]), int(before["attempts"]) + 1)


def _environment() -> dict[str, str]:
    """Return the child's environment: telemetry off, deterministic hashing, offline (the runner does the fetching).

    OpenMP threads spin while they wait for each other. With other work on the machine that costs nearly everything, so
    they spin a thirtieth as long as by default unless the user says otherwise: two threads on two cores beside three
    busy processes train 1,800 tokens a second instead of 780, and as fast as ever (8,300) on a quiet machine.
    """
    fixed = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return {"GOMP_SPINCOUNT": "10000", **os.environ, **fixed}


def _listen(process: subprocess.Popen[bytes], meter: Meter, show: Reporter) -> dict[str, Any]:
    """Read the child's lines until it ends; return the last one that says how it ended."""
    answer: dict[str, Any] = {}
    log = meter.step.place.scratch / LOG
    with open(log, "ab") as to:
        for stream, line in _lines(process, meter):
            if stream == "err":
                to.write(redact(line.decode("utf-8", "replace")).encode() + b"\n")
                to.flush()
            else:
                answer = _take(line, meter, show) or answer
    process.wait()
    return answer


def _lines(process: subprocess.Popen[bytes], meter: Meter) -> Iterator[tuple[str, bytes]]:
    """Yield (`out` or `err`, line) until the child's `out` is closed; the meter ticks at least every second."""
    selector = selectors.DefaultSelector()
    pending = {"out": b"", "err": b""}
    for name, stream in (("out", process.stdout), ("err", process.stderr)):
        selector.register(cast(BinaryIO, stream), selectors.EVENT_READ, name)
    open_ends = {"out", "err"}
    while "out" in open_ends:
        for key, _ in selector.select(timeout=1.0):
            block = os.read(key.fd, 65536)
            *lines, pending[key.data] = (pending[key.data] + block).split(b"\n")
            yield from ((key.data, line) for line in lines)
            if not block:
                selector.unregister(key.fileobj)
                open_ends.discard(key.data)
        meter.tick()
    yield from (("err", line) for line in _rest(cast(BinaryIO, process.stderr), pending["err"]).split(b"\n") if line)


def _rest(stream: BinaryIO, begun: bytes) -> bytes:
    """Return what is left to read without waiting: a process of a library may hold the pipe open for longer."""
    os.set_blocking(stream.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        while block := os.read(stream.fileno(), 65536):
            begun += block
    return begun


def _take(line: bytes, meter: Meter, show: Reporter) -> dict[str, Any] | None:
    text = line.decode("utf-8", "replace")
    if not text.startswith(MARK):
        return None
    message: dict[str, Any] = json.loads(text[len(MARK) :])
    if message["kind"] != "progress":
        return message
    spent = meter.ledger.spent()
    note = ", ".join(part for part in (message["note"], f"${spent / MICRO:.2f} spent" if spent else "") if part)
    show.progress(meter.step.step.name, message["done"], message["total"], message["unit"], note)
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child if it still runs, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _outcome(answer: dict[str, Any], code: int, step: PlannedStep) -> Outcome:
    kind, place = answer.get("kind"), f"stages.{step.step.name}"
    if kind == "done":
        return Outcome(**answer["outcome"])
    if kind == "error":
        raise _rebuild(answer, place)
    if kind == "bug":
        raise RuntimeError(redact(f"{place}: {answer['problem']}\n{answer['trace']}"))
    if code in KILLED:
        raise errors.DataError(
            "the stage's process was killed, probably for memory",
            place=place,
            fix="free memory or lower `micro_batch`, then run again: it resumes",
        )
    raise RuntimeError(f"{place}: the process ended with code {code}\n{_tail(step.place.scratch / LOG)}")


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:] if log.is_file() else ""


def _rebuild(answer: dict[str, Any], place: str) -> NewtongueError:
    """Return the child's error as the same class and text; the stage is named when the child named nothing."""
    kind = getattr(errors, answer["type"], NewtongueError)
    error: NewtongueError = NewtongueError.__new__(kind)
    said = {key: redact(answer[key]) for key in ("problem", "place", "expected", "fix")}
    NewtongueError.__init__(error, **{**said, "place": said["place"] or place})
    return error
