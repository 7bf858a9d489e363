"""The data engine: one function over the pieces of a set that does not fit into memory, here or on a cluster.

Work is given the name of a piece (a file, a range) and returns named arrays, small beside the piece. Results come back
in the order of the pieces, whoever made them, so that nothing downstream can tell where the work was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from newtongue.adapters.engine.pieces import PieceWriter, read_piece
from newtongue.core.engine import Engine
from newtongue.core.errors import MissingExtra

__all__ = ["Arrays", "PieceWriter", "Work", "read_piece", "run_over"]

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[str], Arrays]
"""Must be picklable by reference (a function or dataclass of an installed module), and free of side effects that a
second try would notice: a cluster may try a piece again."""

PACKAGES = {"native": (("daft", "corpus"),), "ray": (("daft", "corpus"), ("ray", "scale"))}
"""Runner -> the packages it needs and the extras that bring them."""


def run_over(engine: Engine, work: Work, pieces: Sequence[str]) -> Iterator[Arrays]:
    """Yield what the work returns for every piece, in their order.

    Raises:
        MissingExtra: The runner that was asked for is not installed.
        NewtongueError: What the work raised, on whatever machine.
    """
    runner = runner_of(engine)
    if runner == "plain":
        return (work(piece) for piece in pieces)
    from newtongue.adapters.engine.daft_plan import run_plan

    return run_plan(engine, work, pieces, on_ray=runner == "ray")


def runner_of(engine: Engine) -> str:
    """Return the runner to be used: `plain`, `native` or `ray`.

    Raises:
        MissingExtra: A package it needs is not installed.
    """
    if engine.runner == "auto":
        return "native" if find_spec("daft") else "plain"
    for package, extra in PACKAGES.get(engine.runner, ()):
        if find_spec(package) is None:
            raise MissingExtra(package, extra)
    return engine.runner
