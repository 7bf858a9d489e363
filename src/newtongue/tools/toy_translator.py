"""The test bed's translator: exact and reversible between the languages that ship with sample text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from newtongue.adapters.llm.wires import service_code
from newtongue.adapters.prompts import load_prompts, prompt_languages
from newtongue.core.language import TAG
from newtongue.methods import invented
from newtongue.methods.prompts import read
from newtongue.methods.toy_lexicon import Lexicon, exchange, make_lexicon
from newtongue.tools.stand_in import ENGLISH, SAMPLE, fluent, tag_of
from newtongue.tools.stand_in import write as stand_in_text


def translate(text: str, source: str, target: str) -> str:
    """Return a text in another language; translated back it is the text, letter for letter.

    Args:
        text: Any text without variation selectors.
        source: Tag of its language.
        target: Tag of the language wanted.

    Raises:
        ValueError: There is no sample text of one of them.
    """
    if source == target:
        return text
    if {source, target} == {ENGLISH, invented.TAG}:
        return invented.from_english(text) if target == invented.TAG else invented.to_english(text)
    return exchange(text, _lexicon(source, target))


def serve(text: str, source: str, target: str) -> str:
    """Return the same for codes as translation services use them (`en`, `UR`).

    Raises:
        ValueError: No sample text has that code.
    """
    return translate(text, _tag(source), _tag(target))


def write(body: Mapping[str, Any]) -> str:
    """Return the stand-in's answer to a chat request; a translation is one that can be taken back."""
    prompt = body["messages"][0]["content"]
    for tag in prompt_languages("translate"):
        if slots := read(load_prompts("translate", tag)["document"], prompt):
            return translate(slots["text"], tag_of(slots["source"]), tag_of(slots["target"]))
    return stand_in_text(body)


@cache
def _lexicon(source: str, target: str) -> Lexicon:
    """Return one way; both ways come from the same order of the two languages."""
    first, second = sorted((source, target))
    there = make_lexicon(fluent(first), fluent(second))
    return there if source == first else there.back()


@cache
def _tag(code: str) -> str:
    own = [name.removesuffix(".jsonl") for entry in SAMPLE.iterdir() if TAG.match((name := entry.name).split(".")[0])]
    for tag in (*own, invented.TAG):
        if code.split("-")[0].casefold() == service_code(tag).split("-")[0]:
            return tag
    raise ValueError(f"{code} is not supported")
