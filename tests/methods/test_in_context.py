"""Items of the in-context probe: the same for every model, answerable from the context alone."""

from __future__ import annotations

from collections import Counter

from newtongue.methods.in_context import probe_items


def test_equal_seeds_give_equal_items_and_other_seeds_others() -> None:
    assert probe_items(3, 0) == probe_items(3, 0) != probe_items(3, 1)


def test_more_items_keep_the_first_ones() -> None:
    few, many = probe_items(2, 0), probe_items(5, 0)
    assert set(few) <= set(many)
    assert Counter(item.task for item in many) == {"repeat": 5, "copy": 5, "recall": 5, "cycle": 5}


def test_every_answer_can_be_found_in_what_stands_before_it() -> None:
    for item in probe_items(20, 0):
        shown = item.context + item.lead
        assert all(word in shown for word in item.answer.split()), item
        assert all(item.answer[0] != " " or not shown.endswith(" ") for _ in "x")


def test_without_the_demonstration_the_answer_is_not_given_away() -> None:
    for item in probe_items(20, 0):
        if item.task in ("recall", "repeat"):
            assert item.answer.strip() not in item.lead
