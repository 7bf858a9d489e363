"""What would happen, why, and what it would cost; nothing is written and torch is never imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Estimate
from newtongue.core.config import Ref, references
from newtongue.core.errors import Corrupt, DataError
from newtongue.run import sources
from newtongue.run.fingerprint import difference, fingerprint_of
from newtongue.run.recipe import Recipe, Step
from newtongue.run.sources import Known
from newtongue.run.store import HASHES, HashCache, Pins, StageDirectory, Store

Action = Literal["reuse", "run", "resume", "skip"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One line of a plan.

    Attributes:
        step: The recipe's step.
        number: Position in the recipe, from 1.
        fingerprint: Identity of the work; "" while an input is not hashed.
        directory: Where it stands or will stand.
        action: What `run` would do.
        why: The reason, for people.
        estimate: Expected time, money, memory; of a sealed stage what it really took.
        inputs: Text of each reference -> artefact (paths of unsealed stages are where they will be).
        notes: Warnings.
    """

    step: Step
    number: int
    fingerprint: str
    directory: Path
    action: Action
    why: str
    estimate: Estimate
    inputs: Mapping[str, Artefact]
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> StageDirectory:
        """The stage directory as a handle."""
        return StageDirectory(self.directory, self.step.config.makes())


@dataclass(frozen=True, slots=True)
class Plan:
    """Every step of a recipe with what it needs and costs."""

    recipe: Recipe
    store: Store
    steps: tuple[PlannedStep, ...]
    spent_usd: float = 0.0

    @property
    def to_do(self) -> list[PlannedStep]:
        """Steps that `run` would execute."""
        return [step for step in self.steps if step.action in ("run", "resume")]

    @property
    def usd(self) -> tuple[float, float, float]:
        """Dollars still to be spent: (low, likely, high), teachers and machine together."""
        hourly = self.recipe.header.budget.machine.usd_per_hour / 3600
        teachers = _sums([step.estimate.usd for step in self.to_do])
        low, likely, high = (t + s * hourly for t, s in zip(teachers, self.seconds, strict=True))
        return low, likely, high

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Wall time still needed: (low, likely, high)."""
        return _sums([step.estimate.seconds for step in self.to_do])


def make_plan(recipe: Recipe, store: Store, *, hash_everything: bool = False) -> Plan:
    """Plan a recipe against a store.

    Args:
        recipe: What is wanted.
        store: Where earlier work stands.
        hash_everything: Whether to read all new input data (`run`), or at most 256 MB of it (`plan`).

    Raises:
        DataError: An input is missing or unusable, or a sealed stage's input was rebuilt with other bytes.
    """
    cache = HashCache(store.path / HASHES)
    limit = None if hash_everything else sources.PLAN_HASH_BYTES
    planner = _Planner(recipe, store, Known(cache, Pins(store.path), limit))
    for number, step in enumerate(recipe.steps, 1):
        planner.done[step.name] = planner.draft(number, step)
    cache.save()
    return Plan(recipe, store, tuple(_demanded(planner.done)), _spent(store))


@dataclass(slots=True)
class _Planner:
    """Plans the steps of one recipe in order; later steps see what earlier ones will make."""

    recipe: Recipe
    store: Store
    known: Known
    done: dict[str, PlannedStep] = field(default_factory=dict)

    def draft(self, number: int, step: Step) -> PlannedStep:
        """Return a step's line as if everything had to be done."""
        found = {
            place: (ref, *self._input(ref, f"stages.{step.name}.{place}")) for place, ref in references(step.config)
        }
        mark = fingerprint_of(step, {place: artefact.fingerprint for place, (_, artefact, _, _) in found.items()})
        directory = self._directory(number, step, mark)
        action, why = self._action(step, directory, mark)
        inputs = {str(ref): artefact for ref, artefact, _, _ in found.values()}
        if action == "reuse":
            _check_sealed(directory, step, inputs)
        else:
            _check_columns(step, inputs)
        estimate = self._estimate(step, directory, action, {str(ref): counts for ref, _, counts, _ in found.values()})
        notes = tuple(dict.fromkeys(note for *_, note in found.values() if note))
        return PlannedStep(step, number, mark, directory, action, why, estimate, inputs, notes)

    def _directory(self, number: int, step: Step, mark: str) -> Path:
        """Return where the work stands, will stand under an earlier name, or will stand under this one."""
        same = [done.directory for done in self.done.values() if mark and done.fingerprint == mark]
        found = same[0] if same else self.store.find(mark) if mark else None
        return found or self.store.place(number, step.name, mark or "0" * 64)

    def _input(self, ref: Ref, place: str) -> tuple[Artefact, Counts, str]:
        if ref.stage:
            made = self.done[ref.stage]
            payload, kind = made.place.payload, made.place.kind
            artefact = Artefact(kind, payload, ref.part, sealed=True, fingerprint=made.fingerprint, name=str(ref))
            return artefact, made.estimate.makes, ""
        external = sources.resolve(ref, place, self.known)
        return external.artefact, external.counts, external.note and f"{os.path.basename(ref)}: {external.note}"

    def _action(self, step: Step, directory: Path, mark: str) -> tuple[Action, str]:
        if not mark:
            return "run", "an input is not known yet"
        if manifest.is_sealed(directory):
            return "reuse", "sealed"
        if (directory / ".scratch").is_dir():
            return "resume", "started earlier, not finished"
        earlier = self.store.latest(step.name)
        return "run", difference(step, earlier) if earlier else "new"

    def _estimate(self, step: Step, directory: Path, action: Action, counts: Mapping[str, Counts]) -> Estimate:
        if action != "reuse":
            return step.entry.load_estimate()(step.config, counts, self.recipe.header.budget.machine)
        facts = manifest.read_manifest(directory)
        seconds, usd = (float(facts["costs"].get(name, 0.0)) for name in ("seconds", "usd"))
        return Estimate((seconds,) * 3, (usd,) * 3, memory_gb=0.0, makes=sources.counts_of(facts))


