"""What the tests of this folder read: the project's own files and their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "newtongue"
TEXT_FOLDERS = ("src", "tests", "docs", "bench", "examples", "experiments", ".ci")
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".cfg", ".sh", ""}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(file.read_text("utf-8"))


def modules() -> list[Path]:
    """Return every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def name(file: Path) -> str:
    """Return the path of a file as a reader writes it."""
    return file.relative_to(ROOT).as_posix()


def functions(file: Path) -> Iterator[Function]:
    """Yield the functions and methods of a file; nested ones belong to the function around them."""
    stack: list[ast.AST] = [tree(file)]
    while stack:
        for child in ast.iter_child_nodes(stack.pop()):
            if isinstance(child, Function):
                yield child
            else:
                stack.append(child)


def length(function: Function) -> int:
    """Return the lines of a function without decorators and docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def imported(file: Path) -> Iterator[tuple[str, int]]:
    """Yield (absolute dotted module, line) for every import of a file, those for type checkers left out."""
    stack: list[ast.AST] = [tree(file)]
    while stack:
        for node in ast.iter_child_nodes(stack.pop()):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                stack.extend(node.orelse)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module, node.lineno
            else:
                stack.append(node)


def texts() -> list[Path]:
    """Return every text file that people read or run: code, documents, recipes, settings."""
    top = [file for file in ROOT.iterdir() if file.is_file()]
    below = [file for folder in TEXT_FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    wanted = (file for file in top + below if file.suffix in TEXT_SUFFIXES and "__pycache__" not in file.parts)
    return sorted(file for file in wanted if file.name not in ("LICENSE", ".git") and "assets" not in file.parts)
