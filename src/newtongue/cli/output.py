"""What commands print: tables of plain text for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from newtongue.core.secrets import redact


def say(text: str, *, err: bool = False) -> None:
    """Print text with every secret replaced; every line of every command goes through here."""
    typer.echo(redact(text), err=err)


def print_json(value: Any) -> None:
    """Print one JSON object and nothing else."""
    say(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns aligned by spaces; the last column is left as long as it is."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("  ".join(cells).rstrip())
