"""`evolve`: instructions made harder or wider, round by round, and answered."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.methods.words import words
from newtongue.stages.synth.chain import Draft, Kit, Steps, Turn, Unit

OPERATIONS: Final = ("constraint", "deepen", "concretise", "reasoning", "breadth")
"""Ways to evolve; each round takes one, all equally likely."""
MIN_REFUSAL_WORDS: Final = 80
"""A shorter answer that apologises means that the task cannot be done."""


class Evolve(Settings):
    """Make existing instructions harder or wider, then have them answered (Evol-Instruct, arXiv 2304.12244).

    An evolved task that gained nothing, leaked the prompt's own words or could not be answered is dropped, and the
    next round starts from the task before it.
    """

    kind: Literal["evolve"] = "evolve"
    """Name of the generator."""
    rounds: int = Field(1, ge=1, le=8)
    """Times each instruction is evolved; each round that succeeds gives a row."""
    NEEDS: ClassVar[str] = "instructions"
    PROMPTS: ClassVar[str] = "evolve"

    def steps(self, unit: Unit, kit: Kit) -> Steps:
        """Evolve and answer one instruction."""
        rng = kit.rng(f"evolve/{unit.id}")
        task, drafts = unit.question, []
        for _ in range(self.rounds):
            operation = rng.choice(OPERATIONS)
            (evolved,) = yield [kit.ask(operation, kit.language, task=task)]
            reason = fault_of_task(evolved, task, kit)
            answer = ""
            if not reason:
                (answer,) = yield [kit.ask("answer", kit.language, task=evolved.strip())]
                reason = fault_of_answer(answer, kit)
            if reason:
                drafts.append(Draft((Turn("user", evolved), Turn("assistant", answer)), "evolve", reason=reason))
                continue
            task = evolved.strip()
            turns = (Turn("user", task, kit.language), Turn("assistant", answer.strip(), kit.language))
            drafts.append(Draft(turns, f"evolve: {operation}"))
        return drafts


def fault_of_task(evolved: str, task: str, kit: Kit) -> str:
    """Return why an evolved task is dropped, or ""."""
    if words(evolved.casefold()) == words(task.casefold()):
        return "evolved into itself"
    if not words(evolved):
        return "no words"
    return "leaked prompt" if _has(evolved, "leaked", kit) else ""


def fault_of_answer(answer: str, kit: Kit) -> str:
    """Return why an evolved task cannot be used for its answer, or ""."""
    found = words(answer)
    if not found:
        return "no words"
    return "could not be answered" if _has(answer, "refusals", kit) and len(found) < MIN_REFUSAL_WORDS else ""


def _has(text: str, name: str, kit: Kit) -> bool:
    """Return whether a text has one of the phrases listed for the prompts' or the rows' language."""
    return any(phrase in text.casefold() for phrase in [*kit.texts[name], *kit.own.get(name, ())])
