"""Is a generated text in the language it was asked for? Three answers: right, wrong, unknown.

Cheap checks first: share of letters in the language's scripts, then identification by a model given as a
function, stretch by stretch, then copies of the prompt and loops. Short texts and unsure identifications are
`unknown`, never `wrong` (identifiers give Pashto 0.39 and romanised Urdu 0.16), unless the language's own letters and
most frequent words are missing and a neighbour's letters are there.
Source: ours; the identifier meant is that of Joulin et al. 2016 (fastText, arXiv 1607.01759).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from newtongue.core.language import LanguageCard
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
SURE_VERIFIED: Final = 0.998
"""The same for a stretch of text judged by a verifier."""
SURE_CONFUSABLE: Final = 0.9
"""The same for a language the identifier mixes up with the wanted one."""
MIN_SCRIPT_WITH_TERMS: Final = 0.5
"""The same where the rest is terms: runs of at most `MAX_TERM_WORDS` words in another script."""
MAX_TERM_WORDS: Final = 5
"""Longest run of words in another script that counts as a term."""
MIN_WORDS: Final = 5
"""Texts of so many words without one frequent word of the language are foreign, when the identifier thinks so too."""
MIN_STOP_WORDS: Final = 3
"""So many different frequent words, beside its own letters, make a sure identification of another language doubtful."""
PIECE_CHARACTERS: Final = 200
"""Length of the stretches that are identified one by one, so that a switch in mid-answer is seen."""
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
        stop_words: Some of its most frequent words, none of which a neighbour shares.
        neighbour_words: Frequent words of the languages it is mixed up with that are none of its own.
        verified: Whether a verifier learnt from a little text identifies: less sure than an identifier, it judges the
            whole text, and stretches of it only where it is very sure; drafted frequent words are no evidence.
    """

    script_ranges: Sequence[tuple[int, int]] = ()
    code: str = ""
    confusables: Sequence[str] = ()
    lead_characters: str = ""
    foreign_characters: str = ""
    stop_words: Sequence[str] = ()
    neighbour_words: Sequence[str] = ()
    verified: bool = False


def make_profile(card: LanguageCard, neighbours: Sequence[LanguageCard]) -> Profile:
    """Return the profile of a language.

    Args:
        card: Its card.
        neighbours: Cards of the languages it is mixed up with.
    """
    foreign = {word for other in neighbours for word in other.stop_words}
    return Profile(
        script_ranges=card.script_ranges,
        code=card.lid,
        confusables=[other.lid for other in neighbours if other.lid],
        lead_characters=card.lead_characters,
        foreign_characters=card.foreign_characters,
        stop_words=sorted(set(card.stop_words) - foreign),
        neighbour_words=sorted(foreign - set(card.stop_words)),
    )


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
    prose = " ".join(_NOT_PROSE.sub(" ", text).split())
    fraction = script_fraction(prose, profile.script_ranges) if profile.script_ranges else None
    if fraction is not None and fraction < MIN_SCRIPT_FRACTION and not _only_terms(prose, fraction, profile):
        return Verdict("wrong", "script")
    if count_letters(prose) < MIN_LETTERS:
        return Verdict("wrong", "language") if _misspelt(prose, profile) else Verdict("unknown", "too short")
    if not profile.code:
        return Verdict("unknown", "unsure")
    outcomes = {_identified(piece, profile, identify) for piece in pieces_of(prose, PIECE_CHARACTERS)}
    if profile.verified:
        outcomes = (outcomes & {"wrong"}) | {_verified(prose, profile, identify)}
    if "wrong" in outcomes:
        return Verdict("wrong", "language")
    return Verdict("right") if "right" in outcomes else Verdict("unknown", "unsure")


def _identified(piece: str, profile: Profile, identify: Identify) -> str:
    """Return the outcome of one piece: the identifier's where it is sure, else that of letters and frequent words."""
    code, probability = identify(piece)[0]
    if code == profile.code:
        return "right" if probability >= SURE else "unknown"
    if profile.verified:
        return "wrong" if probability >= SURE_VERIFIED else "unknown"
    if probability >= (SURE_CONFUSABLE if code in profile.confusables else SURE_WRONG):
        return "unknown" if _speaks_for_itself(piece, profile) else "wrong"
    return "wrong" if _is_foreign(piece, profile) else "unknown"


def _verified(prose: str, profile: Profile, identify: Identify) -> str:
    """Return the outcome of a whole text by a verifier."""
    code, probability = identify(prose)[0]
    if code == profile.code:
        return "right"
    return "wrong" if probability >= SURE_WRONG else "unknown"


def _speaks_for_itself(piece: str, profile: Profile) -> bool:
    """Return whether letters and frequent words of the language outweigh what the identifier thinks."""
    return _has_lead(piece, profile) and len(set(profile.stop_words).intersection(words(piece))) >= MIN_STOP_WORDS


def _is_foreign(piece: str, profile: Profile) -> bool:
    """Return whether nothing in a text speaks for the language and something against it."""
    found = words(piece)
    if _has_lead(piece, profile):
        return False
    own = sum(word in profile.stop_words for word in found)
    if sum(word in profile.neighbour_words for word in found) > own:
        return True
    if own:
        return False
    return _misspelt(piece, profile) or (bool(profile.stop_words) and len(found) >= MIN_WORDS)


def _misspelt(text: str, profile: Profile) -> bool:
    """Return whether letters of a neighbour stand in a text and letters of its own do not."""
    return any(letter in text for letter in profile.foreign_characters) and not _has_lead(text, profile)


def _has_lead(text: str, profile: Profile) -> bool:
    return any(letter in text for letter in profile.lead_characters)


def _only_terms(prose: str, fraction: float, profile: Profile) -> bool:
    """Return whether what stands in other scripts is terms among the language's own words, not a switch to another."""
    if fraction < MIN_SCRIPT_WITH_TERMS:
        return False
    run = longest = 0
    for word in words(prose):
        own = script_fraction(word, profile.script_ranges)
        run = run if own is None else 0 if own >= 0.5 else run + 1
        longest = max(longest, run)
    return longest <= MAX_TERM_WORDS


def pieces_of(prose: str, size: int) -> list[str]:
    """Return stretches of about so many characters, cut between words; a short rest joins the one before."""
    pieces, start = [], 0
    while len(prose) - start > 2 * size:
        cut = prose.rfind(" ", start + 1, start + size)
        cut = cut if cut > start else start + size
        pieces.append(prose[start:cut])
        start = cut
    return [*pieces, prose[start:]]


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
