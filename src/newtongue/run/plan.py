"""What would happen, why, and what it would cost; nothing is written and torch is never imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Estimate
from newtongue.core.config import Ref, references, semantic
from newtongue.core.errors import BudgetExceeded, DataError, RecipeError
from newtongue.run import sources
from newtongue.run.recipe import Recipe, Step
from newtongue.run.store import HashCache, StageDirectory, Store

Action = Literal["reuse", "run", "resume", "skip"]
CARDS = Path(__file__).resolve().parent.parent / "languages"


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
        counts: Exact or predicted size of its output.
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
    counts: Counts
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
        ranges = [[u + s * hourly for u, s in zip(p.estimate.usd, p.estimate.seconds, strict=True)] for p in self.to_do]
        low, likely, high = (sum(column) for column in zip(*ranges, strict=True)) if ranges else (0.0, 0.0, 0.0)
        return low, likely, high

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Wall time still needed: (low, likely, high)."""
        columns = list(zip(*(p.estimate.seconds for p in self.to_do), strict=True))
        low, likely, high = (sum(column) for column in columns) if columns else (0.0, 0.0, 0.0)
        return low, likely, high


@dataclass(slots=True)
class _Known:
    """What planning has learnt so far: fingerprints, sizes and places of earlier steps."""

    fingerprints: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    places: dict[str, StageDirectory] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


def make_plan(recipe: Recipe, store: Store, *, hash_everything: bool = False) -> Plan:
    """Plan a recipe against a store.

    Args:
        recipe: What is wanted.
        store: Where earlier work stands.
        hash_everything: Whether to read all new input data (`run`), or at most 256 MB of it (`plan`).

    Raises:
        DataError: An input is missing or unusable, or a sealed stage's input was rebuilt with other bytes.
    """
    cache = HashCache(store.path / ".hashes.json")
    known = _Known()
    limit = None if hash_everything else sources.PLAN_HASH_BYTES
    drafts = [_draft(number, step, recipe, store, cache, known, limit) for number, step in enumerate(recipe.steps, 1)]
    cache.save()
    needed = _needed(drafts)
    steps = tuple(
        draft if draft.step.name in needed or draft.action == "reuse" else _skipped(draft) for draft in drafts
    )
    return Plan(recipe, store, steps, _spent(store))


def check_affordable(plan: Plan) -> None:
    """Refuse a plan that cannot fit the machine or the budget, naming the setting that would.

    Raises:
        RecipeError: A stage needs more memory than the machine has.
        BudgetExceeded: The likely cost exceeds what is left of the budget.
    """
    budget = plan.recipe.header.budget
    for planned in plan.to_do:
        if planned.estimate.memory_gb > budget.machine.memory_gb:
            raise RecipeError(
                f"needs about {planned.estimate.memory_gb:.1f} GB and {budget.machine.name} has "
                f"{budget.machine.memory_gb:.1f} GB",
                place=f"stages.{planned.step.name}",
                fix=f"--set {planned.step.name}.{planned.estimate.cheaper}"
                if planned.estimate.cheaper
                else "a larger machine",
            )
    if budget.usd is None:
        return
    left = budget.usd - plan.spent_usd
    likely = plan.usd[1]
    if likely > left + 1e-9:
        raise BudgetExceeded(
            f"the plan costs about ${likely:.2f} and ${left:.2f} of ${budget.usd:.2f} is left",
            place="budget.usd",
            fix=f"--set budget.usd={likely + plan.spent_usd:.2f}, or make the recipe smaller",
        )


def _draft(
    number: int, step: Step, recipe: Recipe, store: Store, cache: HashCache, known: _Known, limit: int | None
) -> PlannedStep:
    inputs: dict[str, Artefact] = {}
    counts: dict[str, Counts] = {}
    identities: dict[str, str] = {}
    notes: list[str] = []
    for place, ref in references(step.config):
        artefact, size, note = _input(ref, f"stages.{step.name}.{place}", known, cache, limit)
        inputs[str(ref)], counts[str(ref)] = artefact, size
        identities[place] = artefact.fingerprint
        if note and note not in notes:
            notes.append(note)
    mark = ""
    if all(identities.values()):
        settings = semantic(step.config)
        mark = manifest.fingerprint(step.entry.key, step.entry.version, settings, identities, _cards(step.config))
    directory = (store.find(mark) if mark else None) or store.place(number, step.name, mark or "0" * 8)
    kind = step.config.makes()
    action, why = _action(step, store, directory, mark, recipe)
    estimate, made = _sizes(step, directory, action, counts, recipe)
    known.fingerprints[step.name], known.counts[step.name] = mark, made
    known.places[step.name], known.kinds[step.name] = StageDirectory(directory, kind), kind
    if action == "reuse":
        _check_inputs(step, directory, inputs, known)
    return PlannedStep(step, number, mark, directory, action, why, estimate, made, inputs, tuple(notes))


