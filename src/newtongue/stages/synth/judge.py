"""Accept or reject one written task: usable, short enough, sums right, in the language, unlike everything before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.methods.arithmetic import false_equations
from newtongue.methods.language_gate import Profile, judge_answer, judge_language
from newtongue.methods.self_instruct import Item
from newtongue.methods.similarity import Pool
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.material import Seed

UNKNOWN_LANGUAGE = "language unknown"
"""Flag of a row whose language nobody could tell."""
MAX_QUESTION_CHARACTERS = 4000
"""Longer questions are rejected."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one item.

    Attributes:
        reason: Why it was rejected, a short stable phrase; "" when it was accepted.
        flags: What is doubtful about an accepted row.
        note: More about a rejection (the nearest row).
    """

    reason: str = ""
    flags: tuple[str, ...] = ()
    note: str = ""


class Judge:
    """Judges items in order; every accepted one counts for the similarity of later ones."""

    def __init__(self, config: SynthConfig, seeds: Iterable[Seed]) -> None:
        """Know the language and the seeds."""
        card = load_card(config.language)
        codes = [load_card(tag).lid for tag in card.confusables]
        self._profile = Profile(card.script_ranges, card.lid, [code for code in codes if code])
        self._config = config
        self._pool = Pool()
        for seed in seeds:
            self._pool.add(seed.id, f"{seed.shown['instruction']} {seed.shown['input']}")

    def judge(self, item: Item, name: str) -> Judgement:
        """Return the judgement of one item; an accepted one joins the pool under `name`."""
        for check in (self._form, self._language, self._similarity):
            judgement = check(item)
            if judgement.reason:
                return judgement
        self._pool.add(name, f"{item.instruction} {item.input}")
        return Judgement(flags=self._language(item).flags)

    def _form(self, item: Item) -> Judgement:
        if item.problem:
            return Judgement(item.problem)
        if len(item.output) > self._config.max_answer_characters:
            return Judgement("answer too long")
        if len(item.question) > MAX_QUESTION_CHARACTERS:
            return Judgement("question too long")
        wrong = false_equations(item.output)
        return Judgement("wrong sum", note=wrong[0]) if wrong else Judgement()

    def _language(self, item: Item) -> Judgement:
        if judge_language(item.instruction, self._profile, identify).outcome == "wrong":
            return Judgement("instruction in another language")
        verdict = judge_answer(item.output, (item.instruction, item.input), self._profile, identify)
        if verdict.outcome == "wrong":
            return Judgement(f"answer: {verdict.reason}")
        return Judgement(flags=(UNKNOWN_LANGUAGE,) if verdict.outcome == "unknown" else ())

    def _similarity(self, item: Item) -> Judgement:
        near = self._pool.nearest(f"{item.instruction} {item.input}", self._config.max_similarity)
        return Judgement("too similar", note=f"{near[0]:.3f} to {near[1]}") if near else Judgement()
