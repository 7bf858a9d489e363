"""What a stage wants to know and what it gets: questions, replies, and the conversation between the two.

A question may take several requests: one that raises `max_tokens` after an answer was cut off, one that says what was
wrong with the form or the language. Every step follows from the answers before it alone, so a conversation that was
interrupted, or is read again from the ledger, takes the same steps. No network here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

from newtongue.adapters.llm.json_answer import read_json, violation
from newtongue.adapters.llm.requests import FREE, Body, Completion, Price, Reading, request_key
from newtongue.adapters.llm.wires import WIRES, service_body, service_code
from newtongue.core.errors import RecipeError
from newtongue.core.teacher import Teacher

State = Literal["answered", "rejected", "failed", "pending"]
REPAIRED: Final = "JSON repaired"
"""Flag of a reply whose JSON had to be mended."""
RAISED: Final = "max_tokens raised"
"""Flag of a reply that needed a second request with room for a longer answer."""
RAISE_FACTOR: Final = 2
"""By how much `max_tokens` grows, once, after an answer was cut off."""
PROMPTS: Final = files("newtongue") / "assets" / "prompts" / "engine.json"


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with an answer.

    Attributes:
        reason: A short stable phrase for verdicts (`answer: script`).
        directive: What the teacher is told when it is asked again, best in the language wanted; "" does not ask again.
    """

    reason: str
    directive: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a translation service is sent instead of messages.

    Attributes:
        text: What to translate.
        source: Tag of its language.
        target: Tag of the language wanted.
    """

    text: str
    source: str
    target: str


class Question(NamedTuple):
    """One thing to ask.

    Attributes:
        messages: `{"role", "content"}` with plain text, in order.
        id: The caller's name for the row; not part of what is asked.
        task: Task type, for routing and reports.
        language: Tag of the language wanted, for routing and the offline stand-in.
        seed: Sampling seed sent with it; None sends none.
        sample: Number of the sample, where the same question is asked several times.
        form: JSON schema of the answer; its value is then in `Reply.value`.
        max_tokens: Longest answer; None takes the teacher's.
        check: (text, value) -> what is wrong with an answer, None for nothing; a pure function.
        reasks: How often an answer that breaks `form` or `check` is asked for again.
        on_length: What to do with an answer that was cut off: `raise` asks once more with room for twice as much,
            `keep` takes it as it is, `fail` rejects it. After `raise`, one that is cut off again is rejected.
        rubric: What judges are to look at, added to their prompt.
        passage: What it comes down to, where it is a translation, for services that only translate.
    """

    messages: Sequence[Mapping[str, str]]
    id: str = ""
    task: str = ""
    language: str = ""
    seed: int | None = None
    sample: int = 0
    form: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    check: Callable[[str, Any], Objection | None] | None = None
    reasks: int = 1
    on_length: Literal["raise", "keep", "fail"] = "raise"
    rubric: str = ""
    passage: Passage | None = None


class Reply(NamedTuple):
    """The outcome of one question.

    Attributes:
        key: Key of the last request.
        completion: The last answer; None when there is none (`failed`, `pending`).
        why: Why it is not `answered`, a short phrase, the same in every run.
        detail: What the provider said to a refusal; may differ from run to run.
        state: `answered`; `rejected`: there is an answer and something is wrong with it; `failed`: there is none and
            the attempts are over; `pending`: the run stopped first.
        value: The JSON value, where a form was asked for.
        flags: What is doubtful about it (`JSON repaired`).
        teacher: Name of the teacher in the recipe.
        keys: Keys of all requests it took, judges' included; `Ledger.cost_of(reply.keys)` is what they cost.
        micro_usd: Price of the answers it took, as far as usage tells; retries and lost attempts not counted.
        scores: Per judge, its score in [0, 1], or None when it was unreadable.
    """

    key: str
    completion: Completion | None
    why: str = ""
    detail: str = ""
    state: State = "answered"
    value: Any = None
    flags: tuple[str, ...] = ()
    teacher: str = ""
    keys: tuple[str, ...] = ()
    micro_usd: int = 0
    scores: tuple[float | None, ...] = ()

    @property
    def text(self) -> str:
        """What the teacher wrote; "" when there is no answer."""
        return self.completion.text if self.completion else ""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who is asked: a teacher under its name, and what its answers cost.

    Attributes:
        name: Name in the recipe; "" for the only one.
        teacher: Its settings.
        price: What it charges.
        edition: Language tag -> edition of the offline stand-in's wordings; empty for others.
    """

    name: str
    teacher: Teacher
    price: Price = FREE
    edition: Callable[[str], str] | None = None
    _common: dict[str, Any] = field(init=False, repr=False, compare=False)
    _service: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note what all its requests have in common."""
        protocol, model = self.teacher.protocol, self.teacher.model
        object.__setattr__(self, "_common", {"model": model, "messages": [], **self.teacher.body()})
        object.__setattr__(self, "_service", "" if protocol == "chat" else f"{protocol}/{model}")

    def body(self, question: Question) -> dict[str, Any]:
        """Return the first request for a question."""
        if self._service:
            return self._service_body(question)
        body = {**self._common, "messages": list(question.messages)}
        if question.seed is not None and "seed" not in self.teacher.request:
            body["seed"] = question.seed
        if question.max_tokens is not None:
            body[_limit_name(body)] = question.max_tokens
        if question.form is not None and self.teacher.structured != "none":
            body["response_format"] = _response_format(question.form, self.teacher.structured)
        if self.edition and question.language:
            body["edition"] = self.edition(question.language)
        return body

    def key(self, question: Question, body: Body) -> str:
        """Return the key of a request to this teacher."""
        return request_key(body, teacher=self.name, sample=question.sample, service=self._service)

    def worst_case(self, body: Body) -> int:
        """Return the most a request can cost, micro-dollars."""
        return WIRES[self.teacher.protocol].worst_case(self.price, body)

    def price_of(self, body: Body, done: Completion) -> int:
        """Return what an answer cost in micro-dollars; the worst case when the provider tells no usage."""
        cost = WIRES[self.teacher.protocol].charge(self.price, body, done)
        return self.worst_case(body) if cost is None else cost

    def _service_body(self, question: Question) -> dict[str, Any]:
        teacher, passage = self.teacher, question.passage
        if passage is None:
            raise RecipeError(f"`protocol: {teacher.protocol}` only translates, and is asked for something else")
        source, target = (teacher.language_codes.get(t) or service_code(t) for t in (passage.source, passage.target))
        return service_body(teacher.protocol, passage.text, (source, target), teacher.request)


def converse(question: Question, voice: Voice) -> Generator[tuple[str, Body], Reading, Reply]:
    """Yield (key, request) and be sent what came of it, until there is a reply.

    The same steps follow from the same answers, whoever drives it: a live endpoint or the ledger.
    """
    body, asked_again, flags = voice.body(question), 0, ()
    keys: list[str] = []
    cost = 0
    while True:
        keys.append(voice.key(question, body))
        reading = yield keys[-1], body
        facts: dict[str, Any] = {"flags": flags, "teacher": voice.name, "keys": tuple(keys)}
        done = reading.completion if reading.verdict == "answer" else None
        if done is None:
            state: State = "pending" if reading.verdict == "stop" else "failed"
            return Reply(keys[-1], None, reading.why, reading.detail, state, micro_usd=cost, **facts)
        cost += voice.price_of(body, done)
        base = Reply(keys[-1], done, reading.why, reading.detail, micro_usd=cost, **facts)
        if done.finish_reason == "length" and question.on_length == "raise" and RAISED not in flags:
            body, flags = {**body, _limit_name(body): RAISE_FACTOR * body[_limit_name(body)]}, (*flags, RAISED)
            continue
        reply, objection = _examine(question, base)
        may_ask = asked_again < question.reasks and "messages" in body
        if objection and objection.directive and may_ask:
            asked_again += 1
            again = [{"role": "assistant", "content": done.text}, {"role": "user", "content": objection.directive}]
            body = {**body, "messages": [*body["messages"], *again]}
            continue
        return reply


def at_once(question: Question, voice: Voice, key: str, body: Body, done: Completion) -> Reply | None:
    """Return the reply `converse` would end with after a first answer that nobody has to look at, else None."""
    watched = question.form is not None or question.check is not None
    if watched or done.refusal or done.finish_reason in ("length", "content_filter"):
        return None
    return Reply(key, done, teacher=voice.name, keys=(key,), micro_usd=voice.price_of(body, done))


def _examine(question: Question, reply: Reply) -> tuple[Reply, Objection | None]:
    """Return the reply as it stands, and what is wrong with it."""
    done = reply.completion
    assert done
    if done.refusal or done.finish_reason == "content_filter":
        return reply._replace(state="rejected", why="refused by the model"), None
    cut_off = done.finish_reason == "length"
    if cut_off and question.on_length != "keep":
        return reply._replace(state="rejected", why="answer cut off"), None
    objection, value = None, None
    if question.form is not None:
        parsed = read_json(done.text, cut_off=cut_off)
        value = parsed.value
        problem = parsed.problem or violation(value, question.form)
        objection = Objection(f"form: {problem}", prompt("form").format(problem=problem)) if problem else None
        reply = reply._replace(value=value, flags=(*reply.flags, REPAIRED) if parsed.repaired else reply.flags)
    if objection is None and question.check:
        objection = question.check(done.text, value)
    if objection:
        return reply._replace(state="rejected", why=objection.reason), objection
    return reply, None


def prompt(name: str) -> str:
    """Return one of the engine's own prompts; they are data, not code."""
    return _prompts()[name]


@cache
def _prompts() -> dict[str, str]:
    return dict(json.loads(PROMPTS.read_text("utf-8")))


def _limit_name(body: Body) -> str:
    return "max_tokens" if "max_tokens" in body else "max_completion_tokens"


def _response_format(form: Mapping[str, Any], how: str) -> dict[str, Any]:
    if how == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(form)}}
