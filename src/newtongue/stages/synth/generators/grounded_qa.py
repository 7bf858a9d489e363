"""`grounded_qa`: a question a native document answers, and the answer from it."""

from __future__ import annotations

from typing import ClassVar, Literal

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit
from newtongue.stages.synth.generators.grounded import Overlap


class GroundedQa(Settings):
    """Ask and answer questions on documents in the language, so that its culture comes from its own texts."""

    kind: Literal["grounded_qa"] = "grounded_qa"
    """Name of the generator."""
    overlap: Overlap = Overlap()
    """How much of the document an answer must use, and may copy."""
    with_document: bool = False
    """Whether the row's question shows the document (reading) or not (knowledge)."""
    NEEDS: ClassVar[str] = "documents"
    PROMPTS: ClassVar[str] = "grounded"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Ask and answer one question on one document."""
        (question,) = yield [kit.ask("question", kit.language, text=unit.answer)]
        question = question.strip()
        (answer,) = yield [kit.ask("answer", kit.language, text=unit.answer, question=question)]
        answer = answer.strip()
        shown = f"{unit.answer}\n\n{question}" if self.with_document else question
        turns = (Turn("user", shown, kit.language), Turn("assistant", answer, kit.language))
        return [Draft(turns, "grounded_qa", reason=self.overlap.fault(answer, unit.answer))]
