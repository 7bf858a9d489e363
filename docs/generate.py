"""Write the pages that are made from the code; run by `make docs`."""

from __future__ import annotations

import ast
import inspect
import json
import re
import types
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from newtongue.core.artefact import PARTS
from newtongue.core.config import Ref, Secret, Settings, StageConfig
from newtongue.stages import CATALOGUE, Entry

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "src" / "newtongue"
MADE = "<!-- Made by `make docs` from the code; edit the docstrings there, not this page. -->\n"
PLAIN = {bool: "yes or no", int: "whole number", float: "number", str: "text"}
WIDTH = 100
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, "utf-8")


def pages() -> dict[str, str]:
    """Return file name -> text of every page that is made from the code."""
    return {
        "recipe.md": recipe_page(),
        "commands.md": commands_page(),
        "methods.md": methods_page(),
        "scale.md": scale_page(),
    }


# --- the recipe reference -------------------------------------------------------------------------------------------


def recipe_page() -> str:
    """Return the reference of every setting a recipe can hold."""
    intro = (DOCS / "parts" / "recipe.md").read_text("utf-8")
    parts = [MADE, intro, *(header_section()), "## Stages\n", stage_table()]
    parts += [stage_section(entry) for entry in CATALOGUE.values()]
    return "\n".join(parts).rstrip() + "\n"


def header_section() -> Iterator[str]:
    """Yield the settings that stand above the stages."""
    from newtongue.core.budget import Budget
    from newtongue.core.language import Languages

    yield "## Header\n"
    yield "- `newtongue`: always `1`, the version of this format. Required."
    yield "- `title`: text. What the report is headed with."
    yield "- `seed`: whole number, default `0`. Seed of every stage that states none."
    for name, group in (("languages", Languages), ("budget", Budget)):
        yield f"- `{name}`: {first_line(group)}"
        yield from (f"  {line}" for line in field_lines(group))
        for inner in nested(group):
            yield f"\n**{inner.__name__}**: {first_line(inner)}\n"
            yield from field_lines(inner)
    yield ""


def stage_table() -> str:
    """Return the catalogue as a table."""
    rows = ["| key | verb in Python | makes |", "|---|---|---|"]
    for entry in CATALOGUE.values():
        makes = entry.load_config().MAKES
        there = "" if entry.ready else " (not there yet)"
        rows.append(f"| [`{entry.key}`](#{entry.key}) | `{entry.verb}` | {makes}{there} |")
    return "\n".join(rows) + "\n"


def stage_section(entry: Entry) -> str:
    """Return the heading, the sentence and the settings of one stage."""
    config = entry.load_config()
    lines = [f"### {entry.key}\n", f"{inspect.getdoc(config)}\n"]
    if entry.ready:
        parts = PARTS.get(config.MAKES, ()) if config.MAKES != "Model" or entry.key == "tokenizer" else ()
        named = f"; parts: {', '.join(f'`${entry.key}.{part}`' for part in parts)}" if parts else ""
        lines += [f"Makes {config.MAKES}{named}. Stage version {entry.version}.\n", *field_lines(config)]
        for inner in nested(config):
            lines += [f"\n**{inner.__name__}**: {first_line(inner)}\n", *field_lines(inner)]
    return "\n".join(lines).rstrip() + "\n"


def first_line(thing: type) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").splitlines()[0]


def field_lines(group: type[Settings]) -> Iterator[str]:
    """Yield one list item per setting: name, type, default, limits, what it does."""
    for name, field in group.model_fields.items():
        facts = [type_text(field.annotation), default_text(field), *limit_texts(field)]
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("operational"):
            facts.append("operational")
        meaning = re.sub(r"\bNone\b", "null", " ".join((field.description or "").split()))
        yield f"- `{name}`: {', '.join(fact for fact in facts if fact)}. {meaning}"


def type_text(annotation: Any) -> str:
    """Return a type as a recipe's author would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(a) for a in arguments if a is not types.NoneType)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"mapping of name to {type_text(arguments[1])}"
    return class_text(annotation)


def class_text(annotation: Any) -> str:
    """Return the name of a class as a recipe's author would say it."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Secret):
        return "`env:NAME`"
    if isinstance(annotation, type) and issubclass(annotation, Ref):
        return " or ".join(annotation.kinds) if len(annotation.kinds) < 5 else "any artefact"
    return str(getattr(annotation, "__name__", annotation))


