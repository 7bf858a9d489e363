"""`newtongue chat`: talk to a model in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer in tokens.")] = 200,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
) -> None:
    """Talk to a model; right-to-left text is shown in its own direction."""
    from newtongue.tools.chat import chat

    chat(model, max_new_tokens=max_new_tokens, temperature=temperature)
