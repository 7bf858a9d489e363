"""`newtongue teacher`: the offline stand-in teacher as a server on loopback."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one and prints it.")] = 8765,
) -> None:
    """Serve the OpenAI chat-completions API from shipped seeds; a stand-in for tests and the demo, not a model."""
    from newtongue.tools.teacher import NOTICE, serve

    serve(port, lambda url: typer.echo(f"{url}  ({NOTICE})"))
