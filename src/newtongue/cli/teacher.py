"""`newtongue teacher`: the offline stand-in teacher as a server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one and prints it.")] = 8765,
    scenario: Annotated[Path | None, typer.Option(help="JSON file of faults to inject; see docs/engine.md.")] = None,
) -> None:
    """Serve the OpenAI chat-completions API from shipped seeds; a stand-in for tests and the demo, not a model."""
    from newtongue.tools.teacher import NOTICE, serve

    def ready(url: str) -> None:
        typer.echo(f"{url}  ({NOTICE})")

    if scenario is None:
        serve(port, ready)
        return
    from newtongue.tools.testbed import load_scenario, serve_bed

    serve_bed(load_scenario(scenario), port, ready)
