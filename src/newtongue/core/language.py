"""What the product knows of a language: a tag and a card. Facts are data, never code."""

from __future__ import annotations

import re

from pydantic import Field

from newtongue.core.config import Settings

TAG = re.compile(
    r"^(?P<language>[a-z]{3})_(?P<script>[A-Z][a-z]{3})(?:-x-(?P<variant>[a-z0-9]{1,8}(?:-[a-z0-9]{1,8})*))?$"
)


class VerifierFacts(Settings):
    """What is known of the verifier that lies beside a card: a rule that tells the language from others."""

    sha256: str
    """Hash of its file."""
    pieces: int
    """Pieces of text (about 120 characters) of the language it was learnt from."""
    accepted: float
    """Share of the language's own pieces it takes, each judged without having seen it or its neighbours."""
    rejected: dict[str, float] = Field(default_factory=dict)
    """Other language or made-up text -> share of its pieces it refuses, judged likewise."""


class LanguageCard(Settings):
    """Facts about one language that text functions need; unknown facts stay empty and are said to be unknown."""

    tag: str = Field(pattern=TAG.pattern)
    """ISO 639-3 and script, `urd_Arab`; `-x-` adds a dialect."""
    name: str
    """English name."""
    generic: bool = False
    """Whether the card was derived from the script and the registry of languages, not written and checked."""
    autonym: str = ""
    """Name in the language itself."""
    direction: str = Field("ltr", pattern="^(ltr|rtl)$")
    """Writing direction."""
    spaces: bool = True
    """Whether words are separated by spaces."""
    scripts: list[str] = Field(default_factory=list)
    """Unicode script names that count as this language's own (`Arabic`; Japanese has three)."""
    script_ranges: list[tuple[int, int]] = Field(default_factory=list)
    """Inclusive code point ranges of those scripts."""
    lead_characters: str = ""
    """Letters that tell this language from its neighbours in the same script, when there are such letters."""
    foreign_characters: str = ""
    """Letters of neighbouring languages in the same script that do not belong here."""
    sentence_marks: str = ".!?"
    """Characters that end a sentence."""
    digits: str = ""
    """Native digits from zero to nine, when the language has its own."""
    stop_words: list[str] = Field(default_factory=list)
    """Some very frequent words."""
    confusables: list[str] = Field(default_factory=list)
    """Tags of languages that identification mixes up with this one."""
    lid: str = ""
    """Code under which the bundled identifier knows this language, or empty."""
    verifier: VerifierFacts | None = None
    """Of the verifier beside the card, for a language the identifier does not know."""


class Languages(Settings):
    """The languages a recipe teaches and the ones it must keep."""

    target: list[str] = Field(default_factory=list)
    """Tags of the languages to teach."""
    keep: list[str] = Field(default_factory=list)
    """Tags of the languages that must not get worse."""
