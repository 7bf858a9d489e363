"""Run a generator that works row by row: many chains side by side, judged in the order of their units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from newtongue.adapters.llm.questions import Question, Reply
from newtongue.core.rows import Conversation, Message, Preference
from newtongue.methods.arithmetic import chain_problem
from newtongue.methods.licences import combine_licences
from newtongue.methods.similarity import Pool
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.chain import Ask, Draft, Kit, Steps, Unit
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.judge import OUTCOMES, UNKNOWN_LANGUAGE, gate_for
from newtongue.stages.synth.loop import seed_of

CHAINS_PER_WINDOW: Final = 64
"""Units worked on side by side; part of what decides the result, because quotas fill in its order."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question on the way of a chain."""

    question: Question


@dataclass(slots=True)
class Link:
    """One chain under way.

    Attributes:
        unit: What it started from.
        steps: The generator's coroutine; None once it has ended.
        asks: What it waits for.
        drafts: What it ended with.
        models: Who answered.
        writer: Who wrote last, judges apart.
    """

    unit: Unit
    steps: Steps | None
    asks: Sequence[Ask] = ()
    drafts: Sequence[Draft] = ()
    models: list[str] = field(default_factory=list)
    writer: str = ""


class ChainWork:
    """State of one run; a pure function of config, units and answers."""

    def __init__(self, config: SynthConfig, units: Iterator[Unit], kit: Kit) -> None:
        """Start with nothing under way."""
        self._config, self._units, self._kit = config, units, kit
        self._gates = {tag: gate_for(tag) for tag in (config.language, config.other_language)}
        self._links: list[Link] = []
        self._pool = Pool(config.max_similarity)
        self._unique = getattr(config.generator, "UNIQUE", True)
        self.books = Books()

    def plan(self) -> list[Request]:
        """Return the questions every chain under way waits for; a new window when there is none."""
        while not any(link.asks for link in self._links):
            self._finish()
            if not self._start():
                return []
        asks = [(link, ask, number) for link in self._links for number, ask in enumerate(link.asks)]
        self.books.requests += len(asks)
        return [Request(self._question(link, ask, number)) for link, ask, number in asks]

    def take(self, requests: Sequence[Request], replies: Sequence[Reply]) -> None:
        """Hand the answers to their chains."""
        rest = iter(replies)
        for link in self._links:
            if link.asks:
                self._advance(link, list(islice(rest, len(link.asks))))
        self.books.check()

    def gaps(self) -> list[str]:
        """Return what was asked for and not reached, in words."""
        return [f"{self._config.generator.kind} {len(self.books.accepted)} of {self._config.rows}"]

    def _start(self) -> bool:
        """Begin the next window; False when there is enough, or nothing left."""
        most = self._config.max_requests
        if len(self.books.accepted) >= self._config.rows or (most and self.books.requests >= most):
            return False
        window = list(islice(self._units, CHAINS_PER_WINDOW))
        for unit in window:
            link = Link(unit, self._config.generator.steps(unit, self._kit))
            self._send(link, None)
            self._links.append(link)
        return bool(window)

    def _advance(self, link: Link, replies: Sequence[Reply]) -> None:
        """Send a chain its answers; a refused question ends it."""
        completions = [self.books.meet(reply, count=False) for reply in replies]
        link.models += [done.model for done in completions if done]
        if any(done is None for done in completions):
            self.books.refuse(next(reply for reply in replies if reply.state != "answered"))
            link.steps, link.asks, link.drafts = None, (), ()
            return
        wrote = [reply.teacher for ask, reply in zip(link.asks, replies, strict=True) if ask.role != "judge"]
        link.writer = self._config.asked()[wrote[-1]].model if wrote else link.writer
        self._send(link, [done.text for done in completions if done])

    def _send(self, link: Link, answers: Sequence[str] | None) -> None:
        assert link.steps
        try:
            link.asks = link.steps.send(answers)  # type: ignore[arg-type]
        except StopIteration as end:
            link.steps, link.asks, link.drafts = None, (), end.value

    def _finish(self) -> None:
        """Judge the drafts of a window, in the order of its units."""
        for link in self._links:
            for number, draft in enumerate(link.drafts):
                self._judge(link, draft, f"{self._name(link.unit)}-{number}")
        self._links = []

    def _judge(self, link: Link, draft: Draft, name: str) -> None:
        reason, note, flags = draft.reason, "", ()
        if not reason:
            reason, note, flags = self._checked(draft, name, link.writer)
        if not reason and len(self.books.accepted) >= self._config.rows:
            reason = "quota full"
        row = self._row(link.unit, draft, name, flags)
        if reason:
            turns = [{"role": turn.role, "content": turn.content} for turn in draft.turns]
            worse = {"worse": draft.worse.content} if draft.worse else {}
            self.books.reject(name, reason, {"messages": turns, **worse, "note": note}, row)
            return
        if self._unique:
            self._pool.add(name, draft.turns[0].content)
        facts = {"generator": self._config.generator.kind, "unit": link.unit.id, "group": link.unit.group}
        self.books.accept(row, {**facts, "models": sorted(set(link.models))})

    def _checked(self, draft: Draft, name: str, writer: str) -> tuple[str, str, tuple[str, ...]]:
        """Return (reason, note, flags) of a draft by language, length, sums and similarity."""
        answer = draft.turns[-1].content
        if not answer.strip() or not draft.turns[0].content.strip():
            return "empty instruction or output", "", ()
        if len(answer) > self._config.max_answer_characters:
            return "answer too long", "", ()
        if draft.sums and (wrong := chain_problem(answer))[0]:
            return wrong[0], wrong[1], ()
        told = self._language(draft)
        self.books.tell(writer, draft.task, "wrong" if told not in OUTCOMES else told)
        if told not in OUTCOMES:
            return told, "", ()
        near = self._pool.nearest(draft.turns[0].content) if self._unique else None
        if near:
            return "too similar", f"{near[0]:.3f} to {near[1]}", ()
        return "", "", (UNKNOWN_LANGUAGE,) if told == "unknown" else ()

    def _language(self, draft: Draft) -> str:
        """Return `right`, `unknown`, or why a turn is in another language than expected."""
        outcome, before = "right", ""
        for turn in [*draft.turns, *([draft.worse] if draft.worse else [])]:
            if turn.language:
                gate = self._gates[turn.language]
                if turn.role == "assistant":
                    verdict, echo = gate.answer(turn.content), turn.content.strip() == before.strip()
                else:
                    verdict, echo = gate.language(turn.content), False
                if echo or verdict.outcome == "wrong":
                    where = "answer" if turn.role == "assistant" else "instruction"
                    return f"{where}: {'echo' if echo else verdict.reason}"
                outcome = "unknown" if verdict.outcome == "unknown" else outcome
            before = turn.content
        return outcome

    def _row(self, unit: Unit, draft: Draft, name: str, flags: tuple[str, ...]) -> Conversation | Preference:
        said = tuple(Message(role=turn.role, content=turn.content) for turn in draft.turns)
        asked = [unit.license, *(teacher.license for teacher in self._config.asked().values())]
        facts: dict[str, Any] = {
            "id": name,
            "language": (draft.turns[-1].language if draft.turns else "") or self._config.language,
            "split": unit.split,
            "group": unit.group,
            "source": f"synth: {self._config.generator.kind}, {' or '.join(self._config.writers())}",
            "license": combine_licences(asked),
            "task": draft.task,
            "flags": flags,
        }
        if draft.worse:
            worse = Message(role="assistant", content=draft.worse.content)
            return Preference(prompt=said[:-1], chosen=said[-1], rejected=worse, **facts)
        return Conversation(messages=said, **facts)

    def _question(self, link: Link, ask: Ask, number: int) -> Question:
        return Question(
            messages=[{"role": "user", "content": ask.prompt}],
            id=f"{link.unit.id}/{number}",
            task=ask.role,
            language=ask.language,
            seed=seed_of(f"{self._config.seed}/{ask.role}/{ask.sample}"),
            sample=ask.sample,
        )

    def _name(self, unit: Unit) -> str:
        content = f"{self._config.generator.kind}/{unit.id}/{unit.question}/{unit.answer}"
        return blake2b(content.encode(), digest_size=8).hexdigest()
