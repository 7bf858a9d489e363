"""`reverse`: the native document is the answer; a teacher writes the instruction it fulfils."""

from __future__ import annotations

from typing import ClassVar, Literal

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit


class Reverse(Settings):
    """Write the instruction that a native document answers (MURI, arXiv 2409.12958); the document stays byte for byte.

    The best choice for the languages with least: the answers are human.
    """

    kind: Literal["reverse"] = "reverse"
    """Name of the generator."""
    through_other: bool = True
    """Whether the document is translated into `other_language` first and the instruction back from it."""
    NEEDS: ClassVar[str] = "documents"
    PROMPTS: ClassVar[str] = "reverse"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Find the instruction of one document."""
        text, language = unit.answer, kit.language
        if self.through_other:
            (text,), reason = yield from kit.carry([text], kit.language, kit.other)
            if reason:
                return [Draft((Turn("assistant", unit.answer),), "reverse", reason=reason)]
            language = kit.other
        (instruction,) = yield [kit.ask("instruction", language, text=text)]
        instruction = instruction.strip()
        if self.through_other:
            (instruction,), reason = yield from kit.carry([instruction], kit.other, kit.language)
            if reason:
                return [Draft((Turn("assistant", unit.answer),), "reverse", reason=reason)]
        return [Draft((Turn("user", instruction, kit.language), Turn("assistant", unit.answer)), "reverse")]
