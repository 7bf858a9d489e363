"""Runs of a sweep side by side, as one table: what every value gives, and what new rows cost before any training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from newtongue.core import manifest
from newtongue.core.errors import DataError, RecipeError
from newtongue.run.compare import compare

Facts = dict[str, Any]
BITS = "bits_per_byte"
BASE = "base"


class Swept(Protocol):
    """One run of a sweep: just finished, or read again from its store."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Dotted key -> the value it had."""

    @property
    def directories(self) -> Mapping[str, Path]:
        """Stage name -> its directory."""


def side_by_side(points: Sequence[Swept]) -> Facts:
    """Compare the runs of a sweep on held-out text, and what their tokenizer stages say of new rows.

    Measured is the last `eval` stage that the sweep changes. The base is the last one it does not change, where the
    two have sets in common.

    Args:
        points: Runs of one recipe.

    Returns:
        `stage` and `base_stage`; `sets` (name -> role); `base` (set -> bits per byte with interval); and per run in
        `points`: `name`, `settings`, `bits_per_byte`, the paired differences `less_base` and `less_first` (to the
        first run) per set, and `rows`: the measured cost `kl_bits` to protected text with interval, the proved
        `bound_bits`, whether `greedy` decoding provably stays old, and `fallback_tokens`. Absent is None.

    Raises:
        DataError: The sweep has no run, or measures nothing.
    """
    if not points:
        raise DataError("no run of the sweep is finished", fix="run `newtongue sweep` again: it goes on")
    stage, base = _evals(points)
    first = points[0].directories[stage]
    names = _names(points)
    rows = [_row(name, point, stage, base, first) for name, point in zip(names, points, strict=True)]
    shown = compare(points[0].directories[base], first)["sets"] if base else {}
    roles = _roles(first)
    return {
        **{"stage": stage, "base_stage": base, "sets": {name: roles[name] for name in rows[0][BITS]}},
        **{BASE: {n: found["before"][BITS] for n, found in shown.items() if n in rows[0][BITS]}, "points": rows},
    }


def _evals(points: Sequence[Swept]) -> tuple[str, str | None]:
    """Return the eval stage that the sweep changes, and one that it does not; the last of each in the recipe."""
    places = {name: {point.directories.get(name) for point in points} for name in points[0].directories}
    evals = [n for n, found in places.items() if all(p and (p / "scores" / "scores.json").is_file() for p in found)]
    if not evals:
        raise DataError("the sweep measures nothing", expected="a recipe with an `eval` stage")
    changed = [name for name in evals if len(places[name]) > 1] or evals
    sets = set(_roles(points[0].directories[changed[-1]]))
    same = [n for n in evals if n not in changed and sets & set(_roles(points[0].directories[n]))]
    return changed[-1], same[-1] if same else None


def _scores(directory: Path) -> Facts:
    found: Facts = json.loads((directory / "scores" / "scores.json").read_text("utf-8"))["sets"]
    return found


def _roles(directory: Path) -> dict[str, str]:
    """Return set -> role of the held-out text and answers that are scored in bits; controls are none."""
    return {n: facts["role"] for n, facts in _scores(directory).items() if BITS in facts and "control_of" not in facts}


def _row(name: str, point: Swept, stage: str, base: str | None, first: Path) -> Facts:
    here = point.directories[stage]
    pairs = {"less_base": point.directories[base] if base else None, "less_first": first if here != first else None}
    less = {key: compare(other, here)["sets"] if other else {} for key, other in pairs.items()}
    sets = _roles(here)
    return {
        **{
            "name": name,
            "settings": dict(point.settings),
            BITS: {n: f[BITS] for n, f in _scores(here).items() if n in sets},
        },
        **{key: {n: f["change"]["difference"] for n, f in found.items() if n in sets} for key, found in less.items()},
        "rows": _new_rows(point),
    }