def default_text(field: FieldInfo) -> str:
    """Return the default of a setting in YAML's spelling, or that there is none."""
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, Settings):
        return "default as below"
    return f"default `{default if isinstance(default, str) else json.dumps(default)}`"


def limit_texts(field: FieldInfo) -> Iterator[str]:
    """Yield the limits of a setting in words."""
    for limit in field.metadata:
        yield from (f"{words} {getattr(limit, name)}" for name, words in LIMITS.items() if hasattr(limit, name))


def nested(group: type[Settings]) -> list[type[Settings]]:
    """Return the groups of settings used inside a group, in order, each once."""
    found: list[type[Settings]] = []
    for field in group.model_fields.values():
        for inner in groups_in(field.annotation):
            found += [one for one in (inner, *nested(inner)) if one not in found]
    return found


def groups_in(annotation: Any) -> Iterator[type[Settings]]:
    """Yield every group of settings inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, Settings) and not issubclass(annotation, StageConfig):
        yield annotation
    for argument in get_args(annotation):
        yield from groups_in(argument)


# --- the command line -------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Return the help of every command."""
    import typer

    from newtongue.cli.main import COMMANDS, app

    group: Any = typer.main.get_command(app)
    lines = [MADE, (DOCS / "parts" / "commands.md").read_text("utf-8")]
    for name in COMMANDS:
        command = group.commands[name]
        context = command.make_context(f"newtongue {name}", [], resilient_parsing=True, terminal_width=WIDTH)
        lines.append(f"## newtongue {name}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(lines).rstrip() + "\n"


# --- the methods and their sources ------------------------------------------------------------------------------------


def methods_page() -> str:
    """Return every published method with its source, from the docstrings."""
    intro = (DOCS / "parts" / "methods.md").read_text("utf-8")
    files = sorted((PACKAGE / "methods").glob("[!_]*.py"))
    return "\n".join([MADE, intro, *(section for file in files if (section := methods_section(file)))]).rstrip() + "\n"


def methods_section(file: Path) -> str:
    """Return one file's public functions with what they do and where they come from."""
    tree = ast.parse(file.read_text("utf-8"))
    whole = ast.get_docstring(tree) or ""
    lines = [f"## {file.stem}\n", f"{whole.splitlines()[0]}\n"]
    for node in tree.body:
        text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
        if text and not node.name.startswith("_"):  # type: ignore[union-attr]
            lines.append(f"- `{node.name}`: {text.splitlines()[0]}{source_text(text)}")  # type: ignore[union-attr]
    if source := source_text(whole):
        lines.append(f"\n{source.strip()}")
    return "\n".join(lines) + "\n"


def source_text(docstring: str) -> str:
    """Return the `Source:` paragraph of a docstring on one line, or nothing."""
    match = re.search(r"^\s*Sources?:\s*(.+?)(?:\n\s*\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return f" *Source: {' '.join(match[1].split())}*" if match else ""


# --- what a stage costs -----------------------------------------------------------------------------------------------


def scale_page() -> str:
    """Return the cost law of every stage, from the docstrings of its estimate."""
    intro = (DOCS / "parts" / "scale.md").read_text("utf-8")
    stages = [scale_section(e.key, f"stages.{e.key}.estimate") for e in CATALOGUE.values() if e.ready]
    return "\n".join([MADE, intro, *stages, scale_section("Training", "methods.training_cost")]).rstrip() + "\n"


def scale_section(title: str, module: str) -> str:
    """Return what a module says costs grow with, and the figures it assumes."""
    loaded = import_module(f"newtongue.{module}")
    lines = [f"## {title}\n", inspect.getdoc(loaded) or "", ""]
    lines += [f"- `{name}` = {value}: {meaning}" for name, value, meaning in constants(inspect.getsource(loaded))]
    return "\n".join(lines).rstrip() + "\n"


def constants(source: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name, value, meaning) of every constant that has a docstring."""
    body = ast.parse(source).body
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield ast.unparse(node.targets[0]), ast.unparse(node.value), " ".join(str(after.value.value).split())


if __name__ == "__main__":
    main()
