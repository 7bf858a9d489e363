"""Runs a plan: lock, fresh child process, money, seal. Resumes whatever was started before.

The runner never imports torch. It holds the lock of each stage while the stage runs; the child inherits it, so that
a child left over from a killed runner still holds the lock and is named instead of waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.config import StageConfig, set_references
from newtongue.core.errors import DataError, GateFailed, NotSealed, RecipeError
from newtongue.core.process import FileLock
from newtongue.run import hub, watch, yaml12
from newtongue.run.afford import check_affordable, check_disk
from newtongue.run.job import Job, plain
from newtongue.run.plan import Plan, PlannedStep, make_plan
from newtongue.run.recipe import Header, Recipe, single
from newtongue.run.reporter import Reporter, Silent, duration
from newtongue.run.seal import seal, shown, start_directory
from newtongue.run.store import Pins, Store, read_config

WAIT_SECONDS = 0.2
PATIENCE_SECONDS = 5.0
"""How long a child may outlive its runner before it is called left over."""
OWN_FILES = (".scratch", ".locks", ".hashes.json", "ledger.db", "ledger.db-wal", "ledger.db-shm", "recipe.lock.yaml")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: where every stage stands.

    Attributes:
        recipe: What was run.
        store: Where.
        directories: Stage name -> sealed directory, for every stage that is sealed.
    """

    recipe: Recipe
    store: Store
    directories: dict[str, Path]

    def artefact(self, name: str) -> Path:
        """Return the payload folder of a stage."""
        directory = self.directories[name]
        return directory / str(manifest.read_manifest(directory)["payload"])


def run(recipe: Recipe, out: Path, reporter: Reporter | None = None) -> Run:
    """Run everything of a recipe that is not sealed yet.

    Args:
        recipe: The checked recipe.
        out: Folder of the store.
        reporter: Shows progress; None shows nothing.

    Raises:
        NewtongueError: With everything done so far kept; the same call goes on from there.
    """
    show = reporter or Silent()
    plan = _prepare(recipe, Store(out.absolute()), show)
    check_affordable(plan)
    check_disk(plan)
    _record(plan, {})
    moved: dict[Path, Path] = {}
    for step in plan.steps:
        live = _moved(step, moved)
        if step.action in ("run", "resume"):
            moved[step.directory] = _run_locked(live, plan, show)
        elif step.action == "reuse":
            show.line(f"   {step.step.name}: {step.why}, reused")
        _gate(step.step.name, moved.get(step.directory, step.directory))
    _record(plan, moved)
    places = {step.step.name: moved.get(step.directory, step.directory) for step in plan.steps}
    return Run(recipe, plan.store, {name: place for name, place in places.items() if manifest.is_sealed(place)})


def run_stage(
    key: str, config: StageConfig, out: Path, reporter: Reporter | None = None, *, header: Header | None = None
) -> Path:
    """Run one stage alone; `out` becomes its stage directory. Returns the payload folder.

    Raises:
        DataError: `out` holds another stage or other settings.
    """
    show, out = reporter or Silent(), out.absolute()
    recipe = single(key, config, header)
    if out.is_dir():
        _check_out(out)
    plan = _prepare(recipe, Store(out), show)
    step = replace(plan.steps[0], directory=out)
    if read_config(out).get("fingerprint") not in (None, step.fingerprint):
        raise DataError("holds another stage or other settings", place=str(out), fix="give another --out")
    plan = replace(plan, steps=(step,))
    if not manifest.is_sealed(out):
        check_affordable(plan)
        check_disk(plan)
        _run_locked(step, plan, show)
    _gate(key, out)
    return step.place.payload


def _check_out(out: Path) -> None:
    if not read_config(out) and any(path.name not in OWN_FILES for path in out.iterdir()):
        raise DataError("is not empty and holds no stage", place=str(out), fix="give another --out")


def _prepare(recipe: Recipe, store: Store, show: Reporter) -> Plan:
    if os.environ.get("WORLD_SIZE", "1") != "1":
        problem = "the runner was started several times over (WORLD_SIZE > 1)"
        raise RecipeError(problem, fix="run it once; it starts its own processes")
    store.prepare()
    hub.pin(recipe, Pins(store.path), show)
    return make_plan(recipe, store, hash_everything=True)


def _moved(step: PlannedStep, moved: Mapping[Path, Path]) -> PlannedStep:
    """Return a step whose inputs are where other runs of the same work have put them."""

    def now(artefact: Artefact) -> Artefact:
        place = moved.get(artefact.path.parent)
        return replace(artefact, path=place / artefact.path.name) if place else artefact

    return replace(step, inputs={name: now(artefact) for name, artefact in step.inputs.items()})


