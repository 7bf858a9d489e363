"""Language cards: facts of one language as data, shipped or derived from its script."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from newtongue.core.errors import DataError, RecipeError
from newtongue.core.language import TAG, LanguageCard

CARDS = files("newtongue") / "languages"
FOLDER = "NEWTONGUE_LANGUAGES"
"""Environment variable: a folder of the user's own cards (`<tag>.yaml`), which come before the shipped ones."""
PRIVATE_USE = ("qaa", "qtz")
"""First and last ISO 639-3 code for private use: an invented or unlisted language has no entry to look up."""


@cache
def load_card(tag: str) -> LanguageCard:
    """Return the card of a language.

    A card of the user is read from the folder `NEWTONGUE_LANGUAGES`, a shipped one from `newtongue/languages`.
    Without one, a generic card is made from what is known of the script (letters, direction, digits, sentence
    marks) and of the language (its name, its code in the bundled identifier); it has `generic: true`, no stop
    words and no lead characters. A dialect (`-x-`) takes the card of its language under its own tag.

    Args:
        tag: ISO 639-3 code and script (`urd_Arab`).

    Raises:
        RecipeError: The tag has another form, or its language or script is unknown; the nearest tag is named.
        DataError: The user's card does not load.

    Example:
        >>> load_card("urd_Arab").direction
        'rtl'
        >>> load_card("yor_Latn").generic
        True
    """
    match = TAG.match(tag)
    if match is None:
        raise _unknown(tag, f"`{tag}` is not a language tag")
    plain = f"{match['language']}_{match['script']}"
    if own := _own(plain):
        return read_card(own).model_copy(update={"tag": tag})
    facts = _shipped(plain) or _generic(match["language"], match["script"])
    return LanguageCard.model_validate({**facts, "tag": tag})


def read_card(file: Path) -> LanguageCard:
    """Return the card in a file; script ranges it does not state follow from its scripts.

    Raises:
        DataError: The file is no card, or its tag is not the name of the file.
    """
    from pydantic import ValidationError

    expected = "the keys of a shipped card, such as `newtongue language urd_Arab` prints"
    try:
        card = LanguageCard.model_validate(_with_ranges(yaml.load(file.read_text("utf-8"), Loader=yaml.SafeLoader)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"`{where}`: {first['msg']}", place=file.name, expected=expected) from error
    except (yaml.YAMLError, TypeError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"is no language card: {error}", place=file.name, expected=expected) from error
    if card.tag != file.stem:
        raise DataError(f"holds the card of {card.tag}", place=file.name, fix=f"name the file {card.tag}.yaml")
    return card


def card_source(tag: str) -> str:
    """Return where the card of a tag comes from: `yours`, `shipped` or `derived`."""
    plain = tag.split("-x-")[0]
    return "yours" if _own(plain) else "shipped" if plain in shipped_tags() else "derived"


def card_file(tag: str) -> Path | None:
    """Return the file of a card of the user; None for shipped and derived ones."""
    return _own(tag.split("-x-")[0])


def is_stated(stated: str, tag: str) -> bool:
    """Return whether what a row says of its language means the language of a tag.

    Rows say it in many ways: a tag (`urd_Arab`, a dialect of it), ISO 639-1 or 639-3, BCP 47 (`ur-PK`), its
    macrolanguage (`ar` for `arb`) or its English name.

    Example:
        >>> [is_stated(text, "urd_Arab") for text in ("ur", "urd_Arab-x-dakhini", "Urdu", "hi", "urd_Latn")]
        [True, True, True, False, False]
    """
    if TAG.match(stated):
        return stated.split("-x-")[0] == tag.split("-x-")[0]
    first = re.split(r"[-_ (,]", stated.strip().lower())[0]
    return first in _names(tag)


def shipped_tags() -> list[str]:
    """Return the tags of the shipped cards, sorted."""
    names = (entry.name.removesuffix(".yaml") for entry in CARDS.iterdir() if entry.name.endswith(".yaml"))
    return sorted(name for name in names if TAG.match(name))


def _shipped(tag: str) -> dict[str, Any] | None:
    if tag not in shipped_tags():
        return None
    return _with_ranges(_read(f"{tag}.yaml"))


def _own(tag: str) -> Path | None:
    folder = os.environ.get(FOLDER, "")
    file = Path(folder) / f"{tag}.yaml"
    return file if folder and file.is_file() else None


def _with_ranges(facts: dict[str, Any]) -> dict[str, Any]:
    ranges = {script["name"]: script.get("ranges", []) for script in load_scripts().values()}
    return {"script_ranges": [pair for name in facts["scripts"] for pair in ranges[name]], **facts}


def _generic(language: str, script: str) -> dict[str, Any]:
    """Return what the script and the registry of languages say."""
    import langcodes

    entry = load_scripts().get(script)
    known = langcodes.Language.get(language)
    private = PRIVATE_USE[0] <= language <= PRIVATE_USE[1]
    if entry is None or not (private or known.is_valid()):
        what = f"the script `{script}`" if entry is None else f"the language `{language}`"
        raise _unknown(f"{language}_{script}", f"{what} of the tag `{language}_{script}` is unknown")
    parts = [load_scripts()[part] for part in entry.get("parts", [script])]
    usual = private or known.maximize().script == script
    return {
        "generic": True,
        "name": language if private else known.display_name(),
        "autonym": known.autonym() if usual and not private else "",
        "direction": parts[0]["direction"],
        "spaces": entry.get("spaces", all(part["spaces"] for part in parts)),
        "scripts": [part["name"] for part in parts],
        "script_ranges": [pair for part in parts for pair in part["ranges"]],
        "sentence_marks": parts[0]["sentence_marks"],
        "digits": parts[0].get("digits", ""),
        "lid": _identifier_code(language) if usual else "",
    }


def _identifier_code(language: str) -> str:
    """Return the label of a language in the bundled identifier, or "" when it has none."""
    import langcodes

    identifier = _read("identifier.yaml")
    own = identifier["aliases"].get(language) or langcodes.standardize_tag(language)
    codes = (own, langcodes.standardize_tag(language, macro=True))
    return next((code for code in codes if code in identifier["labels"]), "")


def _unknown(tag: str, problem: str) -> RecipeError:
    near = get_close_matches(tag, shipped_tags(), n=3, cutoff=0.5)
    return RecipeError(
        problem,
        expected="ISO 639-3 code, underscore, ISO 15924 script, as in urd_Arab",
        fix=f"did you mean {' or '.join(near)}?" if near else "look the code up at https://iso639-3.sil.org",
    )


@cache
def _names(tag: str) -> frozenset[str]:
    """Return the lower-case names and codes of a tag's language."""
    import langcodes

    card, code = load_card(tag), tag.split("_")[0]
    forms = (code, langcodes.standardize_tag(code), langcodes.standardize_tag(code, macro=True), card.lid, card.name)
    return frozenset(form.lower().split("-")[0] for form in forms if form)


@cache
def load_scripts() -> Mapping[str, dict[str, Any]]:
    """Return ISO 15924 code -> what is known of the script, as `languages/scripts.yaml` says it."""
    return _read("scripts.yaml")


@cache
def _read(name: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((CARDS / name).read_text("utf-8"), Loader=loader)
