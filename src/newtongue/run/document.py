"""Recipes as plain values: found, read, laid over one another, changed by `--set`."""

from __future__ import annotations

import os
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from newtongue.core.errors import RecipeError
from newtongue.run import yaml12

PATH_STARTS = ("./", "../", "~/")


def find(path: str | Path) -> Path:
    """Return the file of a recipe given as a path or as the name of a shipped one."""
    shipped = Path(str(resources.files("newtongue"))) / "recipes"
    candidates = [Path(path), shipped / f"{path}", shipped / f"{path}.yaml"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
    raise RecipeError("no such recipe", place=str(path), expected=f"a file, or one of {names}")


def compose(file: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return a recipe file as plain values, laid over the recipe it extends; its relative paths become absolute.

    Raises:
        RecipeError: It is no mapping, or extends itself.
    """
    if file.resolve() in seen:
        raise RecipeError("extends itself", place=str(file))
    document = yaml12.read(file)
    if not isinstance(document, dict):
        raise RecipeError("not a mapping", place=str(file), expected="`newtongue: 1` and `stages:`")
    document = cast(dict[str, Any], _anchor(document, file.parent))
    parent = document.pop("extends", None)
    if parent is None:
        return document
    local = file.parent / str(parent)
    below = compose(local if local.is_file() else find(str(parent)), (*seen, file.resolve()))
    return cast(dict[str, Any], _merge(below, document))


def _anchor(value: Any, folder: Path) -> Any:
    """Return `value` with every relative path made absolute from the folder of the file that says it."""
    if isinstance(value, str) and value.startswith(PATH_STARTS):
        return os.path.abspath(folder / os.path.expanduser(value))
    if isinstance(value, dict):
        return {key: item if key == "extends" else _anchor(item, folder) for key, item in value.items()}
    return [_anchor(item, folder) for item in value] if isinstance(value, list) else value


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _merge(below.get(key), item) for key, item in above.items()}}
    return above


def assign(document: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `document[a][b][0]` for `a.b.0`, making mappings and lists on the way; a list grows by its next number.

    Raises:
        RecipeError: A number is beyond the end of its list, or a word stands where a number must.
    """
    keys = dotted.split(".")
    here: Any = document
    for key, following in pairwise(keys):
        empty: Any = [] if following == "0" else {}
        inside = here.get(key) if isinstance(here, dict) else next(iter(here[_index(key, here, dotted) :]), None)
        here = inside if isinstance(inside, dict | list) else _put(here, key, empty, dotted)
    _put(here, keys[-1], value, dotted)


def _put(here: Any, key: str, value: Any, dotted: str) -> Any:
    """Set one item of a mapping or list, and return it."""
    if isinstance(here, dict):
        here[key] = value
    elif (index := _index(key, here, dotted)) < len(here):
        here[index] = value
    else:
        here.append(value)
    return value


def _index(key: str, items: list[Any], dotted: str) -> int:
    """Return a number into a list, at most one beyond its end."""
    if key.isdigit() and int(key) <= len(items):
        return int(key)
    raise RecipeError(f"no item {key!r}", place=f"--set {dotted}", expected=f"0 to {len(items)}")


def override_of(text: str) -> tuple[str, Any]:
    """Return (dotted key, value) of a `key.sub=value` text; paths count from the working directory."""
    dotted, sign, value = text.partition("=")
    if not sign or not all(dotted.split(".")):
        raise RecipeError(f"{text!r} does not set anything", place="--set", expected="--set key.sub=value")
    return dotted, _anchor(yaml12.parse(value, f"--set {dotted}"), Path.cwd())
