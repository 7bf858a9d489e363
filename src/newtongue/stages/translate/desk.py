"""Translate the texts of one window of rows: pieces out, checked pieces back, some of them there and back again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.llm.questions import Objection, Passage, Question, Reply
from newtongue.adapters.llm.teachers import Teachers
from newtongue.adapters.verifiers import read_verifier
from newtongue.core.teacher import Teacher
from newtongue.methods.chrf import chrf
from newtongue.methods.prompts import fill
from newtongue.methods.protection import protect, restore
from newtongue.methods.translation import cut, join, problem
from newtongue.methods.verified_gate import gate_of
from newtongue.stages.translate.config import BACK, JUDGE, TRANSLATION, TranslateConfig
from newtongue.stages.translate.neighbours import Neighbours
from newtongue.stages.translate.rows import Job
from newtongue.stages.translate.screen import screen_question, screened_out

_SCORE: Final = re.compile(r"\d{1,3}(?:\.\d+)?")


@dataclass(slots=True)
class Result:
    """What became of one row.

    Attributes:
        job: The row.
        texts: Its translations; None when there are none to be used.
        reason: Why it was refused, a short stable phrase, or "".
        note: More about it.
        chrf: Score of the way back, where it was gone.
        teachers: Names of those who translated it.
        keys: Keys of all requests it took, the way back and the judge's included.
    """

    job: Job
    texts: list[str] | None = None
    reason: str = ""
    note: str = ""
    chrf: float | None = None
    teachers: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Desk:
    """Asks the translator and counts.

    Attributes:
        config: Settings of the stage.
        teachers: Who is asked.
        texts: The stage's prompts by name.
        near: Rows the translations are held against.
        keys: Keys of all requests, each once.
        questions: Questions asked.
        stand_in: Whether the offline stand-in answered.
    """

    config: TranslateConfig
    teachers: Teachers
    texts: Mapping[str, str]
    near: Neighbours | None = None
    keys: dict[str, None] = field(default_factory=dict)
    questions: int = 0
    stand_in: bool = False

    def translate(self, jobs: Sequence[Job]) -> list[Result]:
        """Return what became of each row, in order."""
        config = self.config
        results = [Result(job) for job in jobs]
        self._screen(results)
        self._there([result for result in results if not result.reason], config.source, config.language, TRANSLATION)
        drawn = [result for result in results if result.texts is not None and self._is_drawn(result.job.id)]
        back = [Result(Job(result.job.id, result.texts or [], result.job.row)) for result in drawn]
        self._there(back, config.language, config.source, BACK)
        for result, returned in zip(drawn, back, strict=True):
            result.keys += returned.keys
            way_back = " ".join(returned.texts or [])
            result.chrf = chrf(way_back, " ".join(result.job.texts))
            if result.chrf < config.round_trip.min_chrf:
                _refuse(result, "lost on the way back", f"chrF {result.chrf:.1f}")
        self._judge([result for result in results if result.texts is not None])
        self._look_around([result for result in results if result.texts is not None])
        return results

    def _screen(self, results: Sequence[Result]) -> None:
        """Refuse what is bound to a culture, before anything is translated."""
        config = self.config
        if not config.screen:
            return
        questions = [screen_question("\n".join(r.job.texts), self.texts["screen"], config.seed) for r in results]
        for result, reply in zip(results, self._ask(questions), strict=True):
            result.keys += reply.keys
            reason, note = screened_out(reply, config.screen.max_score)
            if reason:
                _refuse(result, reason, note)

    def translators(self, result: Result) -> list[Teacher]:
        """Return who translated a row, in the recipe's order; whom the recipe names first for a row without text."""
        asked = self.config.asked()
        return [one for name, one in asked.items() if name in result.teachers] or [self.config.teacher]

    def _there(self, results: Sequence[Result], source: str, target: str, task: str) -> None:
        """Fill in the translations of every result, or the reason why there are none."""
        marks = load_card(source).sentence_marks
        parts = [
            [cut(text, self.config.unit, self.config.max_piece_characters, marks) for text in result.job.texts]
            for result in results
        ]
        sent = [p.text for texts in parts for pieces in texts for p in pieces if not p.kept]
        replies = iter(self._ask([self._question(text, source, target, task) for text in sent]))
        for result, texts in zip(results, parts, strict=True):
            done = [self._joined(pieces, replies, result) for pieces in texts]
            result.texts = None if result.reason else done

    def _joined(self, pieces: Sequence[Any], replies: Iterator[Reply], result: Result) -> str:
        wanted = [piece for piece in pieces if not piece.kept]
        answers = list(islice(replies, len(wanted)))
        for piece, reply in zip(wanted, answers, strict=True):
            result.teachers.add(reply.teacher)
            result.keys += reply.keys
            if result.reason:
                continue
            if reply.state != "answered":
                _refuse(result, reply.why if reply.state == "rejected" else f"refused: {reply.why}", piece.text[:200])
        if result.reason:
            return ""
        texts = [_restored(p.text, reply.text) or "" for p, reply in zip(wanted, answers, strict=True)]
        return join(pieces, texts)

    def _question(self, text: str, source: str, target: str, task: str) -> Question:
        config, texts = self.config, self.texts
        names = {"source": _name(source, config), "target": _name(target, config)}
        marked, _ = protect(text)
        if config.template:
            prompt = config.template.replace("{text}", marked)
        else:
            prompt = fill(texts["document"], {**names, "text": marked})
        return Question(
            messages=[{"role": "user", "content": prompt}],
            passage=Passage(marked, source, target),
            task=task,
            language=target,
            seed=_seed(config.seed, text),
            check=partial(self._objection, text, target, "" if config.template else texts["again"], names),
            reasks=0 if config.template else config.checks.reasks,
        )

    def _objection(self, text: str, target: str, again: str, names: dict[str, str], *said: Any) -> Objection | None:
        """Return what is wrong with a translated piece; pure."""
        checks, answer = self.config.checks, _restored(text, said[0])
        reason = "protected parts changed"
        if answer is not None:
            reason = problem(text, answer, checks.min_length_fraction, checks.max_length_fraction)
        if not reason and checks.language and answer:
            card = load_card(target)
            neighbours = [load_card(tag) for tag in card.confusables]
            gate = gate_of(card, neighbours, identify, read_verifier(target))
            verdict = gate.language(protect(answer)[0])
            reason = f"translation: {verdict.reason}" if verdict.outcome == "wrong" else ""
        return Objection(reason, fill(again, {**names, "reason": reason})) if reason else None

    def _judge(self, results: Sequence[Result]) -> None:
        """Refuse what the judge of quality scores too low."""
        config, texts = self.config, self.texts
        if not config.quality:
            return
        names = {"source": _name(config.source, config), "target": _name(config.language, config)}
        prompts = [
            fill(texts["quality"], {**names, "text": "\n".join(r.job.texts), "translation": "\n".join(r.texts or [])})
            for r in results
        ]
        questions = [Question([{"role": "user", "content": text}], task=JUDGE, seed=config.seed) for text in prompts]
        for result, reply in zip(results, self._ask(questions), strict=True):
            result.keys += reply.keys
            found = _SCORE.search(reply.text)
            score = float(found[0]) if found else 0.0
            if score < config.quality.min_score:
                _refuse(result, "quality too low", f"score {score:g}")

    def _look_around(self, results: Sequence[Result]) -> None:
        """Note rows that stand in other data already; refuse them where that is wanted."""
        for result in results if self.near and self.config.near else ():
            found = self.near.look(result.job.id, result.texts or [])
            if found and self.config.near.drop:
                _refuse(result, "stands in other data", found)

    def _ask(self, questions: Sequence[Question]) -> list[Reply]:
        replies = self.teachers.ask(questions)
        self.questions += len(replies)
        for reply in replies:
            self.keys |= dict.fromkeys(reply.keys)
            self.stand_in |= bool(reply.completion and reply.completion.stand_in)
        return replies

    def _is_drawn(self, name: str) -> bool:
        return _seed(self.config.seed, f"back/{name}") < self.config.round_trip.fraction * 2**31


def _restored(source: str, answer: str) -> str | None:
    """Return a translation with its protected parts back, and the white space around it as in the source."""
    inner = restore(answer.strip(), protect(source)[1])
    if inner is None:
        return None
    return source[: len(source) - len(source.lstrip())] + inner + source[len(source.rstrip()) :]


def _refuse(result: Result, reason: str, note: str) -> None:
    result.texts, result.reason, result.note = None, reason, note


def _name(tag: str, config: TranslateConfig) -> str:
    card = load_card(tag)
    return (card.autonym if config.prompt_language == "target" else "") or card.name


def _seed(seed: int, text: str) -> int:
    return int.from_bytes(blake2b(f"{seed}/{text}".encode(), digest_size=4).digest(), "big") >> 1
