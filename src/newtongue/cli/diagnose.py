"""`newtongue diagnose`: candidate base models side by side on your text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    text: Annotated[str, typer.Argument(help="Your text: a file or folder of documents in the language.")],
    models: Annotated[list[str], typer.Argument(help="Model directories to compare, or asset:name.")],
    *,
    parallel: Annotated[
        str | None, typer.Option("--parallel", help="The same documents in a language the models know.")
    ] = None,
    price: Annotated[
        float, typer.Option("--usd-per-million-tokens", min=0, help="What a million tokens cost you.")
    ] = 1.0,
    most_bytes: Annotated[int, typer.Option("--bytes", min=1, help="Text looked at, UTF-8 bytes.")] = 200_000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure tokens per word, bits per byte, use of context and alignment by layer, before money is spent."""
    from newtongue.run.sources import asset
    from newtongue.tools.diagnose import diagnose, render

    given = [text, *models, *([parallel] if parallel else [])]
    places = [asset(name) if name.startswith("asset:") else Path(name) for name in given]
    beside = places[-1] if parallel else None
    candidates = places[1 : 1 + len(models)]
    found = diagnose(candidates, places[0], parallel=beside, usd_per_million_tokens=price, most_bytes=most_bytes)
    if json:
        print_json(found)
    else:
        say(render(found))
