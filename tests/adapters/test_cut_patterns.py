"""Reading tokenizers' patterns: which cut at spaces, which might not, which are not understood."""

from __future__ import annotations

import re

import pytest

from newtongue.adapters.hf.cut_patterns import read_pattern

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\w+| ?[^\s\w]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re)|[^\r\n\w]?\w+|\d{1,3}| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def holds(part: str, character: str) -> bool:
    return re.fullmatch(part, character) is not None


@pytest.mark.parametrize("pattern", [GPT2, LLAMA3, r"\w+|\s", r"(?:\w|-)+| ?[^\w\s]++|\s+?"])
def test_patterns_that_cut_at_spaces(pattern: str) -> None:
    read = read_pattern(pattern)
    assert read is not None and read.cuts_at_spaces(holds)


@pytest.mark.parametrize("pattern", [r"\d{1,3}", "[a-z]+", r" ?\w+"])
def test_patterns_that_leave_both_sides_of_a_space_alone_but_need_not_cut_there(pattern: str) -> None:
    read = read_pattern(pattern)
    assert read is not None and read.independent_at_spaces(holds) and not read.cuts_at_spaces(holds)


@pytest.mark.parametrize(
    "pattern", [r"\w+ \w+|\s+", r"[\w ]+|\s+", r"\w+(?= )|\s+", r"\w+(?! )|\s+", r".+|\s+", r"\w*|\s+"]
)
def test_patterns_that_reach_across_a_space_or_look_for_one(pattern: str) -> None:
    read = read_pattern(pattern)
    assert read is not None and not read.independent_at_spaces(holds)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bword",
        "^a",
        "a$",
        r"(?<=a)b",
        r"(?<!a)b",
        r"(a)\1",
        r"(?!ab)c",
        "(?>a)",
        r"a{1,3}+",
        "(",
        "a)",
        "[a&&b]",
        "(?i:ß)",
    ],
)
def test_what_looks_at_more_than_one_character_is_not_read(pattern: str) -> None:
    assert read_pattern(pattern) is None


@pytest.mark.parametrize("pattern", ["(?i:ss)", "(?i:'st)", "(?i:fi|x)", "(?i:s)(?i:s)", "(?i:s+)"])
def test_letters_for_which_one_character_can_stand_are_not_read(pattern: str) -> None:
    assert read_pattern(pattern) is None


def test_letters_behind_a_mark_do_not_matter_without_it() -> None:
    read = read_pattern(LLAMA3)
    assert read is not None
    marks, parts = read.behind_marks()
    assert marks == {"(?i:')"}
    assert read.classes - parts == {"(?i:s)", "(?i:t)", "(?i:r)", "(?i:e)"}
    assert read_pattern(r"'s|s+").behind_marks()[1] == {"'", "s"}  # type: ignore[union-attr]
