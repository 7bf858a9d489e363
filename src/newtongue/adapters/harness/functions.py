"""What stands for the Python functions that task files name. None of them is ever run.

A task file of lm-evaluation-harness may say `!function utils.process_docs`: code beside it. Here such code is only
read as text. When its name and content are those of a function known here, our own does the work; any other
is refused with its line. The content is the function's source without comments and layout, and that of
everything in its module it leads to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

Row = Mapping[str, Any]
Own = Callable[[Row], Any]


def content_hash(source: str, name: str) -> str | None:
    """Return the hash of a function and of what it leads to in its module; None when the module lacks it.

    Args:
        source: Text of the module, parsed and never run.
        name: The function, or a name bound to one.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    defined = {bound: node for node in tree.body for bound in _binds(node)}
    if name not in defined:
        return None
    seen, todo = {name}, [name]
    while todo:
        used = {n.id for n in ast.walk(defined[todo.pop()]) if isinstance(n, ast.Name)}
        new = sorted((used & defined.keys()) - seen)
        seen.update(new)
        todo.extend(new)
    text = "\n".join(_plain(defined[found]) for found in sorted(seen))
    return sha256(text.encode()).hexdigest()[:16]


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return []


def _plain(node: ast.stmt) -> str:
    """Return source without comments, layout, docstring and annotations."""
    copy = ast.parse(ast.unparse(node))
    for part in ast.walk(copy):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            part.returns = None
            for argument in [*part.args.args, *part.args.kwonlyargs, *part.args.posonlyargs]:
                argument.annotation = None
            if ast.get_docstring(part) is not None and len(part.body) > 1:
                part.body = part.body[1:]
    return ast.unparse(copy)


def find(spec: str, folder: Path) -> tuple[Own | None, str]:
    """Return our own function for `module.name` beside a task file, and the hash it was looked up by.

    Args:
        spec: What follows `!function`.
        folder: Folder of the task file; nothing outside it is read.
    """
    module, _, name = spec.rpartition(".")
    file = folder / f"{module.replace('.', '/')}.py"
    if not module or not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
        return None, ""
    mark = content_hash(file.read_text("utf-8", "replace"), name) or ""
    return _known().get((name, mark)), mark


def _xcopa_choices(row: Row) -> list[str]:
    return [row[name][0].lower() + row[name][1:] for name in ("choice1", "choice2")]


def _xcopa_text(connector: Mapping[str, str]) -> Own:
    return lambda row: f"{row['premise'].strip()[:-1]} {connector[row['question']]}"


def _hellaswag_text(text: str) -> str:
    text = re.sub("\\[.*?\\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _hellaswag(row: Row) -> dict[str, Any]:
    query = row["activity_label"] + ": " + row["ctx_a"] + " " + row["ctx_b"].capitalize()
    choices = [_hellaswag_text(ending) for ending in row["endings"]]
    return {**row, "query": _hellaswag_text(query), "choices": choices, "gold": int(row["label"])}


OWN: dict[str, Callable[..., Any]] = {
    "xcopa_choices": lambda: _xcopa_choices,
    "xcopa_text": lambda **connector: _xcopa_text(connector),
    "hellaswag": lambda: _hellaswag,
}
"""What of ours can stand for a function; each is given the settings of `assets/tasks/known_functions.yaml`."""


@cache
def _known() -> dict[tuple[str, str], Own]:
    table = yaml.safe_load((resources.files("newtongue") / "assets/tasks/known_functions.yaml").read_text("utf-8"))
    return {
        (name, mark): OWN[entry["use"]](**entry.get("with", {}))
        for name, entries in table.items()
        for mark, entry in entries.items()
    }
