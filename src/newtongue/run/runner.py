"""Runs a plan: lock, fresh child process, money, seal. Resumes whatever was started before.

The runner never imports torch. It holds the lock of each stage while the stage runs; the child inherits it, so that
a child left over from a killed runner still holds the lock and is named instead of waited for.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.core import errors as errors_module
from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.config import StageConfig, references, semantic
from newtongue.core.context import Outcome
from newtongue.core.errors import DataError, GateFailed
from newtongue.core.process import FileLock, is_alive
from newtongue.run import sources, watch, yaml12
from newtongue.run.job import Job, plain
from newtongue.run.plan import Plan, PlannedStep, check_affordable, make_plan
from newtongue.run.recipe import Recipe
from newtongue.run.reporter import Reporter, Silent, duration
from newtongue.run.store import CONFIG, HashCache, Store

WAIT_SECONDS = 0.2


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
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise errors_module.RecipeError(
            "the runner was started several times over (WORLD_SIZE > 1)", fix="run it once; it starts its own processes"
        )
    show = reporter or Silent()
    store = Store(out.absolute())
    store.prepare()
    plan = make_plan(recipe, store, hash_everything=True)
    check_affordable(plan)
    _record(plan)
    for position in range(len(plan.steps)):
        step = plan.steps[position]
        if step.action in ("run", "resume"):
            _run_locked(step, plan, show)
        elif step.action == "reuse":
            show.line(f"   {step.step.name}: sealed already, reused")
        _gate(step)
    sealed = {s.step.name: s.directory for s in plan.steps if s.place.sealed}
    return Run(recipe, store, sealed)


def run_stage(key: str, config: StageConfig, out: Path, reporter: Reporter | None = None) -> Path:
    """Run one stage alone; `out` becomes its stage directory. Returns the payload folder.

    Raises:
        DataError: `out` holds another stage or other settings.
    """
    from newtongue.run.recipe import single

    recipe = single(key, config)
    out = out.absolute()
    store = Store(out.parent)
    store.prepare()
    (step,) = make_plan(recipe, store, hash_everything=True).steps
    fixed = _at(step, out)
    _run_locked(fixed, Plan(recipe, store, (fixed,)), reporter or Silent())
    _gate(fixed)
    return fixed.place.payload


def _at(step: PlannedStep, out: Path) -> PlannedStep:
    from dataclasses import replace

    from newtongue.run.store import read_config

    found = read_config(out).get("fingerprint")
    if found not in (None, step.fingerprint):
        raise DataError("holds another stage or other settings", place=str(out), fix="give another --out")
    if found is None and out.is_dir() and any(p.name != ".scratch" for p in out.iterdir()):
        raise DataError("is not empty and holds no stage", place=str(out), fix="give another --out")
    return replace(step, directory=out)


def _record(plan: Plan) -> None:
    """Write the resolved recipe of this invocation beside the stages it names."""
    steps = {s.step.name: {"directory": s.directory.name, "stage": s.step.entry.key} for s in plan.steps}
    identity = manifest.sha256(manifest.canonical({n: s["directory"] for n, s in steps.items()}))[: manifest.SHORT]
    header = plan.recipe.header
    document = {"newtongue": header.newtongue, "title": header.title, "stages": steps}
    file = plan.store.path / f"recipe-{identity}.yaml"
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(yaml12.dump(document), "utf-8")
    os.replace(temporary, file)


def _gate(step: PlannedStep) -> None:
    if step.place.sealed and (gate := manifest.read_manifest(step.directory).get("gate")):
        raise GateFailed(str(gate), place=f"stages.{step.step.name}")


def _run_locked(step: PlannedStep, plan: Plan, show: Reporter) -> None:
    lock = FileLock(plan.store.path / ".locks" / step.fingerprint)
    try:
        _wait_for(lock, step, show)
        if step.place.sealed:
            show.line(f"   {step.step.name}: sealed by another run, reused")
            return
        _run_step(step, plan, show, lock)
    finally:
        lock.release()


def _wait_for(lock: FileLock, step: PlannedStep, show: Reporter) -> None:
    """Take the stage's lock; wait for a living run, refuse to wait for a child left over from a dead one.

    Raises:
        DataError: A process whose runner is gone still holds the stage.
    """
    told = False
    orphaned_since: float | None = None
    while not lock.acquire():
        pids = lock.holders()
        runner, children = (pids[0] if pids else 0), pids[1:]
        if runner and not is_alive(runner):
            orphaned_since = orphaned_since or time.monotonic()
            if time.monotonic() - orphaned_since > 5 and children and is_alive(children[0]):
                raise DataError(
                    f"process {children[0]} of a run that ended still holds the stage",
                    place=f"stages.{step.step.name}",
                    fix=f"kill {children[0]}, then run again",
                )
        elif not told:
            show.line(f"   {step.step.name}: waiting for the run of process {runner}")
            told = True
        time.sleep(WAIT_SECONDS)


def _run_step(step: PlannedStep, plan: Plan, show: Reporter, lock: FileLock) -> None:
    place, started = step.place, time.monotonic()
    show.line(f"   {step.step.name}: {step.action}, {step.why}")
    _start_directory(step, plan)
    inputs = _live_inputs(step)
    settings = plain(step.step.config)
    job = Job(step.step.entry.key, place.path, place.payload, place.scratch, plan.store.path, settings, inputs)
    with watch.open_ledger(plan) as ledger:
        outcome = watch.run_child(job, step, plan, show, lock, ledger)
    seconds = time.monotonic() - started
    _seal(step, plan, outcome, seconds, inputs)
    cost = f", ${outcome.costs['usd']:.2f}" if outcome.costs.get("usd") else ""
    show.line(f"   {step.step.name}: done in {duration(seconds)}{cost}")


def _start_directory(step: PlannedStep, plan: Plan) -> None:
    """Make the stage directory, write its config, empty the payload folder; scratch stays."""
    place = step.place
    try:
        place.scratch.mkdir(parents=True, exist_ok=True)
        _empty(place.payload)
        facts = {
            "stage": step.step.entry.key,
            "version": step.step.entry.version,
            "fingerprint": step.fingerprint,
            "settings": semantic(step.step.config),
            "inputs": {p: _shown(ref, plan) for p, ref in references(step.step.config)},
        }
        (place.path / CONFIG).write_text(yaml12.dump(facts), "utf-8")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", place=str(place.path), fix="give --out DIR") from error


def _shown(ref: Any, plan: Plan) -> str:
    return str(ref) if ref.startswith(("$", "asset:")) or ref.is_hub_id else os.path.relpath(ref, plan.store.path)


def _empty(folder: Path) -> None:
    if folder.exists():
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _live_inputs(step: PlannedStep) -> dict[str, Artefact]:
    for artefact in step.inputs.values():
        if artefact.sealed and not manifest.is_sealed(artefact.path.parent):
            raise errors_module.NotSealed("not sealed", place=str(artefact.path.parent), fix="run it first")
    return dict(step.inputs)


def _seal(step: PlannedStep, plan: Plan, outcome: Outcome, seconds: float, inputs: dict[str, Artefact]) -> None:
    """Make the payload durable and promise it: hash, check that inputs are still what they were, write the manifest."""
    place = step.place
    _write_card(step, outcome)
    manifest.sync_tree(place.payload)
    files = manifest.describe_payload(place.payload, tuple(outcome.volatile))
    cache = HashCache(plan.store.path / ".hashes.json")
    for artefact in inputs.values():
        if not sources.unchanged(artefact, cache):
            raise DataError("changed while the stage ran", place=artefact.name, fix="run again")
    facts = {
        "kind": place.kind,
        "stage": step.step.entry.key,
        "name": step.step.name,
        "version": step.step.entry.version,
        "fingerprint": step.fingerprint,
        "digest": manifest.digest(files),
        "payload": place.payload.name,
        "files": files,
        "settings": semantic(step.step.config),
        "inputs": {where: _input_facts(inputs[str(ref)]) for where, ref in references(step.step.config)},
        "counts": dict(outcome.counts),
        "metrics": dict(outcome.metrics),
        "licences": dict(outcome.licences),
        "languages": list(outcome.languages),
        "card": list(outcome.card),
        "gate": outcome.gate,
        "costs": {**outcome.costs, "seconds": round(seconds, 3), "usd": outcome.costs.get("usd", 0.0)},
        "versions": _versions(),
    }
    for path in manifest.files_below(place.payload):
        path.chmod(0o444)
    manifest.write_json(place.path / manifest.MANIFEST, facts)
    shutil.rmtree(place.scratch, ignore_errors=True)


def _input_facts(artefact: Artefact) -> dict[str, str]:
    digest = str(manifest.read_manifest(artefact.path.parent)["digest"]) if artefact.sealed else ""
    name = artefact.name if artefact.name.startswith(("$", "asset:")) else os.path.basename(artefact.name)
    return {"name": name, "fingerprint": artefact.fingerprint, "digest": digest}


def _write_card(step: PlannedStep, outcome: Outcome) -> None:
    counts = [f"- {name}: {number:,}" for name, number in outcome.counts.items()]
    licences = [f"- {name}: {number:,}" for name, number in outcome.licences.items()]
    parts = [f"# {step.step.name}", f"A {step.place.kind} made by the stage `{step.step.entry.key}`.", *outcome.card]
    parts += ["## Counts", "\n".join(counts)] if counts else []
    parts += ["## Licences", "\n".join(licences)] if licences else []
    (step.directory / "card.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("newtongue", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
