"""`preference_pairs`: two answers in a language other than the prompt's, ranked by a judge that is asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit
from newtongue.stages.synth.generators.crossing import cross


class PreferencePairs(Settings):
    """Pairs of a better and a worse answer, prompt and answers in two languages (xLLMs-100, arXiv 2405.13816).

    The judge sees each pair in both orders; where it does not stay with its choice there is no pair.
    """

    kind: Literal["preference_pairs"] = "preference_pairs"
    """Name of the generator."""
    target_answers_fraction: float = Field(0.5, ge=0, le=1)
    """Share of pairs with a prompt in the other language and answers in the target; the rest are the other way."""
    rivals: Literal["samples", "student"] = "samples"
    """Whether the second answer is another sample of the teacher, or the student's."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"
    MAKES: ClassVar[str] = "Preferences"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Make one pair."""
        asked = yield from cross(unit, kit, self.target_answers_fraction)
        question, user, given = asked.question, asked.turn, asked.given
        if asked.reason:
            return [Draft((user,), "preference", reason=asked.reason)]
        role = "student" if self.rivals == "student" else "teacher"
        answers = yield [
            kit.ask("answer", given, question=question),
            kit.ask("answer", given, question=question, role=role, sample=1),
        ]
        first, second = (answer.strip() for answer in answers)
        if first == second:
            return [Draft((user, Turn("assistant", first)), "preference", reason="equal answers")]
        verdicts = yield [
            kit.ask("compare", given, role="judge", question=question, first=a, second=b)
            for a, b in ((first, second), (second, first))
        ]
        better = winner(verdicts)
        if better is None:
            return [Draft((user, Turn("assistant", first)), "preference", reason=why_undecided(verdicts))]
        pair = (first, second) if better == 0 else (second, first)
        chosen, worse = (Turn("assistant", text, given) for text in pair)
        return [Draft((user, chosen), f"preference: {asked.direction}", worse=worse)]


def winner(verdicts: Sequence[str]) -> int | None:
    """Return which answer won in both orders, or None when a verdict is unreadable or they disagree.

    Example:
        >>> winner(["A", "B"]), winner(["A", "A"]), winner(["B.", "a"]), winner(["A", "both"])
        (0, None, 1, None)
    """
    return {("A", "B"): 0, ("B", "A"): 1}.get(tuple(map(_letter, verdicts)))


def why_undecided(verdicts: Sequence[str]) -> str:
    """Return why there is no winner: the two are counted apart, so that a judge's consistency can be read.

    Example:
        >>> why_undecided(["A", "A"]), why_undecided(["A", "both"])
        ('judge undecided: stays with a place', 'judge undecided: unreadable')
    """
    readable = all(_letter(verdict) in ("A", "B") for verdict in verdicts)
    return f"judge undecided: {'stays with a place' if readable else 'unreadable'}"


def _letter(verdict: str) -> str:
    return verdict.strip(" .:*\n").upper()
