"""`cross_lingual`: the question in one language, the answer in the other."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.methods.prompts import fill
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit, read_translation


class CrossLingual(Settings):
    """Ask in one language and have it answered in the other; the row's question says which answer is wanted."""

    kind: Literal["cross_lingual"] = "cross_lingual"
    """Name of the generator."""
    target_answers_fraction: float = Field(0.5, ge=0, le=1)
    """Share of rows asked in the other language and answered in the target; the rest go the other way."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Make one row, one way or the other."""
        into_target = kit.rng(f"direction/{unit.id}").random() < self.target_answers_fraction
        question, asked, given = unit.question, kit.other, kit.language
        if not into_target:
            (reply,) = yield [kit.translation(unit.question, kit.other, kit.language)]
            question, reason = read_translation(unit.question, reply)
            asked, given = kit.language, kit.other
            if reason:
                return [Draft((Turn("user", unit.question),), "cross_lingual", reason=reason)]
        (answer,) = yield [kit.ask("answer", given, question=question)]
        wordings = kit.own if asked == kit.language else kit.texts
        wanted = fill(wordings["answer_in"], {"language": kit.names[given]})
        turns = (Turn("user", f"{question}\n\n{wanted}", asked), Turn("assistant", answer.strip(), given))
        return [Draft(turns, f"cross_lingual: {asked} to {given}")]
