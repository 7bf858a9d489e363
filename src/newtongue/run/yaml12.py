"""YAML as version 1.2 reads it: `no` is text, `2e-5` is a number, a key given twice is an error with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from newtongue.core.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalar rules of the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 the base class declares it so


_RULES = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
for _tag, _pattern, _first in _RULES:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first])


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    base = {"0o": 8, "0x": 16}.get(str(text)[:2], 10)
    return int(str(text), base)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, dict | list):
            raise yaml.constructor.ConstructorError(None, None, "a key must be plain", key_node.start_mark)
        if key == "<<":
            raise RecipeError(
                "merge keys (<<) are not part of YAML 1.2", place=f"line {line}", fix="use `extends:` or write it out"
            )
        if key in seen:
            raise RecipeError(
                f"the key {key!r} stands twice, first on line {seen[key]}", place=f"line {line}", fix="remove one"
            )
        seen[key] = line
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse(text: str, place: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        RecipeError: It is not YAML, or a key stands twice; the message names the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except RecipeError as error:
        raise RecipeError(error.problem, place=f"{place}, {error.place}", fix=error.fix) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(f"not YAML: {getattr(error, 'problem', error)}", place=f"{place}{line}") from error


def read(file: Path) -> Any:
    """Return the value of a YAML file."""
    try:
        return parse(file.read_text("utf-8"), str(file))
    except FileNotFoundError as error:
        raise RecipeError("no such file", place=str(file), fix="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot be read ({error})", place=str(file)) from error


class _Dumper(yaml.SafeDumper):
    """Safe dumper that writes floats so that every YAML 1.2 reader reads floats."""


_Dumper.add_multi_representer(str, lambda dumper, text: dumper.represent_str(str(text)))


def dump(value: Any) -> str:
    """Return a value as YAML text, keys in the order given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
