"""The invented language can be undone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newtongue.adapters.languages import load_card
from newtongue.methods import invented
from newtongue.methods.scripts import script_fraction

TEXT = "The QUICK iPhone's walking, and 3 dogs (barked loudly) at caf\u00e9 X.\n\nEnd of it: a, I, AB, thing."


def test_it_can_be_undone_and_has_its_own_script() -> None:
    other = invented.from_english(TEXT)
    assert invented.to_english(other) == TEXT
    assert (script_fraction(other, load_card(invented.TAG).script_ranges) or 0) > 0.95


@given(st.text(st.sampled_from("abcdeghilnorstyTHEISNG '.,3\n-"), max_size=60))
def test_any_english_can_be_undone(text: str) -> None:
    assert invented.to_english(invented.from_english(text)) == text


def test_words_stand_in_another_order_within_a_clause() -> None:
    assert invented.from_english("dogs bark, cats sleep").count(",") == 1
    words = invented.from_english("dogs bark").split()
    assert [invented.to_english(word) for word in words] == ["bark", "dogs"]


def test_code_switching_takes_every_second_word() -> None:
    mixed = invented.mix("the cat sat on the mat", 2).split()
    assert [word.isascii() for word in mixed] == [True, False] * 3
