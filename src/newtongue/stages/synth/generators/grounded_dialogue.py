"""`grounded_dialogue`: a talk of several turns about a native document."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit, read_translation
from newtongue.stages.synth.generators.grounded import Overlap


class GroundedDialogue(Settings):
    """Talk about documents in the language (UltraLink, arXiv 2402.04588; IndicAlign, arXiv 2403.06350).

    Each further question goes deeper or broader with equal chance; the chance to stop doubles with every answer.
    """

    kind: Literal["grounded_dialogue"] = "grounded_dialogue"
    """Name of the generator."""
    stop_fraction: float = Field(0.25, gt=0, le=1)
    """Chance to stop after the first answer; twice that after the second, and so on."""
    max_answers: int = Field(6, ge=1, le=20)
    """Answers of one talk at most."""
    through_other: bool = False
    """Whether the talk is held in `other_language` and translated, where the teacher is weak in the language."""
    overlap: Overlap = Overlap()
    """How much of the document an answer must use, and may copy; not checked when the talk is translated."""
    NEEDS: ClassVar[str] = "documents"
    PROMPTS: ClassVar[str] = "grounded"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Hold one talk."""
        rng = kit.rng(f"dialogue/{unit.id}")
        language = kit.other if self.through_other else kit.language
        (question,) = yield [kit.ask("question", language, text=unit.answer)]
        said = [question.strip()]
        stop = self.stop_fraction
        while True:
            (answer,) = yield [kit.ask("reply", language, text=unit.answer, talk=talk_of(said))]
            said.append(answer.strip())
            if len(said) // 2 >= self.max_answers or rng.random() < stop:
                break
            stop = min(1.0, 2 * stop)
            way = rng.choice(("deeper", "broader"))
            (question,) = yield [kit.ask(way, language, text=unit.answer, talk=talk_of(said))]
            said.append(question.strip())
        reason = "" if self.through_other else self._fault(said, unit.answer)
        if self.through_other:
            answers = yield [kit.translation(text, kit.other, kit.language) for text in said]
            done = [read_translation(text, answer) for text, answer in zip(said, answers, strict=True)]
            said, reason = [text for text, _ in done], next((why for _, why in done if why), "")
        turns = [Turn(("user", "assistant")[n % 2], text, kit.language) for n, text in enumerate(said)]
        return [Draft(turns, "grounded_dialogue", reason=reason)]

    def _fault(self, said: list[str], passage: str) -> str:
        return next((why for answer in said[1::2] if (why := self.overlap.fault(answer, passage))), "")


def talk_of(said: list[str]) -> str:
    """Return a talk as a prompt shows it."""
    return "\n".join(f"{('Q', 'A')[number % 2]}: {text}" for number, text in enumerate(said))
