"""A question in one language whose answer is wanted in the other: what `cross_lingual` and `preference_pairs` share."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from newtongue.methods.prompts import fill
from newtongue.stages.synth.chain import Ask, Kit, Turn, Unit


@dataclass(frozen=True, slots=True)
class Crossing:
    """One question on its way across.

    Attributes:
        question: What is asked.
        turn: What the row shows: the question, and which language the answer is wanted in.
        given: Tag of the answer's language.
        reason: Why the question cannot be used, or "".
    """

    question: str
    turn: Turn
    given: str
    reason: str = ""

    @property
    def direction(self) -> str:
        """Both tags, for a task type."""
        return f"{self.turn.language} to {self.given}"


def cross(unit: Unit, kit: Kit, target_answers_fraction: float) -> Generator[Sequence[Ask], Sequence[str], Crossing]:
    """Draw a direction, translate the question where it needs to be, and say which answer is wanted (`yield from`).

    Args:
        unit: An instruction in the other language.
        kit: Languages and prompts.
        target_answers_fraction: Share of questions that stay in the other language and want an answer in the target.
    """
    into_target = kit.rng(f"direction/{unit.id}").random() < target_answers_fraction
    question, asked, given = unit.question, kit.other, kit.language
    if not into_target:
        (question,), reason = yield from kit.carry([unit.question], kit.other, kit.language)
        asked, given = kit.language, kit.other
        if reason:
            return Crossing(question, Turn("user", unit.question), given, reason)
    wordings = kit.own if asked == kit.language else kit.texts
    wanted = fill(wordings["answer_in"], {"language": kit.names[given]})
    return Crossing(question, Turn("user", f"{question}\n\n{wanted}", asked), given)