def _input(ref: Ref, place: str, known: _Known, cache: HashCache, limit: int | None) -> tuple[Artefact, Counts, str]:
    if ref.stage:
        directory = known.places[ref.stage]
        artefact = Artefact(
            known.kinds[ref.stage],
            directory.payload,
            part=ref.part,
            sealed=True,
            fingerprint=known.fingerprints[ref.stage],
            name=str(ref),
        )
        return artefact, known.counts[ref.stage], ""
    external = sources.resolve(ref, place, cache, limit_bytes=limit)
    return external.artefact, external.counts, external.note and f"{os.path.basename(ref)}: {external.note}"


def _cards(config: Any) -> dict[str, str]:
    """Return language tag -> sha256 of its card, for every language a config names."""
    tags = {getattr(config, "language", None), *_tags_below(config)}
    found = {tag: CARDS / f"{tag}.yaml" for tag in tags if tag}
    return {tag: manifest.file_sha256(file) for tag, file in sorted(found.items()) if file.is_file()}


def _tags_below(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {tag for item in value.values() for tag in _tags_below(item)}
    if isinstance(value, list):
        return {tag for item in value for tag in _tags_below(item)}
    if hasattr(value, "model_fields_set"):
        own = {value.language} if isinstance(getattr(value, "language", None), str) else set()
        return own | {tag for name in type(value).model_fields for tag in _tags_below(getattr(value, name))}
    return set()


def _action(step: Step, store: Store, directory: Path, mark: str, recipe: Recipe) -> tuple[Action, str]:
    if manifest.is_sealed(directory):
        return "reuse", "sealed"
    if directory.is_dir() and (directory / ".scratch").is_dir():
        return "resume", "started earlier, not finished"
    if not mark:
        return "run", "an input is not hashed yet"
    earlier = store.latest(step.name)
    return "run", _difference(step, earlier) if earlier else "new"


def _difference(step: Step, earlier: Path) -> str:
    """Say which settings differ from the stage's latest directory."""
    from newtongue.run.store import read_config

    before, now = read_config(earlier).get("settings", {}), semantic(step.config)
    if not isinstance(before, dict):
        return "new"
    names = sorted(set(before) | set(now))
    changed = [
        f"{n} {before.get(n, 'default')} → {now.get(n, 'default')}" for n in names if before.get(n) != now.get(n)
    ]
    return "; ".join(changed)[:200] or "an input changed"


def _sizes(
    step: Step, directory: Path, action: Action, counts: Mapping[str, Counts], recipe: Recipe
) -> tuple[Estimate, Counts]:
    if action == "reuse":
        facts = manifest.read_manifest(directory)
        seconds = float(facts.get("costs", {}).get("seconds", 0.0))
        usd = float(facts.get("costs", {}).get("usd", 0.0))
        exact = sources.counts_of(facts)
        return Estimate(seconds=(seconds,) * 3, usd=(usd,) * 3, makes=exact), exact
    estimate = step.entry.load_estimate()(step.config, counts, recipe.header.budget.machine)
    return estimate, estimate.makes


def _check_inputs(step: Step, directory: Path, inputs: Mapping[str, Artefact], known: _Known) -> None:
    """Refuse a sealed stage whose input was since rebuilt with other bytes."""
    recorded = manifest.read_manifest(directory).get("inputs", {})
    for place, ref in references(step.config):
        upstream = known.places.get(ref.stage or "")
        if not upstream or not upstream.sealed or place not in recorded:
            continue
        now = manifest.read_manifest(upstream.path)["digest"]
        if recorded[place].get("digest") not in ("", None, now):
            raise DataError(
                f"was made from ${ref.stage} with other bytes than it has now",
                place=str(directory),
                fix=f"rm -r {directory}",
            )


def _needed(drafts: list[PlannedStep]) -> set[str]:
    """Return the names of the unsealed steps that a leaf needs, directly or through unsealed steps."""
    by_name = {draft.step.name: draft for draft in drafts}
    used = {name for draft in drafts for name in draft.step.needs}
    waiting = [draft.step.name for draft in drafts if draft.step.name not in used]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed and by_name[name].action != "reuse":
            needed.add(name)
            waiting.extend(by_name[name].step.needs)
    return needed


def _skipped(draft: PlannedStep) -> PlannedStep:
    from dataclasses import replace

    return replace(draft, action="skip", why="nothing that is still to do needs it")


def _spent(store: Store) -> float:
    """Return the dollars spent so far, stranded reservations included."""
    file = store.path / "ledger.db"
    if not file.is_file():
        return 0.0
    from newtongue.adapters.llm.ledger import Ledger

    with contextlib.closing(Ledger(file)) as ledger:
        return ledger.spent() / 1e6