def _record(plan: Plan, moved: Mapping[Path, Path]) -> None:
    """Write the resolved recipe of this invocation: every stage, its settings, its directory."""
    stages: dict[str, Any] = {}
    for planned in plan.steps:
        config = set_references(planned.step.config, lambda ref: shown(ref, plan))
        stages[planned.step.name] = {
            "stage": planned.step.entry.key,
            "directory": moved.get(planned.directory, planned.directory).name,
            "fingerprint": planned.fingerprint,
            "settings": config.model_dump(mode="json", exclude_defaults=True, warnings=False),
        }
    header = plan.recipe.header.model_dump(mode="json", exclude={"stages", "extends"}, exclude_defaults=True)
    marks = {name: stage["fingerprint"] for name, stage in stages.items()}
    identity = manifest.sha256(manifest.canonical(marks))[: manifest.SHORT]
    manifest.write_text(plan.store.path / f"recipe-{identity}.yaml", yaml12.dump({**header, "stages": stages}))


def _gate(name: str, directory: Path) -> None:
    if manifest.is_sealed(directory) and (gate := manifest.read_manifest(directory).get("gate")):
        raise GateFailed(str(gate), place=f"stages.{name}", fix="the result is sealed and complete; judge it yourself")


def _run_locked(step: PlannedStep, plan: Plan, show: Reporter) -> Path:
    """Do a step's work unless somebody else did it meanwhile; return the sealed directory."""
    lock = FileLock(plan.store.path / ".locks" / step.fingerprint)
    try:
        _wait_for(lock, step, show)
        found = plan.store.find(step.fingerprint)
        step = replace(step, directory=found or step.directory)
        if manifest.is_sealed(step.directory):
            show.line(f"   {step.step.name}: sealed by another run, reused")
        else:
            _run_step(step, plan, show, lock)
        return step.directory
    finally:
        lock.release()


def _wait_for(lock: FileLock, step: PlannedStep, show: Reporter) -> None:
    """Take the stage's lock; wait for a living run, refuse to wait for a child left over from a dead one.

    Raises:
        DataError: A process whose runner is gone still holds the stage.
    """
    told, orphaned_since = 0, 0.0
    while not lock.acquire():
        runner, *children = lock.holders() or [(0, True)]
        orphaned_since = 0.0 if runner[1] else orphaned_since or time.monotonic()
        if orphaned_since and time.monotonic() - orphaned_since > PATIENCE_SECONDS:
            _name_left_over(lock, step, [pid for pid, alive in children if alive])
        if runner[1] and runner[0] not in (0, told):
            told = runner[0]
            show.line(f"   {step.step.name}: waiting for the run of process {told}")
        time.sleep(WAIT_SECONDS)


def _name_left_over(lock: FileLock, step: PlannedStep, living: list[int]) -> None:
    who = f"process {living[0]}" if living else "a process"
    raise DataError(
        f"{who}, left over from a run that ended, still holds the stage",
        place=f"stages.{step.step.name}",
        fix=f"kill {living[0]}, then run again" if living else f"fuser -k {lock.path}, then run again",
    )


def _run_step(step: PlannedStep, plan: Plan, show: Reporter, lock: FileLock) -> None:
    show.line(f"   {step.step.name}: {step.action}, {step.why}")
    step = replace(step, inputs={name: _live(artefact, show) for name, artefact in step.inputs.items()})
    start_directory(step, plan)
    place = step.place
    job = Job(
        step.step.entry.key, place.path, place.payload, place.scratch, plan.store.path, plain(step.step.config),
        step.inputs,
    )  # fmt: skip
    outcome, costs = watch.run_child(job, step, plan, show, lock)
    seal(step, plan, outcome, costs)
    dollars = f", ${costs['usd']:.2f}" if costs["usd"] else ""
    show.line(f"   {step.step.name}: done in {duration(costs['seconds'])}{dollars}")


def _live(artefact: Artefact, show: Reporter) -> Artefact:
    """Return an input that is there: a sealed one stands, one on the hub is downloaded."""
    if artefact.sealed and not manifest.is_sealed(artefact.path.parent):
        raise NotSealed("not sealed", place=str(artefact.path.parent), fix="run it first")
    return hub.fetch(artefact, show) if artefact.fingerprint.startswith("hub:") else artefact
