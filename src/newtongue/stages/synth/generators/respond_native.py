"""`respond_native`: the instruction is translated, the answer is written in the language."""

from __future__ import annotations

from typing import ClassVar, Literal

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit


class RespondNative(Settings):
    """Translate instructions and have them answered in the language (Bactrian-X, arXiv 2305.15011).

    No answer ever goes through the translator.
    """

    kind: Literal["respond_native"] = "respond_native"
    """Name of the generator."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Translate and answer one instruction."""
        (question,), reason = yield from kit.carry([unit.question], kit.other, kit.language)
        if reason:
            return [Draft((Turn("user", unit.question),), "respond_native", reason=reason)]
        (answer,) = yield [kit.ask("answer", kit.language, question=question)]
        turns = (Turn("user", question, kit.language), Turn("assistant", answer.strip(), kit.language))
        return [Draft(turns, "respond_native")]
