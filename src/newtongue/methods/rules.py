"""Instructions whose keeping can be checked by a program, for any language: what differs is on its card.

One implementation with the facts of a language as data: its sentence marks, whether its script has capitals, its
words. Rules a script cannot have (capitals in a script without them) are not asked and count for nobody.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.methods.words import words

QUOTES = '"“”„«»‹›「」『』‘’'
"""Characters that open or close a quotation in one language or another."""
CASED_SHARE = 0.05
"""Share of letters with capitals above which a script is taken to have them."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What rules need to know of a language.

    Attributes:
        sentence_marks: Characters that end a sentence.
        cased: Whether its script has capital letters.
        spaces: Whether words are separated by spaces.
        is_language: Text -> whether it is in the language of a tag, None when nobody can say.
    """

    sentence_marks: str = ".!?"
    cased: bool = True
    spaces: bool = True
    is_language: Callable[[str, str], bool | None] = lambda text, tag: None


Check = Callable[[str, Mapping[str, Any], Writing], bool | None]


def sentences(text: str, marks: str) -> list[str]:
    """Return the sentences of a text: cut after its marks and at line ends; a language without marks by lines.

    Example:
        >>> sentences("یہ ایک ہے۔ یہ دو! تین", "۔!؟")
        ['یہ ایک ہے۔', 'یہ دو!', 'تین']
    """
    cut = re.sub(rf"([{re.escape(marks)}]+[{QUOTES})\]]*)(?=\s|$|[^\s\d.])", r"\1\n", text) if marks else text
    return [line.strip() for line in cut.splitlines() if words(line)]


def is_cased(ranges: Sequence[tuple[int, int]]) -> bool:
    """Return whether a script has capital letters.

    Example:
        >>> is_cased([(0x41, 0x7A)]), is_cased([(0x600, 0x6FF)])
        (True, False)
    """
    letters = [chr(c) for first, last in ranges for c in range(first, last + 1) if chr(c).isalpha()]
    return sum(c.upper() != c.lower() for c in letters) > CASED_SHARE * len(letters)


def compare(found: int, relation: str, wanted: int) -> bool:
    """Return whether a number stands in a relation to another: `at least`, `less than`, `at most`, `exactly`.

    Raises:
        ValueError: The relation is another.
    """
    if relation not in ("at least", "less than", "at most", "exactly"):
        raise ValueError(f"unknown relation `{relation}`")
    holds = {"at least": found >= wanted, "less than": found < wanted, "at most": found <= wanted}
    return holds.get(relation, found == wanted)


def _relation(arguments: Mapping[str, Any], number: int, key: str) -> bool:
    return compare(number, str(arguments.get("relation") or "at least"), int(arguments[key]))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _occurs(part: str, text: str) -> int:
    """How often a keyword stands in a text, inside longer words too: words are inflected."""
    return _fold(text).count(_fold(part))


def _stands(word: str, text: str, writing: Writing) -> bool:
    """Whether a word stands in a text as a whole word; where writing has no spaces, as part of the text."""
    if not writing.spaces:
        return bool(_occurs(word, text))
    return bool(re.search(rf"(?<!\w){re.escape(_fold(word))}(?!\w)", _fold(text)))


def _paragraphs(text: str) -> int:
    """The number of parts between lines of three asterisks; -1 when one in the middle is empty."""
    parts = re.split(r"\s?\*\*\*\s?", text)
    if any(not part.strip() for part in parts[1:-1]):
        return -1
    return sum(bool(part.strip()) for part in parts)


def _nth_paragraph(text: str, arguments: Mapping[str, Any], writing: Writing) -> bool:
    parts = [part for part in re.split(r"\n\n", text) if part.strip()]
    place = int(arguments["nth_paragraph"])
    if len(parts) != int(arguments["num_paragraphs"]) or place > len(parts):
        return False
    first = words(_fold(parts[place - 1]))
    return bool(first) and first[0] == _fold(str(arguments["first_word"]))


def _highlights(text: str) -> int:
    found = re.findall(r"\*\*[^\n*]+\*\*|(?<!\*)\*[^\n*]+\*(?!\*)", text)
    return sum(bool(part.strip("*").strip()) for part in found)


def _json(text: str) -> bool:
    body = re.sub(r"^```(?:json|JSON|Json)?|```$", "", text.strip()).strip()
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _two_responses(text: str) -> bool:
    parts = text.split("******")
    kept = [part.strip() for part in parts]
    if any(not part for part in kept[1:-1]):
        return False
    found = [part for part in kept if part]
    return len(found) == 2 and found[0] != found[1]


def _in_capitals(text: str, arguments: Mapping[str, Any], writing: Writing, upper: bool) -> bool | None:
    if not writing.cased:
        return None
    plain = text.isupper() if upper else text.islower()
    return plain and writing.is_language(text, str(arguments.get("language", ""))) is not False


def _capital_words(text: str, arguments: Mapping[str, Any], writing: Writing) -> bool | None:
    if not writing.cased:
        return None
    relation = str(arguments.get("capital_relation") or "at least")
    return compare(sum(w.isupper() for w in words(text)), relation, int(arguments["capital_frequency"]))


def _letters(text: str, arguments: Mapping[str, Any], writing: Writing) -> bool:
    found = _fold(text).count(_fold(str(arguments["letter"])))
    return compare(found, str(arguments.get("let_relation") or "at least"), int(arguments["let_frequency"]))


def _comma(character: str) -> bool:
    return character == "," or (not character.isascii() and "COMMA" in unicodedata.name(character, "").split())


def _quoted(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] in QUOTES and bare[-1] in QUOTES


def _postscript(text: str, marker: str) -> bool:
    spaced = r"\s*".join(re.escape(c) for c in _fold(marker) if not c.isspace())
    return bool(re.search(rf"(?m){spaced}.*$", _fold(text)))


def _repeats_prompt(text: str, prompt: str) -> bool:
    return _fold(text).strip().startswith(_fold(prompt).strip())


RULES: dict[str, Check] = {
    "keywords:existence": lambda t, a, w: all(_occurs(k, t) for k in a["keywords"]),
    "keywords:frequency": lambda t, a, w: _relation(a, _occurs(a["keyword"], t), "frequency"),
    "keywords:forbidden_words": lambda t, a, w: not any(_stands(k, t, w) for k in a["forbidden_words"]),
    "keywords:letter_frequency": _letters,
    "language:response_language": lambda t, a, w: w.is_language(t, a["language"]),
    "length_constraints:number_sentences": lambda t, a, w: _relation(
        a, len(sentences(t, w.sentence_marks)), "num_sentences"
    ),
    "length_constraints:number_paragraphs": lambda t, a, w: _paragraphs(t) == int(a["num_paragraphs"]),
    "length_constraints:number_words": lambda t, a, w: _relation(a, len(words(t)), "num_words"),
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": lambda t, a, w: len(re.findall(r"\[.*?\]", t)) >= a["num_placeholders"],
    "detectable_content:postscript": lambda t, a, w: _postscript(t, a["postscript_marker"]),
    "detectable_format:number_bullet_lists": lambda t, a, w: (
        len(re.findall(r"(?m)^\s*(?:\*[^*].*|-.*|•.*)$", t)) == a["num_bullets"]
    ),
    "detectable_format:constrained_response": lambda t, a, w: (
        any(_fold(o) in _fold(t) for o in a["options"]) if a.get("options") else None
    ),
    "detectable_format:number_highlighted_sections": lambda t, a, w: _highlights(t) >= a["num_highlights"],
    "detectable_format:multiple_sections": lambda t, a, w: (
        len(re.findall(rf"\s?{re.escape(_fold(a['section_spliter']))}\s?\d+\s?", _fold(t))) >= a["num_sections"]
    ),
    "detectable_format:json_format": lambda t, a, w: _json(t),
    "detectable_format:title": lambda t, a, w: any(s.strip("<> \t") for s in re.findall(r"<<[^\n]+>>", t)),
    "combination:two_responses": lambda t, a, w: _two_responses(t),
    "combination:repeat_prompt": lambda t, a, w: _repeats_prompt(t, a["prompt_to_repeat"]),
    "startend:end_checker": lambda t, a, w: _fold(t).strip(' "').endswith(_fold(a["end_phrase"]).strip()),
    "startend:quotation": lambda t, a, w: _quoted(t),
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": lambda t, a, w: _in_capitals(t, a, w, True),
    "change_case:english_lowercase": lambda t, a, w: _in_capitals(t, a, w, False),
    "punctuation:no_comma": lambda t, a, w: not any(_comma(c) for c in t),
}
"""Name of each rule, as IFEval calls it -> whether a text keeps it; None where the script cannot have it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the rules of one prompt.

    Attributes:
        strict: Per rule, kept by the answer as it stands; None where the rule cannot be asked.
        loose: Per rule, kept by the answer or by one without its first line, last line or asterisks.
    """

    strict: list[bool | None]
    loose: list[bool | None]

    @property
    def prompt_strict(self) -> bool:
        """Whether every rule that can be asked is kept."""
        return all(found is not False for found in self.strict)

    @property
    def prompt_loose(self) -> bool:
        """The same for the loose reading."""
        return all(found is not False for found in self.loose)


def follow(answer: str, rules: Sequence[tuple[str, Mapping[str, Any]]], writing: Writing) -> Followed:
    """Check the rules of one prompt, strictly and loosely.

    Args:
        answer: The generated text; an empty one keeps no rule.
        rules: Name and arguments of each rule.
        writing: The language the answer is in.

    Raises:
        KeyError: A rule has another name than those of `RULES`, or lacks an argument.

    Example:
        >>> urdu = Writing("۔؟!", cased=False)
        >>> follow("ایک۔ دو۔", [("length_constraints:number_sentences", {"num_sentences": 2})], urdu).strict
        [True]
        >>> follow("ایک۔", [("change_case:english_capital", {})], urdu).strict
        [None]

    Source: Zhou et al. 2023 (IFEval, arXiv 2311.07911, sections 2 and 3); for other languages after Dussolle et al.
        2025 (M-IFEval, arXiv 2502.04688), whose rules per language are here read from cards. We differ from the
        released code where it is of one language: words, sentences, commas and quotation marks are those of any script.
    """
    strict = [_keeps(answer, name, arguments, writing) for name, arguments in rules]
    versions = _readings(answer)
    loose = [_any(_keeps(text, name, arguments, writing) for text in versions) for name, arguments in rules]
    return Followed(strict, loose)


def _keeps(text: str, name: str, arguments: Mapping[str, Any], writing: Writing) -> bool | None:
    if not text.strip():
        return False
    found = RULES[name](text, arguments, writing)
    return found if found is None else bool(found)


def _any(found: Any) -> bool | None:
    known = list(found)
    return None if None in known else any(known)


def _readings(answer: str) -> list[str]:
    """Return an answer, and without its first line, last line, both, each also without asterisks."""
    lines = answer.split("\n")
    parts = (lines, lines[1:], lines[:-1], lines[1:-1])
    cut = ["\n".join(part).strip() for part in parts]
    texts = [answer, *(text for text in cut[1:] if text)]
    return [*texts, *(text.replace("*", "") for text in texts)]
