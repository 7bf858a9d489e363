"""What the ledger alone can say: replies whose answers were paid for in any earlier run, and what is still to be asked.

Conversations are driven by the answers there are. Where one is missing, the request that waits for it is named, so that
somebody else can ask it: a batch file, a shard.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import NamedTuple

from newtongue.adapters.llm.judging import judge_question
from newtongue.adapters.llm.lane import remembered
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Question, Reply, Voice, at_once, converse
from newtongue.adapters.llm.records import Answer
from newtongue.adapters.llm.requests import Body, Reading
from newtongue.adapters.llm.wires import WIRES, Wire

Talk = Generator[tuple[str, Body], Reading, Reply]


class Missing(NamedTuple):
    """A request that the ledger has no last word on.

    Attributes:
        teacher: Name of the one to ask.
        key: The request's key.
        body: What is sent.
    """

    teacher: str
    key: str
    body: Body


def recall(
    asked: Sequence[tuple[Question, str]], voices: Mapping[str, Voice], places: Mapping[str, str], ledger: Ledger
) -> list[Reply | Missing]:
    """Return, for each question and the one it goes to, the reply that is known, or the next request it takes.

    Args:
        asked: Questions with the names of their teachers; looked up together.
        voices: Teachers by name.
        places: Teacher -> name of its endpoint, whose refusals are final.
        ledger: The store's.
    """
    found: list[Reply | Missing | None] = [None] * len(asked)
    for name in dict.fromkeys(teacher for _, teacher in asked):
        voice, wire = voices[name], WIRES[voices[name].teacher.protocol]
        own = [(place, q, voice.body(q)) for place, (q, teacher) in enumerate(asked) if teacher == name]
        keys = [voice.key(question, body) for _, question, body in own]
        answers = ledger.answers(keys, places[name])
        for (place, question, body), key in zip(own, keys, strict=True):
            answer = answers.get(key)
            if answer is None:
                found[place] = Missing(name, key, body)
                continue
            done = None if answer.refusal else wire.completion(answer.body)
            reply = at_once(question, voice, key, body, done) if done else None
            found[place] = reply or _replay(question, voice, answers, ledger, wire)
    return [one for one in found if one is not None]


def missing(
    asked: Iterable[tuple[Question, tuple[str, ...]]],
    voices: Mapping[str, Voice],
    judges: Sequence[str],
    places: Mapping[str, str],
    ledger: Ledger,
) -> list[Missing]:
    """Return the requests that can be sent now, each once: first ones, those that follow an answer, and judges'.

    Args:
        asked: Questions with everybody they go to.
        voices: Teachers and judges by name.
        judges: Names of those who grade every answer that is none of their own model's.
        places: Teacher -> name of its endpoint.
        ledger: The store's.
    """
    each = [(question, name) for question, route in asked for name in route]
    said = recall(each, voices, places, ledger)
    graded = [
        (judge_question(question, reply.text), judge)
        for (question, name), reply in zip(each, said, strict=True)
        if isinstance(reply, Reply) and reply.state == "answered"
        for judge in judges_of(name, judges, voices)
    ]
    waiting = [one for one in (*said, *recall(graded, voices, places, ledger)) if isinstance(one, Missing)]
    return list({one.key: one for one in waiting}.values())


def judges_of(name: str, judges: Sequence[str], voices: Mapping[str, Voice]) -> list[str]:
    """Return who grades a teacher's answers: never another voice of its own model."""
    return [judge for judge in judges if voices[judge].teacher.model != voices[name].teacher.model]


def _replay(
    question: Question, voice: Voice, found: Mapping[str, Answer], ledger: Ledger, wire: Wire
) -> Reply | Missing:
    """Drive a conversation from the ledger as far as it goes."""
    talk: Talk = converse(question, voice)
    key, body = next(talk)
    while True:
        answer = found.get(key) or ledger.answer(key)
        if answer is None:
            talk.close()
            return Missing(voice.name, key, body)
        try:
            key, body = talk.send(remembered(answer, wire))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
