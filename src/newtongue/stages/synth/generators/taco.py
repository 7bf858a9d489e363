"""`taco`: the answer repeats the question in a strong language, answers there, and only then in the language."""

from __future__ import annotations

from typing import ClassVar, Literal

from newtongue.core.config import Settings
from newtongue.methods.taco import write_sections
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit


class Taco(Settings):
    """Rows whose answer thinks in the other language first (TaCo, arXiv 2311.10797); they cost two to three times.

    `methods.taco.final_section` takes the answer proper out of what such a model writes.
    """

    kind: Literal["taco"] = "taco"
    """Name of the generator."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Translate question and answer and put the sections together."""
        (question, answer), reason = yield from kit.carry([unit.question, unit.answer], kit.other, kit.language)
        if reason:
            return [Draft((Turn("user", unit.question), Turn("assistant", unit.answer)), "taco", reason=reason)]
        names = kit.names[kit.other], kit.names[kit.language]
        whole = write_sections(unit.question, unit.answer, answer, *names)
        return [Draft((Turn("user", question, kit.language), Turn("assistant", whole)), "taco")]
