"""`newtongue explain`: every setting of a stage, with type, default and meaning."""

from __future__ import annotations

from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    key: Annotated[str, typer.Argument(help="A stage (pretrain) or a setting (pretrain.learning_rate).")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain a stage or one of its settings."""
    from difflib import get_close_matches

    from newtongue.core.errors import RecipeError
    from newtongue.run.inspect import settings_of
    from newtongue.run.recipe import entry_of

    stage, _, setting = key.partition(".")
    kind = entry_of(stage, stage, "newtongue explain").load_config()
    rows = [
        row for row in settings_of(kind) if not setting or row["key"] == setting or row["key"].startswith(f"{setting}.")
    ]
    if not rows:
        known = [row["key"] for row in settings_of(kind)]
        close = get_close_matches(setting, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RecipeError(f"no setting {setting!r}{hint}", place=stage, expected=", ".join(known))
    if json:
        print_json({"stage": stage, "makes": kind.MAKES, "meaning": kind.__doc__, "settings": rows})
        return
    say(f"{stage}: {kind.__doc__}\n")
    for row in rows:
        mark = " (operational)" if row["operational"] else ""
        say(f"{row['key']}: {row['type']} = {row['default']}{mark}\n    {row['meaning']}")
