"""Reading what stands in a store: cards, sizes, costs, and what may be removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.config import StageConfig
from newtongue.core.errors import Corrupt, DataError
from newtongue.run import yaml12
from newtongue.run.store import Store, read_config


def card(directory: Path) -> str:
    """Return the card of a sealed stage, with its identity below and what is wrong with its bytes."""
    facts = manifest.read_manifest(directory)
    lines = [f"fingerprint {facts['fingerprint']}", f"digest      {facts['digest']}"]
    lines += [f"PROBLEM {problem}" for problem in manifest.verify(directory)]
    return (directory / "card.md").read_text("utf-8") + "\n" + "\n".join(lines)


def check(directory: Path) -> None:
    """Refuse a sealed directory whose bytes changed.

    Raises:
        Corrupt: A file is missing, added or different.
    """
    problems = manifest.verify(directory)
    if problems:
        raise Corrupt(
            "the bytes are not those that were sealed",
            place=str(directory),
            expected="what its manifest.json lists",
            fix=f"restore {problems[0].partition(':')[0]}, or rm -r {directory} and run again",
        )


def overview(path: Path) -> list[dict[str, Any]]:
    """Return one row per stage directory of a store: name, stage, state, megabytes, seconds, dollars."""
    return [_row(directory) for directory in Store(path).directories()]


def _row(directory: Path) -> dict[str, Any]:
    sealed = manifest.is_sealed(directory)
    facts = manifest.read_manifest(directory) if sealed else {**read_config(directory), "costs": {}}
    return {
        "directory": directory.name,
        "stage": facts.get("stage", "?"),
        "state": "sealed" if sealed else "unfinished",
        "megabytes": round(size_bytes(directory) / 1e6, 2),
        "seconds": facts["costs"].get("seconds", ""),
        "usd": facts["costs"].get("usd", ""),
    }


def size_bytes(directory: Path) -> int:
    """Return how much a stage directory holds, scratch included."""
    return sum(file.stat().st_size for file in manifest.files_below(directory))


def unused(path: Path) -> list[Path]:
    """Return the stage directories that no recipe recorded in the store names.

    Raises:
        DataError: No recipe was ever recorded there, so nothing can be told.
    """
    recipes = Store(path).recipes()
    if not recipes:
        raise DataError("no recipe was recorded here", place=str(path), expected="a store, runs/<recipe>")
    named = {stage["directory"] for file in recipes for stage in yaml12.read(file)["stages"].values()}
    return [directory for directory in Store(path).directories() if directory.name not in named]


def settings_of(kind: type[StageConfig], prefix: str = "") -> list[dict[str, Any]]:
    """Return one row per setting of a config, nested groups included: key, type, default, meaning, operational."""
    schema = kind.model_json_schema()
    return list(_rows(schema, schema.get("$defs", {}), prefix))


def _rows(schema: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Any:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        key = f"{prefix}{name}"
        default = "required" if name in required else field.get("default")
        yield {
            "key": key,
            "type": _type(field),
            "default": default,
            "meaning": field.get("description", ""),
            "operational": bool(field.get("operational")),
        }
        for reference, many in _references(field):
            inner = definitions[reference]
            if "properties" in inner:
                yield from _rows(inner, definitions, f"{key}.{many}")


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " | ".join(_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"name -> {_type(inner)}" if isinstance(inner, dict) else "mapping"
    return str(field.get("type", "any"))


def _references(field: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (definition, infix of the key) for nested settings below a field."""
    found = []
    options = [field, *field.get("anyOf", ()), *field.get("allOf", ())]
    for option in options:
        if "$ref" in option:
            found.append((option["$ref"].rsplit("/", 1)[-1], ""))
        if option.get("type") == "array" and "$ref" in option.get("items", {}):
            found.append((option["items"]["$ref"].rsplit("/", 1)[-1], "0."))
        inner = option.get("additionalProperties")
        if isinstance(inner, dict) and "$ref" in inner:
            found.append((inner["$ref"].rsplit("/", 1)[-1], "NAME."))
    return found
