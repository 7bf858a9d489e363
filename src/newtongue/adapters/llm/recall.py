"""Replies the ledger alone can give: conversations driven by answers that were paid for in any earlier run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from newtongue.adapters.llm.lane import remembered
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Question, Reply, Voice, at_once, converse
from newtongue.adapters.llm.records import Answer
from newtongue.adapters.llm.requests import Body, Reading
from newtongue.adapters.llm.wires import WIRES, Wire

Talk = Generator[tuple[str, Body], Reading, Reply]


def recall(
    chunk: Sequence[tuple[int, Question]],
    routes: Sequence[tuple[str, ...]],
    voices: Mapping[str, Voice],
    places: Mapping[str, str],
    ledger: Ledger,
) -> dict[int, Reply]:
    """Return the replies that are known, by the question's number; questions that go to several teachers are left out.

    Args:
        chunk: Numbered questions; looked up together.
        routes: The teachers each goes to.
        voices: Teachers by name.
        places: Teacher -> name of its endpoint, whose refusals are final.
        ledger: The store's.
    """
    known: dict[int, Reply] = {}
    for name in {route[0] for route in routes if len(route) == 1}:
        voice, wire = voices[name], WIRES[voices[name].teacher.protocol]
        own = [(n, q, voice.body(q)) for (n, q), route in zip(chunk, routes, strict=True) if route == (name,)]
        keys = [voice.key(question, body) for _, question, body in own]
        found = ledger.answers(keys, places[name])
        for (number, question, body), key in zip(own, keys, strict=True):
            answer = found.get(key)
            if answer is None:
                continue
            done = None if answer.refusal else wire.completion(answer.body)
            reply = at_once(question, voice, key, body, done) if done else None
            reply = reply or _replay(converse(question, voice), found, ledger, wire)
            if reply is not None:
                known[number] = reply
    return known


def _replay(talk: Talk, found: Mapping[str, Answer], ledger: Ledger, wire: Wire) -> Reply | None:
    """Drive a conversation from the ledger; None when it lacks an answer."""
    key, _ = next(talk)
    while True:
        answer = found.get(key) or ledger.answer(key)
        if answer is None:
            talk.close()
            return None
        try:
            key, _ = talk.send(remembered(answer, wire))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
