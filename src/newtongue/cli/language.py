"""`newtongue language`: a language's card, or a draft of one from your text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    tag: Annotated[str, typer.Argument(help="ISO 639-3 and script (urd_Arab); qaa to qtz for an unlisted language.")],
    text: Annotated[Path | None, typer.Option("--from", help="Text in the language: a file or folder.")] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="Text of neighbouring languages, a file each, or folders of such files."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write TAG.yaml into; without it, print.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the card of a language; with --from, draft one from text for a person to check, with a verifier.

    The verifier tells the language from its neighbours where the bundled identifier does not know it.
    """
    from newtongue.tools import verifier
    from newtongue.tools.language import card_text, draft, refuse_overwriting, show, write_card

    card, source = show(tag)
    notes = [f"This card is {source}."]
    if source == "derived":
        notes = ["Derived from the script and the registry of languages; `--from TEXT` drafts more of it."]
        if text is not None:
            source, (card, notes) = "drafted", draft(tag, text)
    elif text is not None:
        say(f"{tag} has a card already ({source}); it is shown as it is", err=True)
    if text is not None and not card.lid:
        learnt = verifier.learn(tag, text, against or ())
        notes = [*notes, *verifier.notes(learnt)]
        if out is not None:
            refuse_overwriting(out / f"{tag}.yaml")
            card = verifier.write(out, card, learnt)
    if out is not None:
        write_card(out / f"{tag}.yaml", card_text(card, notes))
        say(f"{out / tag}.yaml: read it, correct it, then export NEWTONGUE_LANGUAGES={out}", err=True)
    if json:
        print_json({"source": source, "notes": notes, "card": card.model_dump(mode="json")})
    elif out is None:
        say(card_text(card, notes))
