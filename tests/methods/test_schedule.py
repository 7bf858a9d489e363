"""The learning rate rises, stays, falls, and never surprises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.schedule import Schedule

FRACTIONS = st.floats(0, 1)


@given(steps=st.integers(1, 400), warmup=FRACTIONS, decay=FRACTIONS, final=FRACTIONS)
def test_it_stays_between_nothing_and_the_peak(steps: int, warmup: float, decay: float, final: float) -> None:
    rates = [Schedule(steps, warmup, decay, final)(step) for step in range(steps)]
    assert all(0 < rate <= 1 or final == 0 for rate in rates)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1]) and rates[peak:] == sorted(rates[peak:], reverse=True)


def test_the_last_step_has_the_final_share() -> None:
    assert Schedule(100, 0.1, 0.5, 0.2)(99) == 0.2
    assert Schedule(1, 0.05, 0.5, 0.1)(0) == 1.0
