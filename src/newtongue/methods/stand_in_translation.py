"""A translator that understands nothing: exact for the invented language, fluent and empty for any other.

Between English and the invented language the translation is exact and reversible. For other pairs each line becomes
sentences of the target language that have nothing to do with it, with the line's numbers and marks behind them, so
that everything around a translator can be tested in a real script.
Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from newtongue.methods import invented
from newtongue.methods.translation import prefix_of

_KEPT = re.compile(r"⟦\d+⟧|\d+")


def toy_translation(text: str, source: str, target: str, fluent: Sequence[str], rng: Random) -> str:
    """Return a text in another language.

    Args:
        text: What to translate, protected parts as marks.
        source: Tag of its language.
        target: Tag of the language wanted.
        fluent: Sentences of the target language, for pairs without the invented one.
        rng: Decides which of them are taken.

    Example:
        >>> toy_translation("2 cats", "eng_Latn", "qaa_Tfng", [], Random(0))
        '2 ⵛⴻⵜⵟⴷ'
    """
    if {source, target} == {"eng_Latn", invented.TAG}:
        return invented.from_english(text) if target == invented.TAG else invented.to_english(text)
    return "\n".join(_line(line, fluent, rng) for line in text.split("\n"))


def _line(line: str, fluent: Sequence[str], rng: Random) -> str:
    if not line.strip() or not fluent:
        return line
    prefix = line[: len(line) - len(line.lstrip())] if prefix_of(line) in ("", "(empty)") else _whole_prefix(line)
    body = line[len(prefix) :]
    words = [rng.choice(fluent)]
    while len(" ".join(words)) < 0.6 * len(body):
        words.append(rng.choice(fluent))
    chosen = min((words, words[:1]), key=lambda some: abs(len(" ".join(some)) - len(body)))
    return prefix + " ".join([*(re.sub(r"\d", "", word) for word in chosen), *_KEPT.findall(body)])


def _whole_prefix(line: str) -> str:
    match = re.match(r"[ \t]*(?:#{1,6}|[-*+•]|\d+[.)]|>)[ \t]+", line)
    return match[0] if match else ""
