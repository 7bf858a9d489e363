"""Sums, not means of means."""

from __future__ import annotations

from newtongue.methods.fertility import Fertility, fertility


def test_texts_add_up() -> None:
    total = fertility([Fertility(2, 10, 20, fragments=5), Fertility(8, 10, 40, round_trips=False)])
    assert total.tokens_per_word == 2
    assert total.bytes_per_token == 3
    assert total.fragment_fraction == 0.25
    assert not total.round_trips


def test_nothing_has_no_fertility() -> None:
    assert fertility([]).facts() == {
        "words": 0,
        "tokens": 0,
        "utf8_bytes": 0,
        "tokens_per_word": 0,
        "bytes_per_token": 0,
        "fragment_fraction": 0,
        "round_trips": True,
    }