def _check_sealed(directory: Path, step: Step, inputs: Mapping[str, Artefact]) -> None:
    """Refuse a sealed stage that lost files, or whose input was since rebuilt with other bytes."""
    gone = manifest.missing(directory)
    if gone:
        problem = f"sealed, but {gone[0]} is missing or of another size"
        raise Corrupt(problem, place=str(directory), fix=f"restore it, or rm -r {directory} and run again")
    recorded = manifest.read_manifest(directory).get("inputs", {})
    for place, ref in references(step.config):
        upstream = inputs[str(ref)].path.parent
        if not inputs[str(ref)].sealed or not manifest.is_sealed(upstream) or place not in recorded:
            continue
        if recorded[place].get("digest") not in ("", None, manifest.read_manifest(upstream)["digest"]):
            problem = f"was made from {ref} with other bytes than it has now"
            raise DataError(problem, place=str(directory), fix=f"rm -r {directory}, then run again")


def _check_columns(step: Step, inputs: Mapping[str, Artefact]) -> None:
    """Look at the first row of the user's own text files for the columns a stage will want."""
    from newtongue.adapters.tables import require_columns

    for ref, names in step.config.columns():
        artefact = inputs[str(ref)]
        if not artefact.sealed and not ref.is_hub_id:
            require_columns(artefact.path, names, light=True)


def _demanded(drafts: Mapping[str, PlannedStep]) -> Iterator[PlannedStep]:
    """Yield the lines as they will be: what nothing needs is skipped, what stands twice is done once."""
    needed, done = _needed(drafts), dict[str, str]()
    for name, draft in drafts.items():
        if draft.action == "reuse":
            yield draft
        elif name not in needed:
            yield replace(draft, action="skip", why="nothing that is still to do needs it")
        elif draft.fingerprint in done:
            yield replace(draft, action="reuse", why=f"the same work as {done[draft.fingerprint]}")
        else:
            if draft.fingerprint:
                done[draft.fingerprint] = name
            yield draft


def _needed(drafts: Mapping[str, PlannedStep]) -> set[str]:
    """Return the names of the unsealed steps that a leaf needs, directly or through unsealed steps."""
    used = {name for draft in drafts.values() for name in draft.step.needs}
    waiting = [name for name in drafts if name not in used]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed and drafts[name].action != "reuse":
            needed.add(name)
            waiting.extend(drafts[name].step.needs)
    return needed


def _sums(ranges: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    return sum(r[0] for r in ranges), sum(r[1] for r in ranges), sum(r[2] for r in ranges)


def _spent(store: Store) -> float:
    """Return the dollars spent so far, stranded reservations included."""
    file = store.path / "ledger.db"
    if not file.is_file():
        return 0.0
    from newtongue.adapters.llm.ledger import Ledger

    with contextlib.closing(Ledger(file)) as ledger:
        return ledger.spent() / 1e6
