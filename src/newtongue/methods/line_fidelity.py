"""Line and word pass of answers, and the norms of writing: native digits, native marks.

A line passes when it stands in the language asked for; an answer passes when all its lines do, and passes by word when
besides no word of another language stands in it. Code, addresses, placeholders and names do not count.
For any language: scripts, letters, words and the identifier's code come from its card.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from newtongue.methods.scripts import script_fraction
from newtongue.methods.words import words

Identify = Callable[[str], Sequence[tuple[str, float]]]
"""Text -> (language code, probability) pairs, most probable first."""

MIN_LINE_WORDS = 5
"""Shorter lines are not judged."""
CLUSTERS_PER_WORD = 3
"""Character clusters that count as a word where writing has no spaces."""
MIN_WORD_CHARS = 4
"""Shorter words of another script are not called foreign."""
SURE = 0.3
"""Probability from which an identification counts."""
SURE_OTHER = 0.7
"""Probability from which a confusable language counts against a line."""

_MASKED = re.compile(
    r"```.*?(?:```|$)|`[^`\n]*`|https?://\S+|www\.\S+|\S+@\S+\.\S+|\{[^{}\n]*\}|<[^<>\n]*>|\$[^$\n]+\$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of the language an answer should be in.

    Attributes:
        ranges: Code point ranges of its scripts.
        code: The identifier's code for it, "" when it does not know it.
        confusables: Codes that the identifier mixes up with it.
        spaces: Whether words are separated by spaces.
        own_words: Some words of the language, folded.
        foreign_words: Words of languages that must not stand in answers, folded; those in `own_words` do not count.
        digits: Its own digits from zero to nine, "" when it has none.
        sentence_marks: Characters that end a sentence.
    """

    ranges: Sequence[tuple[int, int]]
    code: str = ""
    confusables: Sequence[str] = ()
    spaces: bool = True
    own_words: frozenset[str] = frozenset()
    foreign_words: frozenset[str] = frozenset()
    digits: str = ""
    sentence_marks: str = ""


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """What the lines of one answer look like.

    Attributes:
        line_pass: Whether every judged line is in the language; None when no line is long enough.
        word_pass: Whether besides no foreign word stands in it; None when `line_pass` is not True.
        first_wrong: Place of the first wrong line, counted from zero among all lines; None without any.
    """

    line_pass: bool | None
    word_pass: bool | None
    first_wrong: int | None


def mask(text: str, names: Iterable[str] = ()) -> str:
    """Return a text without code, addresses, placeholders, formulas and the names given.

    Example:
        >>> mask("نام `x = 1` اور https://a.b Ali", ["Ali"])
        'نام   اور    '
    """
    plain = _MASKED.sub(" ", text)
    for name in sorted(set(names), key=len, reverse=True):
        plain = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", plain)
    return plain


def names_in(prompt: str) -> frozenset[str]:
    """Return the words of a prompt that an answer may repeat as they are: with a capital letter or a digit in them.

    Example:
        >>> sorted(names_in("Who wrote Hamlet in 1600, and for whom?"))
        ['1600', 'Hamlet', 'Who']
    """
    return frozenset(word for word in words(prompt) if any(c.isupper() or c.isdigit() for c in word))


def judge_lines(answer: str, language: Language, identify: Identify, names: Iterable[str] = ()) -> LineVerdict:
    r"""Judge the lines of one answer.

    Args:
        answer: The text; an empty one has no line and is judged by `fidelity.is_empty`.
        language: The language asked for.
        identify: Language identification.
        names: Words that may stand as they are, such as those of `names_in(prompt)`.

    Example:
        >>> urdu = Language([(0x600, 0x6FF)])
        >>> judge_lines("یہ ایک چھوٹا سا گاؤں ہے\nI do not know this at all", urdu, lambda text: [("", 0.0)])
        LineVerdict(line_pass=False, word_pass=None, first_wrong=1)

    Source: after the line and word pass rates of Marchisio et al. 2024 (arXiv 2406.20052, section 3); we differ in
        that languages come from cards, code and names are masked, and words are those of any script.
    """
    lines = mask(answer, names).splitlines()
    judged = [n for n, line in enumerate(lines) if _is_long(line, language)]
    if not judged:
        return LineVerdict(None, None, None)
    wrong = [n for n in judged if not in_language(lines[n], language, identify)]
    if wrong:
        return LineVerdict(False, None, wrong[0])
    return LineVerdict(True, not any(foreign_words(lines[n], language) for n in judged), None)


