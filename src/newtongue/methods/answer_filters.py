"""What is taken from a generated answer before it is compared: the filters of task files.

Source: lm-evaluation-harness 0.4.13 (filters/extraction.py, selection.py, transformation.py), the same names, settings
    and results; `digits` is ours, so that an answer written in native digits is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Answers = Sequence[Any]
Filter = Callable[[Answers, Mapping[str, Any]], list[Any]]

DEFAULT_PATTERN = r"#### (\-?[0-9\.\,]+)"
DEFAULT_FALLBACK = "[invalid]"


def build_filter(name: str, settings: Mapping[str, Any]) -> Filter:
    """Return a filter: a function of one item's answers and its row.

    Args:
        name: `regex`, `regex_pos`-free subset of the names of lm-evaluation-harness, or `digits`.
        settings: The filter's other keys.

    Raises:
        ValueError: The filter is unknown, a setting is, or the pattern is no regular expression.

    Example:
        >>> build_filter("regex", {"regex_pattern": "(-?[0-9]+)", "group_select": -1})(["1 and 2"], {})
        ['2']
    """
    if name not in FILTERS:
        raise ValueError(f"unknown filter `{name}`; known are {', '.join(sorted(FILTERS))}")
    make, allowed = FILTERS[name]
    if unknown := sorted(set(settings) - set(allowed)):
        raise ValueError(f"filter `{name}` has no setting `{unknown[0]}`; it has {', '.join(allowed) or 'none'}")
    try:
        return make(**settings)
    except re.error as error:
        raise ValueError(f"filter `{name}`: the pattern is no regular expression ({error})") from None


def _regex(regex_pattern: str = DEFAULT_PATTERN, group_select: int = 0, fallback: str = DEFAULT_FALLBACK) -> Filter:
    pattern = re.compile(regex_pattern)
    return lambda answers, _row: [_found(pattern, answer, group_select, fallback) for answer in answers]


def _found(pattern: re.Pattern[str], answer: Any, number: int, fallback: str) -> str:
    found = pattern.findall(answer if isinstance(answer, str) else "")
    if not found or not -len(found) <= number < len(found):
        return fallback
    match = found[number]
    if isinstance(match, tuple):
        match = next((part for part in match if part), fallback)
    return str(match).strip()


def _choice_regex(
    regex_pattern: str = DEFAULT_PATTERN,
    group_select: int = 0,
    fallback: str = DEFAULT_FALLBACK,
    *,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    regexes_to_ignore: Sequence[str] | None = None,
) -> Filter:
    pattern = re.compile(regex_pattern)
    ignored = [re.compile(p) for p in regexes_to_ignore or ()]

    def plain(text: str) -> str:
        for part in ignored:
            text = part.sub("", text)
        text = text.lower() if ignore_case else text
        return "".join(c for c in text if unicodedata.category(c)[0] != "P") if ignore_punctuation else text

    def apply(answers: Answers, row: Mapping[str, Any]) -> list[Any]:
        letters = {plain(choice.strip()): f"({chr(65 + n)})" for n, choice in enumerate(row["choices"])}
        texts = re.compile("|".join(sorted(map(re.escape, letters), key=len, reverse=True)))
        bare = re.compile(rf":[\s]*({'|'.join(chr(65 + n) for n in range(len(row['choices'])))})")
        found = []
        for answer in answers:
            match = _match(pattern, answer, group_select) or letters.get(_match(texts, plain(answer), group_select), "")
            match = match or _in_brackets(_match(bare, answer, group_select))
            found.append(match or fallback)
        return found

    return apply


def _match(pattern: re.Pattern[str], answer: str, number: int) -> str:
    return _found(pattern, answer, number, "")


def _in_brackets(letter: str) -> str:
    return f"({letter})" if letter else ""


def _majority(answers: Answers, _row: Mapping[str, Any]) -> list[Any]:
    return [Counter(answers).most_common(1)[0][0]]


def _take(k: int = 1) -> Filter:
    def apply(answers: Answers, _row: Mapping[str, Any]) -> list[Any]:
        if len(answers) < k:
            raise ValueError(f"take_first_k wants {k} answers and there are {len(answers)}: raise `repeats`")
        return list(answers[:k])

    return apply


def _each(change: Callable[[str], Any]) -> Callable[[], Filter]:
    return lambda: lambda answers, _row: [change(answer) for answer in answers]


def _map(mapping_dict: Mapping[Any, Any] | None = None, default_value: Any = None) -> Filter:
    table = dict(mapping_dict or {})
    return lambda answers, _row: [table.get(answer, default_value) for answer in answers]


def western_digits(text: str) -> str:
    """Return text with every decimal digit of any script as 0 to 9, and Arabic separators as the Latin ones.

    Example:
        >>> western_digits("۱۲٫۵ और १२")
        '12.5 और 12'
    """
    table = {"٫": ".", "٬": ",", "،": ","}
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else table.get(c, c) for c in text)


FILTERS: dict[str, tuple[Callable[..., Filter], tuple[str, ...]]] = {
    "regex": (_regex, ("regex_pattern", "group_select", "fallback")),
    "multi_choice_regex": (
        _choice_regex,
        ("regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation", "regexes_to_ignore"),
    ),
    "remove_whitespace": (_each(str.strip), ()),
    "lowercase": (_each(str.lower), ()),
    "uppercase": (_each(str.upper), ()),
    "map": (_map, ("mapping_dict", "default_value")),
    "take_first": (_take, ()),
    "take_first_k": (_take, ("k",)),
    "majority_vote": (lambda: _majority, ()),
    "digits": (_each(western_digits), ()),
}
"""Name -> (maker, its settings)."""