def _new_rows(point: Swept) -> Facts:
    """Return what the recipe's tokenizer stage says of new rows; nothing without one."""
    files = [place / "model" / "expansion.json" for place in point.directories.values()]
    own = [f for f in files if f.is_file() and manifest.read_manifest(f.parent.parent).get("stage") == "tokenizer"]
    facts = json.loads(own[-1].read_text("utf-8")).get("initialisation") if own else None
    if not facts:
        return {}
    bound, measured = facts["certificate"], facts.get("measured") or {}
    return {
        **{"kl_bits": measured.get("kl"), "bound_bits": bound["expected_bits"], "greedy": bound["greedy"]},
        "fallback_tokens": facts["input"]["fallback_tokens"],
    }


def _names(points: Sequence[Swept]) -> list[str]:
    """Return every run's name: its values, with their keys where there are several."""
    if len(points[0].settings) == 1:
        return [_name(value) for point in points for value in point.settings.values()]
    return [", ".join(f"{k.split('.')[-1]} {_name(v)}" for k, v in point.settings.items()) for point in points]


def _name(value: Any) -> str:
    """Return a swept value as a reader names it: of initialisers the method, of both matrices where they differ."""
    if not isinstance(value, dict):
        return str(value)
    head = value.get("head")
    return str(value.get("input", "subword_mean")) + (f" / {head}" if head else "")


def table(facts: Facts) -> str:
    """Return the runs as one Markdown table that can be read as it is, the base first.

    Every figure has its interval. Beside the text of a target language stands the difference to the first run, beside
    that of a kept language the difference to the base.
    """
    rows = [_base_cells(facts)] if facts[BASE] else []
    rows += [_cells(facts, point) for point in facts["points"]]
    head = _head(facts)
    lines = [head, *rows]
    wide = [max(len(line[place]) for line in lines) for place in range(len(head))]
    rule = ["-" * wide[0], *("-" * (width - 1) + ":" for width in wide[1:])]
    padded = [
        [line[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(line[1:], wide[1:], strict=True))] for line in lines
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [padded[0], rule, *padded[1:]])


def _against(facts: Facts, name: str) -> tuple[str, str]:
    """Return which difference stands beside a set, and to what."""
    if facts[BASE] and facts["sets"][name] != "target":
        return "less_base", BASE
    return "less_first", facts["points"][0]["name"]


def _has_rows(facts: Facts) -> bool:
    return any(point["rows"] for point in facts["points"])


def _head(facts: Facts) -> list[str]:
    sets = [label for n in facts["sets"] for label in (n, f"less {_against(facts, n)[1]}")]
    return ["", *sets, *(["KL, bits", "bound, bits", "greedy kept", "fallback"] if _has_rows(facts) else [])]


def _base_cells(facts: Facts) -> list[str]:
    sets = [cell for name in facts["sets"] for cell in (_shown(facts[BASE].get(name), ".3f"), "")]
    return [BASE, *sets, *([""] * 4 if _has_rows(facts) else [])]


def _cells(facts: Facts, point: Facts) -> list[str]:
    sets = []
    for name in facts["sets"]:
        difference = point[_against(facts, name)[0]].get(name)
        sets += [_shown(point[BITS].get(name), ".3f"), _shown(difference, "+.3f")]
    return [point["name"], *sets, *(_row_cells(point["rows"]) if _has_rows(facts) else [])]


def _row_cells(rows: Facts) -> list[str]:
    bound, greedy = rows.get("bound_bits"), rows.get("greedy")
    told = "" if greedy is None else "proved" if greedy else "not proved"
    return [
        _shown(rows.get("kl_bits"), ".2g"),
        "–" if bound is None else f"{bound:.2g}",
        told,
        str(rows.get("fallback_tokens", "")),
    ]


def _shown(found: Mapping[str, Any] | None, form: str) -> str:
    if not found:
        return "–"
    low, high = ("unknown" if found[end] is None else format(found[end], form) for end in ("low", "high"))
    return f"{found['value']:{form}} [{low}, {high}]"


def write_table(facts: Facts, file: Path) -> None:
    """Write the table as Markdown, or the facts as JSON, by the file's ending.

    Raises:
        RecipeError: The file ends otherwise.
    """
    if file.suffix not in (".md", ".json"):
        raise RecipeError(f"cannot write a sweep as `{file.name}`", expected="a file that ends in .md or .json")
    text = table(facts) if file.suffix == ".md" else json.dumps(facts, ensure_ascii=False, indent=2)
    manifest.write_text(file, text + "\n")
