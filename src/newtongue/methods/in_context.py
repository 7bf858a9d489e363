"""A probe of what a model does with examples in its context, made of words that no language has.

Perplexity on the new language can fall while a model forgets how to follow examples. The probe asks how many bits
a text takes after a demonstration, and how many it takes without: the share saved is the model's use of its context.
Words are made up from syllables, so neither knowledge of a language nor memory of a text helps.

Source: prefix-matching and copying tasks after Olsson et al. 2022 (arXiv 2209.11895, in-context learning and
    induction heads); that forgetting shows here and not in perplexity: Elhady, Agirre and Artetxe 2025
    (arXiv 2506.00288).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

ONSETS, VOWELS = "bdfgklmnprstvz", "aeiou"
"""Letters that made-up words are built from: all in the basic Latin block, which every tokenizer knows."""


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """One text to score twice.

    Attributes:
        task: Kind of demonstration.
        context: The demonstration, shown or left out.
        lead: What stands directly before the answer, always shown.
        answer: What is scored.
    """

    task: str
    context: str
    lead: str
    answer: str


def probe_items(per_task: int, seed: int) -> list[ProbeItem]:
    """Return items of every task, the same for every model.

    Args:
        per_task: Items per task.
        seed: Seed of the made-up words.

    Example:
        >>> items = probe_items(2, 0)
        >>> [item.task for item in items]
        ['repeat', 'repeat', 'copy', 'copy', 'recall', 'recall', 'cycle', 'cycle']
    """
    return [make(random.Random(f"{seed}/{name}/{n}")) for name, make in TASKS.items() for n in range(per_task)]


def made_up_words(draw: random.Random, count: int) -> list[str]:
    """Return different words of two or three syllables."""
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = draw.choice((2, 3))
        found["".join(draw.choice(ONSETS) + draw.choice(VOWELS) for _ in range(syllables))] = None
    return list(found)


def _repeat(draw: random.Random) -> ProbeItem:
    """A line of words, then the same line again."""
    line = " ".join(made_up_words(draw, 16))
    return ProbeItem("repeat", line + "\n", "", line)


def _copy(draw: random.Random) -> ProbeItem:
    """Words mapped to themselves, then one more."""
    *shown, last = made_up_words(draw, 7)
    return ProbeItem("copy", "".join(f"{word} -> {word}\n" for word in shown), f"{last} ->", f" {last}")


def _recall(draw: random.Random) -> ProbeItem:
    """Pairs of words, then the first word of one of them."""
    found = made_up_words(draw, 12)
    pairs = list(zip(found[:6], found[6:], strict=True))
    key, value = draw.choice(pairs)
    return ProbeItem("recall", "".join(f"{a}: {b}\n" for a, b in pairs), f"{key}:", f" {value}")


def _cycle(draw: random.Random) -> ProbeItem:
    """Four words in turn, four times, then the turn again."""
    turn = made_up_words(draw, 4)
    return ProbeItem("cycle", " ".join(turn * 3) + " ", turn[0], " " + " ".join(turn[1:]))


TASKS: dict[str, Callable[[random.Random], ProbeItem]] = {
    "repeat": _repeat,
    "copy": _copy,
    "recall": _recall,
    "cycle": _cycle,
}
"""Name of each task -> how an item is made."""
