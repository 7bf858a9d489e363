"""Accept or reject one written task: usable, short enough, sums right, in the language, unlike everything before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.verifiers import read_verifier
from newtongue.methods.arithmetic import chain_problem
from newtongue.methods.language_gate import Verdict
from newtongue.methods.self_instruct import Item
from newtongue.methods.similarity import Pool, material_of, similarity_words
from newtongue.methods.verified_gate import Gate, gate_of
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.material import Seed
from newtongue.stages.synth.styles import Plain, Style

UNKNOWN_LANGUAGE = "language unknown"
"""Flag of a row whose language nobody could tell."""
OUTCOMES = ("right", "unknown", "wrong")
"""Answers of the language gate, the best first."""
MAX_QUESTION_CHARACTERS = 4000
"""Longer questions are rejected."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one item.

    Attributes:
        reason: Why it was rejected, a short stable phrase; "" when it was accepted.
        flags: What is doubtful about an accepted row.
        note: More about a rejection (the nearest row).
        languages: Tags of instruction and output, of those allowed.
        told: The language gate's answer: `right`, `unknown`, `wrong`; "" when it was not asked.
    """

    reason: str = ""
    flags: tuple[str, ...] = ()
    note: str = ""
    languages: tuple[str, str] = ("", "")
    told: str = ""


def gate_for(tag: str) -> Gate:
    """Return the language gate of a tag: its card, its neighbours' cards, its verifier where it has one."""
    card = load_card(tag)
    return gate_of(card, [load_card(other) for other in card.confusables], identify, read_verifier(tag))


class Judge:
    """Judges items in order; every accepted one counts for the similarity of later ones."""

    def __init__(self, config: SynthConfig, seeds: Iterable[Seed], style: Style | Plain) -> None:
        """Know the languages, the seeds, and what is refused unread."""
        self._config, self._style = config, style
        self._compared = config.generator.shape().compared
        self._gates = {tag: gate_for(tag) for tag in (config.language, config.other_language)}
        self._whole, self._material = Pool(config.max_similarity), Pool(config.max_similarity)
        self._answers: list[list[str]] = []
        for seed in seeds:
            shown = seed.shown
            self.remember(seed.id, Item(shown["instruction"], str(shown["input"]), str(shown["output"])))

    def examine(self, item: Item, languages: Sequence[Sequence[str]]) -> Judgement:
        """Return the judgement of one item.

        Args:
            item: What was written.
            languages: Tags the instruction, and tags the output, may be in.
        """
        reason, note = self._form(item)
        if reason:
            return Judgement(reason, note=note)
        judgement = self._language(item, languages)
        if judgement.reason:
            return judgement
        if near := self._similar(item):
            return replace(judgement, reason="too similar", note=near)
        return judgement

    def _form(self, item: Item) -> tuple[str, str]:
        if reason := self._style.problem(item):
            return reason, ""
        if len(item.output) > self._config.max_answer_characters:
            return "answer too long", ""
        if len(item.question) > MAX_QUESTION_CHARACTERS:
            return "question too long", ""
        return chain_problem(item.output)

    def _language(self, item: Item, languages: Sequence[Sequence[str]]) -> Judgement:
        asked, verdict = self._first_right(item.instruction, None, languages[0])
        if verdict.outcome == "wrong":
            return Judgement("instruction in another language", told="wrong")
        given, verdict = self._first_right(item.output, (item.instruction, item.input), languages[1])
        if verdict.outcome == "wrong":
            return Judgement(f"answer: {verdict.reason}", told="wrong")
        flags = (UNKNOWN_LANGUAGE,) if verdict.outcome == "unknown" else ()
        return Judgement(flags=flags, languages=(asked, given), told=verdict.outcome)

    def _first_right(self, text: str, prompt: Sequence[str] | None, tags: Sequence[str]) -> tuple[str, Verdict]:
        """Return (tag, verdict) of the first tag that is right, else unknown, else the first one's wrong."""
        gates = [(tag, self._gates[tag]) for tag in tags]
        verdicts = [(tag, gate.language(text) if prompt is None else gate.answer(text, prompt)) for tag, gate in gates]
        return min(verdicts, key=lambda pair: OUTCOMES.index(pair[1].outcome))

    def _similar(self, item: Item) -> str:
        """Return `score to name` of what the item repeats, or "".

        With `two_channel` a row repeats another when wording and material are both alike, or when the material is and
        the answer is the same: neither a shared frame alone nor a new frame around an old task decides.
        """
        if self._compared != "two_channel":
            near = self._whole.nearest(self._text(item))
            return f"{near[0]:.3f} to {near[1]}" if near else ""
        material = dict(
            (place, score) for score, place in self._material.hits(material_of(item.instruction, item.input))
        )
        alike = [(score, place) for score, place in self._whole.hits(item.question) if place in material]
        answer = similarity_words(item.output)
        alike += [(score, place) for place, score in material.items() if self._answers[place] == answer]
        if not alike:
            return ""
        score, place = max(alike, key=lambda hit: (hit[0], -hit[1]))
        return f"{score:.3f} to {self._whole.names[place]}"

    def _text(self, item: Item) -> str:
        return item.instruction if self._compared == "instruction" else f"{item.instruction} {item.input}"

    def refuse_instruction(self, instruction: str) -> str:
        """Return why an instruction without instances is refused, or ""."""
        if self._gates[self._config.language].language(instruction).outcome == "wrong":
            return "instruction in another language"
        return "too similar" if self._whole.nearest(instruction) else ""

    def examine_answer(self, item: Item) -> Judgement:
        """Return the judgement of an instance whose instruction was accepted before."""
        reason, note = self._form(item)
        language = self._config.language
        return Judgement(reason, note=note) if reason else self._language(item, ((language,), (language,)))

    def remember(self, name: str, item: Item) -> None:
        """Let an accepted item count for the similarity of later ones."""
        if self._compared != "two_channel":
            self._whole.add(name, self._text(item))
            return
        self._whole.add(name, item.question)
        self._material.add(name, material_of(item.instruction, item.input))
        self._answers.append(similarity_words(item.output))
