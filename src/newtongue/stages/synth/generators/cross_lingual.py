"""`cross_lingual`: the question in one language, the answer in the other."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit
from newtongue.stages.synth.generators.crossing import cross


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
        asked = yield from cross(unit, kit, self.target_answers_fraction)
        if asked.reason:
            return [Draft((asked.turn,), "cross_lingual", reason=asked.reason)]
        (answer,) = yield [kit.ask("answer", asked.given, question=asked.question)]
        turns = (asked.turn, Turn("assistant", answer.strip(), asked.given))
        return [Draft(turns, f"cross_lingual: {asked.direction}")]
