"""Shards as tasks of a Ray cluster (extra `scale`); the only place that imports ray."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from newtongue.adapters.llm.shard_worker import run_shard
from newtongue.core.errors import MissingExtra

try:
    import ray
except ModuleNotFoundError:
    ray = None


class RayWorker:
    """A shard as one task; the coordinator, not Ray, starts it again."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Submit it, to the cluster that `RAY_ADDRESS` names or to one started on this machine.

        Raises:
            MissingExtra: Ray is not installed.
        """
        if ray is None:
            raise MissingExtra("ray", "scale")
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS")
            local = {} if address else {"num_cpus": spec["shards"], "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
        self._task = ray.remote(run_shard).options(max_retries=0, num_cpus=1).remote(dict(spec))

    def result(self) -> dict[str, Any] | None:
        """Return how it ended; None while it works."""
        ready, _ = ray.wait([self._task], timeout=0)
        if not ready:
            return None
        try:
            return dict(ray.get(self._task))
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.TaskCancelledError, ray.exceptions.NodeDiedError):
            return {"ended": "killed"}

    def stop(self) -> None:
        """Cancel it."""
        ray.cancel(self._task, force=True)
        ray.wait([self._task], timeout=10)
