"""`reasoning`: chains of thought carried over from the other language, their sums checked."""

from __future__ import annotations

from typing import ClassVar, Literal

from newtongue.core.config import Settings
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit


class Reasoning(Settings):
    """Translate problems with their chains of thought; numbers must stay and every written sum must hold."""

    kind: Literal["reasoning"] = "reasoning"
    """Name of the generator."""
    thought: Literal["target", "other"] = "target"
    """Language of the chain: `target` translates it too, `other` keeps it and translates the problem alone."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Translate one problem."""
        texts = [unit.question, unit.answer] if self.thought == "target" else [unit.question]
        done, reason = yield from kit.carry(texts, kit.other, kit.language)
        if reason:
            return [Draft((Turn("user", unit.question), Turn("assistant", unit.answer)), "reasoning", reason=reason)]
        chain = done[1] if self.thought == "target" else unit.answer
        language = kit.language if self.thought == "target" else kit.other
        turns = (Turn("user", done[0], kit.language), Turn("assistant", chain, language))
        return [Draft(turns, "reasoning", sums=True)]
