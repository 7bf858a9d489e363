"""Where passes over rows that do not fit into memory run; never what they give."""

from __future__ import annotations

from typing import Literal

from newtongue.core.config import Settings, operational


class Engine(Settings):
    """The data engine for large sets; every choice here gives the same bytes."""

    runner: Literal["auto", "native", "ray", "plain"] = operational("auto")
    """`native` is Daft in this machine's processes, `ray` Daft on a Ray cluster, `plain` one piece after the other
    without Daft; `auto` is `native` where Daft is installed, else `plain`."""
    address: str = operational("")
    """`ray`: address of the cluster's head; empty takes `RAY_ADDRESS`, or starts a cluster on this machine. All its
    machines must see the store's folder under the same path."""
    processes: int = operational(1, ge=1)
    """Pieces worked on at a time; memory grows with it."""
