"""What goes to a translator, and what must hold of what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.chrf import chrf
from newtongue.methods.protection import digit_runs, protect, restore
from newtongue.methods.translation import cut, join, problem

DOCUMENT = "# Title here\n\nFirst line. Second one!\n- item 1\n- item 2\n\n```py\nx = 1\n\ny = 2\n```\n\nLast {name}.\n"


@pytest.mark.parametrize("unit", ["document", "sentence"])
@pytest.mark.parametrize("most", [1, 60, 5000])
def test_pieces_join_to_the_text_and_code_stays(unit, most: int) -> None:  # type: ignore[no-untyped-def]
    pieces = cut(DOCUMENT, unit, most, ".!?")
    assert "".join(piece.text for piece in pieces) == DOCUMENT
    sent = [piece.text for piece in pieces if not piece.kept]
    assert not [text for text in sent if "x = 1" in text]
    assert join(pieces, sent) == DOCUMENT
    assert "Last {name}." in sent[-1]


@given(st.text(st.sampled_from("ab. \n-#1`"), max_size=80), st.sampled_from(["document", "sentence"]))
def test_any_text_is_the_sum_of_its_pieces(text: str, unit) -> None:  # type: ignore[no-untyped-def]
    assert "".join(piece.text for piece in cut(text, unit, 20, ".")) == text


@given(st.text(max_size=60))
def test_protected_parts_come_back(text: str) -> None:
    marked, parts = protect(text)
    assert restore(marked, parts) == text


PROTECTED = (
    ("`x+1` {user} {{ x }} %s %(n)d ${HOME} <b> </b> https://a.b/c?d=1 a@b.org $x^2$ &nbsp;")
    .replace("{{ x }}", "{{_x_}}")
    .split()
)


def test_what_is_protected() -> None:
    marked, parts = protect(" و ".join(PROTECTED))
    assert parts == PROTECTED
    assert protect("5 % of $3 and 4 {in words}")[1] == []
    assert restore(marked.replace("⟦3⟧", ""), parts) is None
    assert restore(marked + "⟦3⟧", parts) is None


@pytest.mark.parametrize(
    ("source", "translation", "reason"),
    [
        ("A long enough line 12.", "ایک کافی لمبی سطر ۱۲۔", ""),
        ("A long enough line 12.", "ایک کافی لمبی سطر 13۔", "numbers changed"),
        ("A long enough line.", " ", "empty translation"),
        ("A long enough line.", "A long enough line.", "left untranslated"),
        ("- first thing\n- second thing", "- پہلی چیز یہاں\nدوسری چیز وہاں", "structure changed"),
        ("- first thing\n- second thing", "- پہلی چیز یہاں\n- دوسری چیز وہاں", ""),
        ("A long enough line.", "سطر " * 40, "implausible length"),
        ("Python", "Python", ""),
    ],
)
def test_what_must_hold_of_a_translation(source: str, translation: str, reason: str) -> None:
    assert problem(source, translation, 0.3, 3.0) == reason


def test_digits_of_every_script_are_the_same_numbers() -> None:
    assert digit_runs("१२३ ۴۵ 67") == digit_runs("123 45 67")


PAIRS = [("the cat sat", "the cat is sitting"), ("یہ گھر ہے", "یہ گھر بڑا ہے"), ("ab", "abc"), ("x", "y")]


@pytest.mark.parametrize("pair", PAIRS)
def test_chrf_is_that_of_sacrebleu(pair: tuple[str, str]) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    assert chrf(*pair) == pytest.approx(sacrebleu.sentence_chrf(pair[0], [pair[1]]).score)
