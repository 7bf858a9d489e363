"""Several teachers and judges on one question: all are asked, the answers are graded, the best one is the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from newtongue.adapters.llm.choice import best
from newtongue.adapters.llm.judging import judge_question, read_grade
from newtongue.adapters.llm.lane import Lane
from newtongue.adapters.llm.questions import Question, Reply, Voice, converse
from newtongue.adapters.llm.recall import judges_of


class Panel:
    """Asks everybody on a question's route; every method runs in the event loop's thread."""

    def __init__(self, voices: Mapping[str, Voice], lanes: Mapping[str, Lane], judges: Sequence[str]) -> None:
        """Ask these voices, each through its lane; `judges` only grade, and never an answer of their own model."""
        self._voices, self._lanes, self._judges = voices, lanes, judges

    async def reply(self, question: Question, route: tuple[str, ...]) -> Reply:
        """Ask everybody on the route, have the answers judged, return the best."""
        if len(route) == 1 and not self._judges:
            return await self._talk(question, route[0])
        replies = list(await asyncio.gather(*(self._judged(question, name) for name in route)))
        if any(reply.state == "pending" for reply in replies):
            return next(reply for reply in replies if reply.state == "pending")
        ranks = [[*reply.scores] if reply.state == "answered" else [-1.0] for reply in replies]
        winner = replies[best(ranks)]
        keys = tuple(key for reply in replies for key in reply.keys)
        return winner._replace(keys=keys, micro_usd=sum(reply.micro_usd for reply in replies))

    async def _judged(self, question: Question, name: str) -> Reply:
        reply = await self._talk(question, name)
        if reply.state != "answered":
            return reply
        judges = judges_of(name, self._judges, self._voices)
        asked = judge_question(question, reply.text)
        grades = await asyncio.gather(*(self._talk(asked, judge) for judge in judges))
        if any(grade.state == "pending" for grade in grades):
            return reply._replace(state="pending", completion=None)
        return reply._replace(
            scores=tuple(read_grade(grade.text) for grade in grades),
            keys=(*reply.keys, *(key for grade in grades for key in grade.keys)),
        )

    async def _talk(self, question: Question, name: str) -> Reply:
        talk, lane = converse(question, self._voices[name]), self._lanes[name]
        key, body = next(talk)
        while True:
            try:
                key, body = talk.send(await lane.ask(key, body))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
