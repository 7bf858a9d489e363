"""Which of several teachers to ask: learnt from what came of earlier questions, per dollar.

One arm per teacher and cell (task, language). An answer is good or not; its price is known. Thompson sampling draws a
plausible share of good answers from each arm's Beta posterior and takes the arm with the most good answers per dollar.
Two guards keep it honest: a share of draws explores evenly, and no arm gets more than a largest share.
Decisions are made in windows from what is known of earlier windows, so they are the same for any order of arrival.
Source: Chapelle and Li 2011, "An Empirical Evaluation of Thompson Sampling", algorithm 2; the modes are those of
multilingual arbitrage (Odumakinde et al. 2024, arXiv 2408.14960). Dollars, exploration floor and guard are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

PRIOR_GOOD, PRIOR_BAD = 1, 1
"""Pseudo-answers every arm begins with."""


@dataclass(slots=True)
class Arm:
    """What is known of one teacher on one kind of question.

    Attributes:
        asked: Questions sent to it.
        good: Those whose answer was good.
        micro_usd: What they cost together.
    """

    asked: int = 0
    good: int = 0
    micro_usd: int = 0

    def record(self, good: bool, micro_usd: int) -> None:
        """Add one answer."""
        self.asked, self.good, self.micro_usd = self.asked + 1, self.good + good, self.micro_usd + micro_usd

    def price(self, fallback: float) -> float:
        """Return micro-dollars per question, at least one so that free teachers can be compared."""
        return max(1.0, self.micro_usd / self.asked if self.asked else fallback)


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision.

    Attributes:
        teacher: Who is asked.
        why: `explore`, `best` (of the draws) or `share` (the best had its largest share already).
        drawn: Teacher -> plausible share of good answers that was drawn for it, rounded.
    """

    teacher: str
    why: str
    drawn: Mapping[str, float]


def choose(arms: Mapping[str, Arm], rng: Random, explore_fraction: float, max_share: float) -> Choice:
    """Return the teacher to ask.

    Args:
        arms: Teacher -> what is known; in the recipe's order.
        rng: Drawn from; seeded by the question, so that the decision is the question's own.
        explore_fraction: Share of decisions that are drawn evenly, in [0, 1].
        max_share: Largest share of the questions so far that one teacher may have, in (0, 1].

    Example:
        >>> choose({"a": Arm(50, 45), "b": Arm(50, 5)}, Random(0), 0.0, 1.0).teacher
        'a'
    """
    if rng.random() < explore_fraction:
        return Choice(rng.choice(list(arms)), "explore", {})
    known = [arm.price(1.0) for arm in arms.values() if arm.asked]
    fallback = sum(known) / len(known) if known else 1.0
    drawn = {
        name: rng.betavariate(PRIOR_GOOD + arm.good, PRIOR_BAD + arm.asked - arm.good) for name, arm in arms.items()
    }
    ranked = sorted(arms, key=lambda name: -drawn[name] / arms[name].price(fallback))
    total = sum(arm.asked for arm in arms.values())
    allowed = [name for name in ranked if total == 0 or arms[name].asked < max_share * total] or ranked
    shown = {name: round(value, 4) for name, value in drawn.items()}
    return Choice(allowed[0], "best" if allowed[0] == ranked[0] else "share", shown)


def best(scores: Sequence[Sequence[float | None]]) -> int:
    """Return the place of the candidate with the highest mean score; of equals the first.

    Args:
        scores: Per candidate, what each judge gave it, in [0, 1]; None where a judge gave nothing readable.

    Example:
        >>> best([[0.5, None], [0.25, 1.0]])
        1
    """
    means = [mean_score(candidate) for candidate in scores]
    return max(range(len(means)), key=lambda place: (means[place], -place))


def mean_score(scores: Sequence[float | None]) -> float:
    """Return the mean of the readable scores; 0 when there is none."""
    readable = [score for score in scores if score is not None]
    return sum(readable) / len(readable) if readable else 0.0
