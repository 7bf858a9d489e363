"""What identifies a step's result, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.config import Settings, semantic
from newtongue.core.errors import RecipeError
from newtongue.core.language import Languages
from newtongue.core.teacher import Teacher
from newtongue.run.recipe import Step
from newtongue.run.store import read_config


def fingerprint_of(step: Step, inputs: Mapping[str, str]) -> str:
    """Return the identity of a step's result: its semantic settings, its stage's version, its inputs, its languages.

    Args:
        step: A step of a recipe.
        inputs: Place of each reference -> fingerprint of what stands there; empty while it is not known.

    Returns:
        64 hexadecimal digits, or nothing while an input is not known.
    """
    if not all(inputs.values()):
        return ""
    return manifest.fingerprint(step.entry.key, step.entry.version, semantic(step.config), inputs, _cards(step))


def _cards(step: Step) -> dict[str, str]:
    """Return language tag -> hash of what is known of it, for every language a step's config names."""
    from newtongue.adapters.languages import load_card

    try:
        cards = {
            tag: load_card(tag).model_dump(mode="json", exclude_none=True) for tag in sorted(set(_tags(step.config)))
        }
    except RecipeError as error:
        place = f"stages.{step.name}.language"
        raise RecipeError(error.problem, place=place, expected=error.expected, fix=error.fix) from error
    known = {tag: manifest.sha256(manifest.canonical(card)) for tag, card in cards.items()}
    return known | {f"stand-in {tag}": _edition(tag) for tag in cards if _has_stand_in(step.config)}


def _edition(tag: str) -> str:
    from newtongue.adapters.llm.offline import edition

    return edition(tag)


def _has_stand_in(value: Any) -> bool:
    """Return whether a config has the offline stand-in answer anything: its wordings decide the result."""
    if isinstance(value, dict):
        return any(map(_has_stand_in, value.values()))
    if isinstance(value, Teacher):
        return value.serve == "offline"
    return isinstance(value, Settings) and any(_has_stand_in(getattr(value, name)) for name in type(value).model_fields)


def _tags(value: Any) -> Iterator[str]:
    """Yield the language tags in fields called `language`, and in a config's own `languages`."""
    if isinstance(value, Languages):
        yield from (*value.target, *value.keep)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tags(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tags(item)
    elif isinstance(value, Settings):
        own = getattr(value, "language", None)
        yield from [own] if isinstance(own, str) else []
        for name in type(value).model_fields:
            yield from _tags(getattr(value, name))


def difference(step: Step, earlier: Path) -> str:
    """Say which settings differ from the stage's latest directory."""
    before, now = read_config(earlier).get("settings", {}), semantic(step.config)
    if not isinstance(before, dict):
        return "new"
    names = [n for n in sorted({*before, *now}) if before.get(n) != now.get(n)]
    changed = [f"{n} {_shown(before.get(n))} → {_shown(now.get(n))}" for n in names]
    return "; ".join(changed) or "an input changed"


def _shown(value: Any) -> str:
    text = "default" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