def _is_long(line: str, language: Language) -> bool:
    clusters = 0 if language.spaces else len(words(line))
    return max(len(line.split()), clusters // CLUSTERS_PER_WORD) >= MIN_LINE_WORDS


def in_language(line: str, language: Language, identify: Identify) -> bool:
    """Return whether most letters are in the script, and the identifier is not sure of another language."""
    share = script_fraction(line, language.ranges) if language.ranges else 1.0
    if share is None:
        return True
    if share < 0.5:
        return False
    if not language.code:
        return True
    code, probability = identify(" ".join(line.split()))[0]
    if code == language.code or probability < SURE:
        return True
    return code in language.confusables and probability < SURE_OTHER


def foreign_words(line: str, language: Language) -> list[str]:
    """Return the words of a line that belong to another language.

    A word of another script counts when it is long enough and written small (a capital marks a name); a word of the
    same script when it is among the foreign words and not among the language's own.

    Example:
        >>> foreign_words("یہ very اچھا Windows ہے", Language([(0x600, 0x6FF)]))
        ['very']
    """
    found = []
    for word in words(line):
        share = script_fraction(word, language.ranges) if language.ranges else None
        other_script = share == 0 and len(word) >= MIN_WORD_CHARS and word == word.lower()
        folded = word.casefold()
        if other_script or (folded in language.foreign_words and folded not in language.own_words):
            found.append(word)
    return found


def native_digits(text: str, digits: str) -> bool | None:
    """Return whether most digits are the language's own; None without digits, or when it has none of its own.

    Example:
        >>> native_digits("۱۲ مئی", "۰۱۲۳۴۵۶۷۸۹"), native_digits("12", "۰۱۲۳۴۵۶۷۸۹"), native_digits("no", "")
        (True, False, None)
    """
    found = [character for character in text if character.isdecimal()]
    if not found or not digits:
        return None
    return 2 * sum(character in digits for character in found) > len(found)


def native_marks(text: str, marks: str) -> bool | None:
    """Return whether most sentences end with the language's own marks rather than ASCII ones it does not use.

    Only marks after a letter or a combining mark are looked at, so that numbers and addresses do not count; None when
    there is none or the language uses the ASCII ones.

    Example:
        >>> native_marks("ہاں۔ کیا؟", "۔؟!"), native_marks("ہاں. کیا?", "۔؟!"), native_marks("Yes.", ".!?")
        (True, False, None)
    """
    other = set(".?!") - set(marks)
    if not other:
        return None
    ends = [b for a, b in pairwise(text) if unicodedata.category(a)[0] in "LM"]
    own, foreign = (sum(mark in group for mark in ends) for group in (set(marks) - set(string.punctuation), other))
    return None if not own + foreign else own > foreign


def pass_rates(
    answers: Iterable[str],
    tokenise: Callable[[str], list[str]],
    is_right: Callable[[str], bool],
    foreign: frozenset[str],
) -> dict[str, float]:
    """Return line and word pass rates exactly as the Language Confusion Benchmark computes them.

    Answers without a line of five tokens are skipped, empty ones included; our own figures never skip an empty answer.

    Args:
        answers: Generated texts.
        tokenise: Line -> tokens.
        is_right: Line -> whether the identifier says the wanted language.
        foreign: English words: lower case, longer than three letters.

    Returns:
        `acc` (mean share of right lines), `lpr` and `wpr`.

    Source: Marchisio et al. 2024 (arXiv 2406.20052, section 3) and the code released with it.
    """
    skipped_none, line_errors, word_errors, shares = 0, 0, 0, []
    for answer in answers:
        lines = [line for line in _released_form(answer).split("\n") if len(tokenise(line)) >= MIN_LINE_WORDS]
        if not lines:
            continue
        skipped_none += 1
        right = [is_right(line) for line in lines]
        shares.append(sum(right) / len(lines))
        if not all(right):
            line_errors += 1
        elif any(token.strip() in foreign for line in lines for token in tokenise(line)):
            word_errors += 1
    return {
        "acc": sum(shares) / len(shares) if shares else 1.0,
        "lpr": 1 - line_errors / max(1, skipped_none),
        "wpr": 1 - word_errors / max(1, skipped_none - line_errors),
    }


def _released_form(answer: str) -> str:
    """Return an answer without ASCII punctuation, and without what follows a next question."""
    text = answer.split("\nQ:")[0].strip().translate(str.maketrans("", "", string.punctuation))
    return text.replace("—", " ").replace("،", "")
