"""Scores of new Unigram pieces."""

from __future__ import annotations

import math

from newtongue.methods.unigram import piece_scores, without, worth


def test_scores_are_log_probabilities_above_the_floor() -> None:
    assert piece_scores({"a": 5, "b": 0, "c": 1}, 100, -3.0) == {"a": math.log(0.05), "c": -3.0}


def test_pieces_that_save_most_come_first() -> None:
    assert worth({"a": 9, "abc": 4, "bc": 5}, {"a": 1, "abc": 3, "bc": 2}) == ["abc", "bc", "a"]


def test_dropping_keeps_the_order() -> None:
    assert list(without({"c": 1.0, "a": 2.0, "b": 3.0}, {"a"})) == ["c", "b"]
