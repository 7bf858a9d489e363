"""Where an answer begins: with spaces in or out of offsets, across joins, in scripts without spaces."""

from __future__ import annotations

import pytest

from newtongue.methods.joining import answer_start, common_start, moved_spaces


@pytest.mark.parametrize(
    ("offsets", "join", "expected"),
    [
        ([(0, 6), (6, 7), (7, 9)], 7, (2, False)),
        ([(0, 6), (6, 7), (8, 9)], 7, (2, False)),  # the space is left out of the offsets
        ([(0, 6), (6, 9)], 7, (1, True)),  # ": C" is one token
        ([(0, 9)], 7, (0, True)),  # everything is one token
        ([(0, 0), (0, 1), (1, 2)], 0, (0, False)),  # a start token before a text without prompt
        ([(0, 1), (1, 2), (1, 2), (2, 3)], 2, (3, False)),  # two bytes of one character
        ([(0, 1), (1, 2), (1, 2), (2, 3)], 1, (1, False)),
        ([(0, 3)], 3, (1, False)),  # an answer without a token
    ],
)
def test_the_answer_begins_where_the_offsets_say(offsets: list[tuple[int, int]], join: int, expected: object) -> None:
    assert answer_start(offsets, join) == expected


def test_spaces_at_the_end_of_a_prompt_belong_to_the_answer() -> None:
    assert moved_spaces("سوال: \n", "جواب") == ("سوال:", " \nجواب")
    assert moved_spaces("", " x") == ("", " x")


def test_all_answers_are_scored_from_one_boundary_when_a_token_spans() -> None:
    assert common_start([[1, 2, 3], [1, 2, 4]], [2, 2], [False, False]) == [2, 2]
    assert common_start([[1, 9], [1, 2, 4], [1, 2, 5]], [1, 2, 2], [True, False, False]) == [1, 1, 1]
    assert common_start([[8, 3], [9, 3]], [1, 1], [True, False]) == [0, 0]
