"""Sums inside chains of thought."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.arithmetic import equations, evaluate, false_equations


@pytest.mark.parametrize(
    "text",
    [
        "پہلے 12 + 7 = 19۔ پھر 19 − 4 = 15",
        "۳ × ۴ = ۱۲",
        "800 × 20 ÷ 100 = 160 روپے",
        "7 / 2 = 3.5",
        "कुल २ + ३ = ५",
        "no sums",
    ],
)
def test_what_is_right_passes(text: str) -> None:
    assert false_equations(text) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("12 + 7 = 18۔", "12 + 7 = 18"), ("2 + 3 × 4 = 20", "2 + 3 × 4 = 20"), ("4 ÷ 0 = 0", "4 ÷ 0 = 0")],
)
def test_what_is_wrong_is_named(text: str, wrong: str) -> None:
    assert false_equations(text) == [wrong]


def test_dates_and_single_numbers_are_no_sums() -> None:
    assert equations("1869 میں، x = 4, = 5, 3 +") == []


@given(st.lists(st.integers(0, 999), min_size=2, max_size=6), st.data())
def test_evaluation_equals_pythons(numbers: list[int], data: st.DataObject) -> None:
    signs = [data.draw(st.sampled_from("+-*")) for _ in numbers[1:]]
    expression = str(numbers[0]) + "".join(f" {s} {n}" for s, n in zip(signs, numbers[1:], strict=True))
    assert evaluate(expression) == Fraction(eval(expression))
