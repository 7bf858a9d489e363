"""From YAML to typed steps: defaults, overrides, checks. Everything here happens before any work.

A recipe is a document: a header and a mapping of stages. Composition is `extends:` and `--set`, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from pydantic import Field, ValidationError

from newtongue.core.artefact import PARTS
from newtongue.core.budget import Budget
from newtongue.core.config import Ref, Settings, StageConfig, references, set_references
from newtongue.core.errors import RecipeError
from newtongue.core.language import Languages
from newtongue.run.document import assign, compose, find, override_of
from newtongue.run.problems import explained
from newtongue.stages import CATALOGUE, Entry

FORMAT = 1
PATH_STARTS = ("./", "../", "~/")
PICO = "asset:pico"


class Header(Settings):
    """What stands above the stages of a recipe."""

    newtongue: int
    """Version of the recipe format; 1."""
    title: str = ""
    """One line for people."""
    languages: Languages = Languages()
    """Default of every stage field `languages`."""
    budget: Budget = Budget()
    """What the store may spend."""
    seed: int = 0
    """Default of every stage field `seed`."""
    extends: str | None = None
    """Recipe this one changes."""
    stages: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    """Name -> settings; null removes a stage of the extended recipe."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a recipe.

    Attributes:
        name: Its name in the recipe.
        entry: Its row of the catalogue.
        config: Its settings, references resolved to absolute paths or `$stage`.
    """

    name: str
    entry: Entry
    config: StageConfig

    @property
    def needs(self) -> list[str]:
        """Names of the stages this one refers to."""
        return [ref.stage for _, ref in references(self.config) if ref.stage]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe: steps in an order in which each only needs earlier ones."""

    name: str
    header: Header
    steps: tuple[Step, ...]
    document: Mapping[str, Any] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """Return the step of that name."""
        return next(step for step in self.steps if step.name == name)


def load(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read, compose and check a recipe.

    Args:
        path: A YAML file, or the name of a shipped recipe (`demo`).
        overrides: `key.sub=value` texts; values are YAML. `stages.` may be left out.
    """
    file = find(path)
    document = compose(file)
    for override in overrides:
        _apply(document, override)
    return build(document, file.stem, str(file))


def build(document: Mapping[str, Any], name: str, place: str) -> Recipe:
    """Check a recipe given as plain values and return it as typed steps in order."""
    header = header_of(document, place)
    steps = {key: _step(key, dict(value), header, place) for key, value in header.stages.items() if value is not None}
    if not steps:
        raise RecipeError("no stages", place=place, expected="a mapping under `stages:`")
    for step in steps.values():
        _check_references(step, steps, place)
    return Recipe(name, header, tuple(_ordered(steps, place)), document)


def rehearse(recipe: Recipe) -> Recipe:
    """Return the same recipe at rehearsal size: each config's `rehearsal()`, a tiny shipped model for every model.

    Data on the hub becomes the shipped sample of the stage's language. Files of the user stay: when they are
    missing, the rehearsal says so, as the run would.
    """

    def shrink(step: Step) -> Step:
        language = str(getattr(step.config, "language", ""))
        small = set_references(step.config.rehearsal(), lambda ref: _pico(ref, language))
        return replace(step, config=small)

    return replace(recipe, name=f"{recipe.name}-rehearsal", steps=tuple(shrink(step) for step in recipe.steps))


def _pico(ref: Ref, language: str) -> str:
    if ref.stage:
        return str(ref)
    if "Model" in ref.kinds:
        return PICO
    return f"asset:sample/{language}.jsonl" if ref.is_hub_id and language else str(ref)


def single(key: str, config: StageConfig, header: Header | None = None) -> Recipe:
    """Return a recipe of one stage, for `newtongue stage` and the Python verbs."""
    place = f"stage {key}"
    step = Step(key, entry_of(key, key, place), _absolute(config, place))
    _check_references(step, {key: step}, place)
    if step.needs:
        raise RecipeError(f"${step.needs[0]} refers to a stage of a recipe, and there is none here", place=place,
                          expected="a path, asset:name or hub id")  # fmt: skip
    return Recipe(key, header or Header(newtongue=FORMAT), (step,))


def entry_of(key: str, name: str, place: str) -> Entry:
    """Return the catalogue row of a stage key, or say which name was probably meant."""
    if key not in CATALOGUE:
        close = get_close_matches(key, CATALOGUE, 1)
        raise RecipeError(
            f"no stage {key!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
            place=f"{place}: stages.{name}",
            expected=", ".join(CATALOGUE),
            fix="correct the name, or say `stage: …` beside a name of your own",
        )
    entry = CATALOGUE[key]
    if not entry.ready:
        ready = ", ".join(k for k, e in CATALOGUE.items() if e.ready)
        raise RecipeError(f"the stage {key!r} is not there yet", place=f"{place}: stages.{name}", expected=ready)
    return entry


def check_config(kind: type[StageConfig], values: Mapping[str, Any], place: str) -> StageConfig:
    """Return validated settings, or raise with every problem: unknown keys first, nearest name beside them."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(
            explained(error, kind), place=place, fix="newtongue explain KEY shows every setting"
        ) from None


