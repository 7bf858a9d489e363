"""Answers with something wrong: broken JSON, other languages, loops; for test beds.

Every function of text here keeps the answer's sense where the fault is one of form, and replaces it where the fault is
one of language. What another language looks like is data (`assets/sample/odd.TAG.json`).
Source: ours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

Texts = Mapping[str, str]
"""`english`, `sister`, `roman`: sentences that stand for an answer in the wrong language or script; `letters` and
`other_letters`: letters of the language, and those of another with the same look."""


def odd(fault: str, text: str, texts: Texts) -> str:
    """Return an answer with a fault; the answer itself for faults of other kinds.

    Example:
        >>> odd("comma", '{"a": 1}', {})
        '{"a": 1,}'
        >>> odd("loop", "no", {}).count("no")
        40
    """
    change = CHANGES.get(fault)
    return change(text, texts) if change else text


def _other(name: str) -> Callable[[str, Texts], str]:
    return lambda text, texts: texts.get(name, text)


def _comma(text: str, _: Texts) -> str:
    return f"{text[:-1]},{text[-1:]}" if text[-1:] in ("}", "]") else text


def _inner_quotes(text: str, _: Texts) -> str:
    return text.replace('": "', '": "he said "so" and ', 1)


def _switch(text: str, texts: Texts) -> str:
    return text[: len(text) // 2] + " " + texts.get("english", "and then it went on in English for a while")


def _other_letters(text: str, texts: Texts) -> str:
    return text.translate(str.maketrans(texts.get("letters", ""), texts.get("other_letters", "")))


CHANGES: Final[Mapping[str, Callable[[str, Texts], str]]] = {
    "fenced": lambda text, _: f"Here is the answer:\n```json\n{text}\n```",
    "think": lambda text, _: f"<think>Let me see. {text[:20]}</think>\n{text}",
    "quotes": lambda text, _: text.replace('"', "'"),
    "comma": _comma,
    "inner quotes": _inner_quotes,
    "truncated": lambda text, _: text[: 2 * len(text) // 3],
    "surrogate": lambda text, _: text + " SURROGATE",
    "line separator": lambda text, _: text + "\u2028",
    "english": _other("english"),
    "sister": _other("sister"),
    "roman": _other("roman"),
    "switch": _switch,
    "loop": lambda text, _: " ".join([" ".join(text.split()[:4])] * 40),
    "arabic letters": _other_letters,
    "decomposed": lambda text, _: unicodedata.normalize("NFD", text),
}
