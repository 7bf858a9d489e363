"""Many processes, or the tasks of a Ray cluster, ask for one stage: each the requests whose key falls to it.

The coordinator writes down what is not in the ledger yet, leases a slice of the budget to every shard, and brings the
books home whenever one ends. A shard that is killed is started again and goes on where its own ledger stands; what a
shard gave up on, the stage asks itself. Nothing is exported here: afterwards the answers are in the store's ledger,
and the stage reads them as if it had asked alone.
The store's folder must be on a disk that all workers see. Which shard asks what follows from the requests' keys alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from newtongue.adapters.llm.holders import holder_of, lives
from newtongue.adapters.llm.leases import lease, leases, merge, release, rest
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.recall import Missing
from newtongue.core.errors import BudgetExceeded, MissingExtra, ProviderError, RecipeError
from newtongue.core.teacher import Sending

FOLDER: Final = ".shards"
WORKER: Final = "newtongue.adapters.llm.shard_worker"
RESTARTS: Final = 20
"""How often one shard is started again after it was killed."""
POLL_SECONDS: Final = 0.05
PART: Final = 2
"""A slice is what is left of the budget over the number of shards and this: there is something left for the rest."""


class Worker(Protocol):
    """A shard at work."""

    def result(self) -> dict[str, Any] | None:
        """Return how it ended; None while it works. `{"ended": "done" | "gave up" | "budget" | "error" | "killed"}`."""

    def stop(self) -> None:
        """End it."""


class LocalWorker:
    """A shard in a process of this machine that dies with its coordinator."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Start it."""
        self._out = Path(spec["folder"]) / "result.json"
        self._out.unlink(missing_ok=True)
        self.process = subprocess.Popen([sys.executable, "-m", WORKER, json.dumps(spec)], stdin=subprocess.PIPE)

    def result(self) -> dict[str, Any] | None:
        """Return how it ended; None while it works."""
        if self.process.poll() is None:
            return None
        if self.process.stdin:
            self.process.stdin.close()
        if not self._out.is_file():
            return {"ended": "killed"}
        return dict(json.loads(self._out.read_text("utf-8")))

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@dataclass
class Shard:
    """One shard as the coordinator sees it.

    Attributes:
        name: Name of its lease.
        spec: What its worker is told.
        worker: Its worker, when one runs.
        starts: How often one was started.
        done: Whether it has nothing more to do.
    """

    name: str
    spec: dict[str, Any]
    worker: Worker | None = None
    starts: int = 0
    done: bool = False

    @property
    def book(self) -> Path:
        """The shard's own ledger."""
        return Path(self.spec["folder"]) / "ledger.db"


class Coordinator:
    """Runs the shards of one stage."""

    def __init__(self, store: Path, stage: str, sending: Sending) -> None:
        """Coordinate the shards of `stage`."""
        self._stage, self._shards, self._ray = stage, sending.shards, sending.ray
        self._ledger = Ledger(store / "ledger.db")
        self._own = holder_of(os.getpid())
        self._folder = store / FOLDER / stage / self._own

    def close(self) -> None:
        """Bring every book home, remove the shards' folders and close the ledger."""
        bring_home(self._ledger, self._stage)
        self._ledger.close()

    def fill(self, requests: Iterable[Missing], settings: Mapping[str, Any]) -> None:
        """Have requests asked; returns when everything is in the store's ledger.

        Args:
            requests: What to ask, and whom.
            settings: `teachers` by name, how to send (`sending`), and the least slice a shard can begin with
                (`least_micro_usd`).

        Raises:
            BudgetExceeded: The money is spent; what was paid is in the ledger.
            ProviderError: A shard cannot go on.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "requests.jsonl"
        with open(file, "w", encoding="utf-8") as to:
            to.writelines(f"{json.dumps(one, ensure_ascii=False)}\n" for one in requests)
        team = [self._shard(number, file, settings) for number in range(self._shards)]
        try:
            self._work(team)
        finally:
            for shard in team:
                if shard.worker:
                    shard.worker.stop()

    def _shard(self, number: int, requests: Path, settings: Mapping[str, Any]) -> Shard:
        folder = self._folder / f"{number:03d}"
        folder.mkdir(exist_ok=True)
        spec = {"number": number, "shards": self._shards, "folder": str(folder), "requests": str(requests)}
        return Shard(f"{self._stage}/{self._own}/{number:03d}", {**spec, "stage": self._stage, **settings})

    def _work(self, team: list[Shard]) -> None:
        while not all(shard.done for shard in team):
            for shard in team:
                if not shard.done and shard.worker is None:
                    self._start(shard, team)
            for shard in team:
                ended = shard.worker.result() if shard.worker else None
                if ended:
                    shard.worker = None
                    self._take(shard, ended)
            time.sleep(POLL_SECONDS)

    def _start(self, shard: Shard, team: list[Shard]) -> None:
        """Give a shard a slice and start it; one that cannot have a slice waits for what others give back."""
        try:
            cap = lease(self._ledger, self._stage, shard.name, self._slice(shard))
        except BudgetExceeded:
            if not any(other.worker for other in team):
                raise
            return
        Ledger(shard.book, cap).close()
        shard.starts += 1
        shard.worker = start_on_ray(shard.spec) if self._ray else LocalWorker(shard.spec)

    def _slice(self, shard: Shard) -> int:
        left = max(0, (self._ledger.cap() or 0) - self._ledger.spent())
        return max(int(shard.spec["least_micro_usd"]), left // (self._shards * PART)) if self._ledger.cap() else 0

    def _take(self, shard: Shard, ended: Mapping[str, Any]) -> None:
        """Bring a shard's books home and see whether it goes on."""
        merge(self._ledger, shard.name, shard.book)
        rest(self._ledger, shard.name)
        shard.done = ended["ended"] in ("done", "gave up")
        if ended["ended"] == "error" or (ended["ended"] == "killed" and shard.starts > RESTARTS):
            why = ended.get("problem", f"its process was killed {shard.starts} times")
            raise ProviderError(
                why, place=f"shard {shard.name}", fix="run the same command again; what was paid is kept"
            )


def bring_home(ledger: Ledger, stage: str) -> None:
    """Copy into the store's ledger what shards of a stage wrote and remove their folders, after a kill as well.

    Shards of another run that lives are left alone.
    """
    folder, own = ledger.path.parent / FOLDER / stage, holder_of(os.getpid())
    left = [name for name in leases(ledger, stage) if _is_left(name.split("/")[1], own)]
    for name in left:
        merge(ledger, name, folder.parent / name / "ledger.db")
        release(ledger, name)
    for one in folder.glob("*"):
        if _is_left(one.name, own):
            shutil.rmtree(one, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _is_left(coordinator: str, own: str) -> bool:
    """Return whether the shards of a coordinator are this process's, or nobody's any more."""
    return coordinator == own or not lives(coordinator)


def check_sending(sending: Sending) -> None:
    """Refuse shards that cannot be, before anything is asked.

    Raises:
        MissingExtra: They are to run on Ray, and it is not installed.
        RecipeError: They are to run on Ray, and there is one.
    """
    if sending.ray and sending.shards == 1:
        raise RecipeError("`ray: true` shares nothing among one shard", place="ray", fix="give `shards`, 2 or more")
    if sending.ray and find_spec("ray") is None:
        raise MissingExtra("ray", "scale")


def start_on_ray(spec: Mapping[str, Any]) -> Worker:
    """Start a shard as a task of a Ray cluster: the one `RAY_ADDRESS` names, else one on this machine."""
    from newtongue.adapters.llm.ray_tasks import RayWorker

    return RayWorker(spec)
