"""Share the forward passes of a plan among processes, each with its own copy of the model.

The plan is made once, so the results are those of one process, whatever their number: the same rows meet the
same shapes. Workers die with the process that started them.
"""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from newtongue.adapters.hf.adapter import lay_over
from newtongue.adapters.hf.models import load_model
from newtongue.adapters.hf.tree_scoring import Found, Ints, Job, Scorer, Trunk, jobs, run_jobs
from newtongue.core.errors import DataError
from newtongue.core.process import die_with_parent


def score_apart(
    scorer: Scorer, requests: Sequence[tuple[Ints, int]], processes: int, source: tuple[str, str]
) -> list[Found]:
    """Return what `score` returns, computed by several processes.

    Args:
        scorer: The model and how it can be asked; this process takes a share too.
        requests: What to score.
        processes: Processes in all.
        source: The model's directory, loaded by every other process, and that of the adapter laid over it, or "".

    Raises:
        DataError: A process died; the others' work is lost, the results so far are not.
    """
    tree = scorer.plan(requests, shared=scorer.shared)
    shares = divide(list(jobs(tree, scorer.tokens)), processes)
    others = [_start(scorer, tree.trunks, share, (*source, n + 1)) for n, share in enumerate(shares[1:])]
    values, greedy = np.zeros(int(tree.starts[-1])), np.zeros(int(tree.starts[-1]), bool)
    for places, found, best in run_jobs(scorer, tree.trunks, shares[0]):
        values[places], greedy[places] = found, best
    for worker in others:
        for places, found, best in worker.results():
            values[places], greedy[places] = found, best
    spans = zip(tree.starts[:-1], tree.starts[1:], strict=True)
    return [Found(values[a:b], bool(greedy[a:b].all())) for a, b in spans]


def divide(todo: list[Job], processes: int) -> list[list[Job]]:
    """Return runs of neighbouring forward passes with about equal numbers of tokens, one run per process."""
    ends = np.cumsum([sum(len(row.ids) for row in job.rows) for job in todo])
    total = ends[-1] if len(ends) else 0
    cuts = np.searchsorted(ends, [total * k / processes for k in range(1, processes)], side="left")
    bounds = [0, *cuts.tolist(), len(todo)]
    return [todo[a:b] for a, b in pairwise(bounds)]


class _Worker:
    """One process that computes a share; the pipe it listens on closes when this process ends."""

    def __init__(self, process: Any, results: Any, alive: Any) -> None:
        self._process, self._results, self._alive = process, results, alive

    def results(self) -> list[Any]:
        """Return what this process scored, once it is done.

        Raises:
            DataError: It died.
        """
        try:
            found = self._results.recv()
        except EOFError:
            self._process.join()
            raise DataError(
                f"a process that scored its share of the requests ended with status {self._process.exitcode}",
                place="processes",
                fix="fewer `processes`, each holds the whole model, or a larger machine; it resumes",
            ) from None
        self._process.join()
        self._alive.close()
        return list(found)


def _start(scorer: Scorer, trunks: list[Trunk], share: list[Job], where: tuple[str, str, int]) -> _Worker:
    context = mp.get_context("spawn")
    results, send = context.Pipe(duplex=False)
    watch, alive = context.Pipe(duplex=False)
    dtype, device = str(scorer.model.dtype).removeprefix("torch."), scorer.model.device.type
    settings = (dtype, device, torch.get_num_threads(), (scorer.shared, scorer.body, scorer.tokens))
    process = context.Process(target=_work, args=(send, watch, where, settings, (trunks, share)), daemon=True)
    process.start()
    send.close()
    watch.close()
    return _Worker(process, results, alive)


def _unplanned(*_given: Any, **_settings: Any) -> Any:
    raise NotImplementedError("a worker is handed its share of a plan")


def _work(
    send: Any, watch: Any, where: tuple[str, str, int], settings: tuple[Any, ...], given: tuple[Any, Any]
) -> None:
    die_with_parent(watch.fileno())
    dtype, device, threads, asked_how = settings
    torch.set_num_threads(threads)
    folder, adapter, place = where
    number = place % max(1, torch.cuda.device_count()) if device == "cuda" else 0
    model = load_model(Path(folder), dtype, f"cuda:{number}" if device == "cuda" else device)
    model = (lay_over(model, Path(adapter)) if adapter else model).eval()
    send.send(list(run_jobs(Scorer(model, _unplanned, *asked_how), *given)))
    send.close()
