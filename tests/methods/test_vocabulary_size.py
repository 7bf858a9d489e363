"""The number of new tokens: what a row costs, what it saves, and reasons to add none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.vocabulary_size import ModelSize, Size, choose, saving

SMALL = ModelSize(parameters=7_000_000, rows=4096, hidden=256, tied=True)


def curve(model: ModelSize, tokens: dict[int, int], rare: dict[int, int] | None = None) -> list[Size]:
    first = tokens[0]
    return [
        Size(n, t, (rare or {}).get(n, 0), saving(t, first, model.cost(n), 0.5), n * model.hidden)
        for n, t in tokens.items()
    ]


def test_a_row_costs_a_small_model_more() -> None:
    large = ModelSize(8_000_000_000, 128_256, 4096, tied=False)
    assert large.body == 8_000_000_000 - 2 * 128_256 * 4096
    assert SMALL.cost(4096) == pytest.approx(1 + 4096 * 256 / 7_000_000)
    assert 1 < large.cost(4096) < 1.003
    assert ModelSize(0, 0, 0, tied=True).cost(9) == 1


def test_the_softmax_stops_a_small_model_earlier_than_a_large_one() -> None:
    tokens = {0: 1000, 256: 700, 1024: 600, 8192: 560, 32768: 550}
    small = choose(curve(SMALL, tokens), 0.02)[0]
    large = choose(curve(ModelSize(8_000_000_000, 128_256, 4096, tied=False), tokens), 0.02)[0]
    assert small < large


@pytest.mark.parametrize(
    ("tokens", "rare", "number", "reason"),
    [
        ({0: 1000}, {}, 0, "the text holds no token that would be met often enough to learn it"),
        ({0: 1000, 16: 990}, {}, 0, "the best number, 16, would save"),
        ({0: 1000, 16: 800, 64: 700}, {64: 20}, 16, "of 64, 20 would be met too rarely to be learnt"),
        ({0: 1000, 16: 800, 64: 700}, {}, 64, "the text holds no more that occur often enough"),
        ({0: 1000, 64: 700, 8192: 699}, {}, 64, "because every token costs more with them"),
    ],
)
def test_answers_come_with_their_reason(tokens: dict, rare: dict, number: int, reason: str) -> None:
    chosen, why = choose(curve(SMALL, tokens, rare), 0.02)
    assert chosen == number
    assert reason in why


@given(st.lists(st.integers(100, 1000), min_size=1, max_size=8))
def test_what_is_chosen_saves_enough_and_can_be_learnt(tokens: list[int]) -> None:
    sizes = curve(SMALL, {0: 1000} | {16 * 2**k: t for k, t in enumerate(tokens)})
    chosen, _why = choose(sizes, 0.02)
    found = {size.new_tokens: size for size in sizes}
    assert chosen == 0 or (found[chosen].saving >= 0.0198 and found[chosen].learnable)
