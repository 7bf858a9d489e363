"""Is a generated text in the language it was asked for? Three answers: right, wrong, unknown.

Cheap checks first: share of letters in the language's scripts, then identification by a model given as a
function, then copies of the prompt and loops. Short texts and unsure identifications are `unknown`, never `wrong`:
identifiers give Pashto 0.39 and romanised Urdu 0.16.
Source: ours; the identifier meant is that of Joulin et al. 2016 (fastText, arXiv 1607.01759).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from newtongue.methods.scripts import count_letters, script_fraction
from newtongue.methods.words import words

Identify = Callable[[str], Sequence[tuple[str, float]]]
"""Text -> (language code, probability) pairs, most probable first."""

MIN_SCRIPT_FRACTION: Final = 0.8
"""Share of letters in the language's own scripts below which a text is wrong."""
MIN_LETTERS: Final = 20
"""Texts with fewer letters are not given to the identifier."""
SURE: Final = 0.5
"""Probability from which the identifier's first choice counts."""
SURE_WRONG: Final = 0.7
"""Probability from which another language as first choice means wrong."""
SURE_CONFUSABLE: Final = 0.9
"""The same for a language the identifier mixes up with the wanted one."""
LOOP_REPEATS: Final = 3
"""A stretch of words repeated this often in a row is a loop."""
LOOP_WORDS: Final = 4
"""Shortest loop in words, all repeats together."""

_NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|https?://\S+|\S+@\S+\.\S+|\{[^{}\n]*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the gate knows of a language.

    Attributes:
        script_ranges: Inclusive code point ranges of its scripts; empty when unknown.
        code: Code under which the identifier knows it, or "".
        confusables: Codes the identifier mixes up with it.
        lead_characters: Letters that tell it from its neighbours in the same script.
        foreign_characters: Letters of those neighbours that do not belong in it.
        stop_words: Some of its most frequent words.
    """

    script_ranges: Sequence[tuple[int, int]] = ()
    code: str = ""
    confusables: Sequence[str] = ()
    lead_characters: str = ""
    foreign_characters: str = ""
    stop_words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer.

    Attributes:
        outcome: `right`, `wrong` or `unknown`.
        reason: Short stable phrase; "" for `right`.
    """

    outcome: Literal["right", "wrong", "unknown"]
    reason: str = ""


def judge_answer(answer: str, prompt: Sequence[str], profile: Profile, identify: Identify) -> Verdict:
    """Judge one generated answer.

    Args:
        answer: The text to judge.
        prompt: Parts of the prompt in the same language (instruction, input): an answer equal to one is an echo,
            and a short answer is judged together with the first.
        profile: The language it should be in.
        identify: Language identification.

    Returns:
        `wrong` with `echo`, `loop`, `script` or `language`; `unknown` with `too short` or `unsure`; else `right`.

    Example:
        >>> urdu = Profile([(0x600, 0x6FF)], "ur")
        >>> judge_answer("this is English", ["?"], urdu, lambda text: [("en", 0.9)])
        Verdict(outcome='wrong', reason='script')
        >>> judge_answer("ہاں", ["?"], urdu, lambda text: [("fa", 0.9)])
        Verdict(outcome='unknown', reason='too short')
    """
    if any(_plain(answer) == _plain(part) for part in prompt if part):
        return Verdict("wrong", "echo")
    if has_loop(words(answer)):
        return Verdict("wrong", "loop")
    verdict = judge_language(answer, profile, identify)
    if verdict.reason == "too short" and prompt and verdict.outcome == "unknown":
        return judge_language(f"{prompt[0]}\n{answer}", profile, identify)
    return verdict


def judge_language(text: str, profile: Profile, identify: Identify) -> Verdict:
    """Judge the language of one text by script, then by identification.

    Args:
        text: Any text; code, addresses and placeholders in it do not count.
        profile: The language it should be in.
        identify: Language identification.
    """
    prose = _NOT_PROSE.sub(" ", text)
    fraction = script_fraction(prose, profile.script_ranges) if profile.script_ranges else None
    if fraction is not None and fraction < MIN_SCRIPT_FRACTION:
        return Verdict("wrong", "script")
    if count_letters(prose) < MIN_LETTERS:
        return Verdict("unknown", "too short")
    if not profile.code:
        return Verdict("unknown", "unsure")
    code, probability = identify(" ".join(prose.split()))[0]
    if code == profile.code and probability >= SURE:
        return Verdict("right")
    if code != profile.code and probability >= (SURE_CONFUSABLE if code in profile.confusables else SURE_WRONG):
        return Verdict("wrong", "language")
    return Verdict("unknown", "unsure")


def has_loop(items: Sequence[str]) -> bool:
    """Return whether a stretch of words stands `LOOP_REPEATS` times in a row.

    Example:
        >>> has_loop("میں گیا میں گیا میں گیا".split()), has_loop("بہت بہت شکریہ".split())
        (True, False)
    """
    for length in range(1, len(items) // LOOP_REPEATS + 1):
        span = max(length * (LOOP_REPEATS - 1), LOOP_WORDS - length)
        run = 0
        for left, right in zip(items, items[length:], strict=False):
            run = run + 1 if left == right else 0
            if run >= span:
                return True
    return False


def _plain(text: str) -> str:
    return " ".join(words(text.casefold())) or text.strip()
