"""`self_distil`: the student's own answers, in four directions between two languages, with small tasks around them."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.methods.code_switching import code_switch
from newtongue.methods.prompts import fill
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit

Direction = Literal["other_other", "target_target", "target_other", "other_target"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("other_other", "target_target", "target_other", "other_target")
"""Language of the question, language of the answer."""


class SelfDistil(Settings):
    """Let the student answer in its strong language and carry the answer over (SDRRL, arXiv 2402.12204).

    Every instruction gives one row per direction, and by share a translation task; documents give completions.
    """

    kind: Literal["self_distil"] = "self_distil"
    """Name of the generator."""
    directions: list[Direction] = Field(default_factory=lambda: list(DIRECTIONS), min_length=1)
    """Which rows are made: language of the question, language of the answer."""
    code_switch_fraction: float = Field(0.0, ge=0, le=1)
    """Share of a question's words in the weak language replaced by `dictionary`, in the cross-lingual directions."""
    translation_fraction: float = Field(0.5, ge=0, le=1)
    """Share of instructions that also give a translation task."""
    completions: int = Field(0, ge=0)
    """Documents that give a completion task each: the first half is shown, the rest is the answer."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "transfer"
    UNIQUE: ClassVar[bool] = False

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Answer one instruction and carry it over; a document becomes a completion."""
        if not unit.question:
            return [completion(unit, kit)]
        (answer,) = yield [kit.ask("answer", kit.other, role="student", question=unit.question)]
        answer = answer.strip()
        done, reason = yield from kit.carry([unit.question, answer], kit.other, kit.language)
        if reason:
            turns = (Turn("user", unit.question), Turn("assistant", answer))
            return [Draft(turns, "self_distil", reason=reason)]
        question_in = {"other": unit.question, "target": done[0]}
        answer_in = {"other": answer, "target": done[1]}
        drafts = [self._draft(direction, unit, question_in, answer_in, kit) for direction in self.directions]
        if kit.rng(f"translate/{unit.id}").random() < self.translation_fraction:
            task = fill(kit.own["translate_task"], {"language": kit.names[kit.language], "text": unit.question})
            drafts.append(Draft((Turn("user", task), Turn("assistant", done[0], kit.language)), "translation"))
        return drafts

    def _draft(
        self, direction: Direction, unit: Unit, question_in: dict[str, str], answer_in: dict[str, str], kit: Kit
    ) -> Draft:
        asked, given = direction.split("_")
        tags = {"other": kit.other, "target": kit.language}
        question, judged = question_in[asked], tags[asked]
        if asked != given:
            if asked == "target" and self.code_switch_fraction:
                rng = kit.rng(f"switch/{unit.id}")
                question = code_switch(question, kit.dictionary, self.code_switch_fraction, rng)[0]
                judged = ""
            wanted = fill(kit.own["answer_in"], {"language": kit.names[tags[given]]})
            question, judged = f"{question}\n\n{wanted}", ""
        turns = (Turn("user", question, judged), Turn("assistant", answer_in[given], tags[given]))
        return Draft(turns, f"self_distil: {direction}")


def completion(unit: Unit, kit: Kit) -> Draft:
    """Return the task to complete a document: its first half is shown."""
    cut = unit.answer.find(" ", len(unit.answer) // 2)
    if cut < 0:
        return Draft((Turn("assistant", unit.answer),), "completion", reason="too short to be completed")
    task = fill(kit.own["complete_task"], {"text": unit.answer[:cut]})
    return Draft((Turn("user", task), Turn("assistant", unit.answer[cut:].strip(), kit.language)), "completion")
