"""A pass as a Daft plan: in processes of this machine, or on a Ray cluster; the only place that imports Daft."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from newtongue.core import errors
from newtongue.core.engine import Engine
from newtongue.core.errors import NewtongueError, RecipeError

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft
from daft import DataType, Series

from newtongue.adapters.engine import Arrays, Work

ARRAYS, ERROR = b"a", b"e"
WATCH_SECONDS = 0.5


class Worker:
    """Does the work on the pieces that the plan hands to it."""

    def __init__(self, work: Work, parent: int) -> None:
        """Take the work; end with the process `parent` of this machine (0: none)."""
        self.work = work
        if parent:
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    @daft.method.batch(return_dtype=DataType.binary(), batch_size=1)
    def answer(self, pieces: Series) -> list[bytes]:
        """Return what the work gives for each piece, as bytes."""
        return [_packed(self.work, piece) for piece in pieces.to_pylist()]


def run_plan(engine: Engine, work: Work, pieces: Sequence[str], *, on_ray: bool) -> Iterator[Arrays]:
    """Yield what the work returns for every piece, in their order, at most a few of them held at a time.

    Raises:
        NewtongueError: What the work raised.
        RecipeError: The cluster cannot be reached.
    """
    if not pieces:
        return
    _choose_runner(on_ray, engine.address or os.environ.get("RAY_ADDRESS", ""))
    made = daft.cls(Worker, use_process=None if on_ray else True, max_concurrency=engine.processes)
    worker = made(work, 0 if on_ray else os.getpid())
    table = daft.from_pydict({"number": list(range(len(pieces))), "piece": list(pieces)})
    plan = table.into_partitions(len(pieces)) if on_ray else table
    plan = plan.select(plan["number"], worker.answer(plan["piece"]).alias("found"))
    yield from _in_order(plan.iter_rows(results_buffer_size=engine.processes))


@cache
def _choose_runner(on_ray: bool, address: str) -> None:
    """Tell Daft where to run; it can be told once per process."""
    if not on_ray:
        daft.set_runner_native()
        return
    try:
        daft.set_runner_ray(address or None, noop_if_initialized=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        place = f"Ray at {address}" if address else "Ray"
        raise RecipeError(f"cannot be reached ({error})", place=place, fix="check `engine.address`") from None


def _in_order(rows: Iterator[dict[str, object]]) -> Iterator[Arrays]:
    waiting, following = dict[int, Arrays](), 0
    for row in rows:
        waiting[int(row["number"])] = _unpacked(bytes(row["found"]))  # type: ignore[call-overload]
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _packed(work: Work, piece: str) -> bytes:
    try:
        found = work(piece)
    except NewtongueError as error:
        parts = {name: getattr(error, name) for name in ("problem", "place", "expected", "fix")}
        return ERROR + json.dumps({"type": type(error).__name__, **parts}).encode()
    stream = io.BytesIO(ARRAYS)
    stream.seek(1)
    np.savez(stream, **found)
    return stream.getvalue()


def _unpacked(content: bytes) -> Arrays:
    if content[:1] == ARRAYS:
        with np.load(io.BytesIO(content[1:]), allow_pickle=False) as found:
            return dict(found)
    parts = json.loads(content[1:])
    kind = getattr(errors, parts.pop("type"))
    raise (RecipeError if kind is errors.MissingExtra else kind)(parts.pop("problem"), **parts)


def _end_with(parent: int) -> None:
    """End this process soon after its parent has gone, however it went."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(137)
