"""Both sides of the held-out border stay where they are, in every recipe and language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.splitting import group_key, neutral_id, split_of

GOLDEN = {
    "page/7": "train",
    "edgeai/AGENTS/md": "heldout",
    "اردو": "train",
    "हिन्दी": "train",
    "ไทย": "heldout",
    "東京": "heldout",
    "": "train",
}


@pytest.mark.parametrize(
    ("identifier", "language", "neutral"),
    [
        ("ur/page-7", "urd_Arab", "page/7"),
        ("en/page-7", "eng_Latn", "page/7"),
        ("page-7.urd_Arab", "urd_Arab", "page/7"),
        ("page-7.eng_Latn-x-scouse", "eng_Latn", "page/7"),
        ("corpus:eng:0007", "eng_Latn", "corpus/0007"),
        ("corpus:urd:0007", "urd_Arab", "corpus/0007"),
        ("0007", "urd_Arab", "0007"),
        ("ur", "urd_Arab", "ur"),
        ("", "urd_Arab", ""),
        ("/", "urd_Arab", "/"),
        ("صفحہ-۷", "urd_Arab", "صفحہ/۷"),
    ],
)
def test_neutral_id(identifier: str, language: str, neutral: str) -> None:
    assert neutral_id(identifier, language) == neutral


def test_group_wins_over_id_and_id_over_content() -> None:
    assert group_key("book-1", "en/7", "eng_Latn", "text") == "book-1"
    assert group_key("", "en/7", "eng_Latn", "text") == "7"
    assert group_key("", "", "eng_Latn", "text") == "text"


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_fraction_only_adds_to_the_heldout_side(key: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert split_of(key, small) == "train" or split_of(key, large) == "heldout"


def test_the_fraction_is_met() -> None:
    sides = [split_of(f"document {number}", 0.1) for number in range(20_000)]
    assert 0.09 < sides.count("heldout") / len(sides) < 0.11


def test_sides_are_frozen() -> None:
    assert {key: split_of(key, 0.5) for key in GOLDEN} == GOLDEN
    assert [n for n in range(200) if split_of(str(n), 0.05) == "heldout"] == [69, 70, 99, 135, 153, 155, 160]
