"""A cheap stage in the catalogue of this process and of its children, and short ways to build and run recipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import newtongue
from newtongue import stages
from newtongue.core import manifest
from newtongue.run.recipe import Recipe, build

FAKES = Path(__file__).resolve().parent / "fakes"
SOURCES = Path(newtongue.__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def grow_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage `grow` in the catalogue, here and in every child process."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCES), str(FAKES)]))
    monkeypatch.setattr(stages, "__path__", [*stages.__path__, str(FAKES / "stages")])
    monkeypatch.setitem(stages.CATALOGUE, "grow", stages.Entry("grow", "grow", "GrowConfig"))


def recipe_of(steps: dict[str, Any], **header: Any) -> Recipe:
    """Return a recipe of `grow` stages (unless they say another `stage`)."""
    full = {name: {"stage": "grow", **(values or {})} for name, values in steps.items()}
    return build({"newtongue": 1, **header, "stages": full}, "test", "test.yaml")


@pytest.fixture(name="recipe_of")
def _recipe_of() -> Callable[..., Recipe]:
    return recipe_of


@pytest.fixture
def digests() -> Callable[[Path], dict[str, str]]:
    """A function: store -> name of each sealed stage directory with its digest."""

    def read(store: Path) -> dict[str, str]:
        sealed = [path.parent for path in store.glob("*/manifest.json")]
        return {path.name: manifest.read_manifest(path)["digest"] for path in sorted(sealed)}

    return read


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts `newtongue …` as a process group of its own, ready for Ctrl-C as from a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "newtongue.cli.main", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    yield start
    signal.signal(signal.SIGINT, before)
