"""What a stand-in teacher says to the prompts of the other generators: text of the right language, and no sense.

Questions and answers on a document are pieces of it, so that checks of grounding have something to find; everything
else is made of sentences of the language. A comparison prefers the same answer in either order.
Source: ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from random import Random
from typing import Final

QUESTION_WORDS: Final = 7
"""Words of a document that make a question."""
PROMPTS: Final[Mapping[str, Sequence[str]]] = {
    "evolve": ("constraint", "deepen", "concretise", "reasoning", "breadth", "answer"),
    "reverse": ("instruction",),
    "grounded": ("question", "answer", "deeper", "broader", "reply"),
    "self_instruct": ("instructions", "classify", "input_first", "output_first"),
    "transfer": ("compare", "answer"),
}
"""Prompts it understands, by file; a prompt that others contain stands last."""


def say(prompt: str, slots: Mapping[str, str], fluent: Sequence[str], rng: Random) -> str:
    """Return the answer to a prompt.

    Args:
        prompt: File and name of it (`grounded.question`).
        slots: What it was filled with.
        fluent: Sentences of the language wanted.
        rng: That of the request.

    Example:
        >>> say("evolve.deepen", {"task": "Name a fruit."}, ["Say why."], Random(0))
        'Name a fruit. Say why.'
    """
    if prompt == "transfer.compare":
        return "A" if _rank(slots["first"]) > _rank(slots["second"]) else "B"
    if prompt.startswith("self_instruct"):
        return _classic(prompt, fluent, rng)
    if prompt.endswith("answer") and not prompt.startswith("grounded"):
        return " ".join(rng.sample(list(fluent), min(2, len(fluent))))
    if prompt == "evolve.breadth":
        return rng.choice(fluent)
    if prompt.startswith("evolve"):
        return f"{slots['task']} {rng.choice(fluent)}"
    if prompt in ("grounded.answer", "grounded.reply"):
        return _piece(slots["text"], 30, rng)
    mark = "؟" if any("\u0600" <= letter <= "\u06ff" for letter in slots["text"]) else "?"
    return _piece(slots["text"], QUESTION_WORDS, rng).rstrip(".۔।،,؟?!:") + mark


def screening(text: str) -> str:
    """Return which of seven things bound to a culture stand in a text; it sees no more than digits and code.

    Example:
        >>> screening("2 + 2 = 4")[:25]
        '{"names": 0, "code": 1, "'
    """
    found = int(any(letter.isdecimal() or letter in "={}" for letter in text))
    names = ("names", "code", "places", "customs", "literature", "objects", "organisations")
    return json.dumps({name: found if name == "code" else 0 for name in names})


def _classic(prompt: str, fluent: Sequence[str], rng: Random) -> str:
    """Return a list of instructions, a kind, or instances, as Self-Instruct reads them."""
    drawn = rng.sample(list(fluent), min(8, len(fluent)))
    if prompt.endswith("instructions"):
        return "\n".join(f"{number}. {text}" for number, text in enumerate(drawn, 1)).removeprefix("1. ")
    if prompt.endswith("classify"):
        return "No"
    return f"Example 1\nInput: {drawn[0]}\nOutput: {drawn[-1]}"


def _piece(text: str, words: int, rng: Random) -> str:
    """Return neighbouring words of a text."""
    found = text.split()
    start = rng.randrange(max(1, len(found) - words))
    return " ".join(found[start : start + words])


def _rank(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