def header_of(document: Mapping[str, Any], place: str) -> Header:
    """Return the checked header of a recipe given as plain values."""
    if not isinstance(document, Mapping):
        raise RecipeError("not a mapping", place=place, expected="`newtongue: 1` and `stages:`")
    if document.get("newtongue") != FORMAT:
        raise RecipeError(
            f"`newtongue:` is {document.get('newtongue')!r}", place=place, expected="newtongue: 1 as the first line"
        )
    try:
        return Header.model_validate(document)
    except ValidationError as error:
        raise RecipeError(explained(error, Header), place=place) from None


def _step(name: str, values: dict[str, Any], header: Header, place: str) -> Step:
    entry = entry_of(str(values.pop("stage", name)), name, place)
    kind = entry.load_config()
    for shared in ("seed", "languages"):
        if shared in kind.model_fields and shared not in values:
            values[shared] = getattr(header, shared)
    spot = f"{place}: stages.{name}"
    return Step(name, entry, _absolute(check_config(kind, values, spot), spot))


def _absolute(config: StageConfig, place: str) -> StageConfig:
    """Return a config with environment names and relative paths replaced; `$stage`, assets and hub ids stay."""
    resolved = {ref: _resolve(ref, f"{place}.{where}") for where, ref in references(config)}
    return cast(StageConfig, set_references(config, lambda ref: resolved[ref]))


def _resolve(ref: Ref, place: str) -> str:
    text = str(ref)
    if text.startswith("env:"):
        text = os.environ.get(text[4:], "")
        if not text:
            raise RecipeError(f"the environment variable {ref[4:]} is not set", place=place, fix=f"export {ref[4:]}=…")
    if text.startswith(("/", *PATH_STARTS)):
        return os.path.abspath(os.path.expanduser(text))
    if not text.startswith(("$", "asset:")) and (Path(text).exists() or not type(ref)(text).is_hub_id):
        raise RecipeError(
            f"{text!r} is no artefact",
            place=place,
            expected="$stage, ./path, asset:name, env:NAME or a hub id org/name[@revision]",
            fix=f"a path is written ./{text}",
        )
    return text


def _check_references(step: Step, steps: Mapping[str, Step], place: str) -> None:
    for where, ref in references(step.config):
        spot = f"{place}: stages.{step.name}.{where}"
        if not ref.startswith("$"):
            continue
        if ref.stage is None or ref.stage not in steps:
            close = get_close_matches(ref.stage or str(ref), steps, 1)
            hint = f"; did you mean ${close[0]}?" if close else ""
            raise RecipeError(f"{ref} refers to no stage{hint}", place=spot, expected=", ".join(f"${s}" for s in steps))
        kind = steps[ref.stage].config.makes()
        if kind not in ref.kinds:
            fits = ", ".join(f"${name}" for name, other in steps.items() if other.config.makes() in ref.kinds)
            problem = f"wants a {' or '.join(ref.kinds)}, but ${ref.stage} makes a {kind}"
            raise RecipeError(problem, place=spot, expected=fits or "a stage that makes one, or a path")
        if ref.part and ref.part not in PARTS[kind]:
            raise RecipeError(
                f"a {kind} has no part {ref.part!r}", place=spot, expected=", ".join(PARTS[kind]) or "no part"
            )


def _ordered(steps: Mapping[str, Step], place: str) -> list[Step]:
    """Return the steps in stable topological order: the file's order, each moved behind what it needs."""
    done: dict[str, Step] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in path:
            raise RecipeError(f"a cycle: {' -> '.join([*path[path.index(name) :], name])}", place=place)
        if name not in done:
            path.append(name)
            for needed in steps[name].needs:
                visit(needed)
            path.pop()
            done[name] = steps[name]

    for name in steps:
        visit(name)
    return list(done.values())


def _apply(document: dict[str, Any], override: str) -> None:
    dotted, value = override_of(override)
    if dotted.split(".")[0] not in Header.model_fields:
        dotted = f"stages.{dotted}"
    assign(document, dotted, value)


def settings_from(overrides: Iterable[str]) -> dict[str, Any]:
    """Return the settings given as `key.sub=value` texts for one stage, paths anchored at the working directory."""
    settings: dict[str, Any] = {}
    for dotted, value in map(override_of, overrides):
        assign(settings, dotted, value)
    return settings


def take_header(settings: dict[str, Any]) -> dict[str, Any]:
    """Remove and return what belongs to a recipe's header rather than to a stage: the budget."""
    return {"budget": settings.pop("budget")} if "budget" in settings else {}
