"""Ask any number of teachers any number of questions; the door of this package for stages.

    with open_teachers({"": config.teacher}, context.store, "translate") as teachers:
        for question, reply in teachers.stream(questions):      # lazily, in order, O(concurrency) memory
            if reply.state == "answered":
                ...reply.text, reply.value, reply.flags, reply.teacher, reply.keys...
            else:
                ...reply.state is rejected | failed, reply.why a short stable phrase...
        spent = teachers.cost_of(keys)                           # micro-dollars, all attempts

Questions are `questions.Question`: messages, and optionally a JSON schema (`form`), a pure `check` that may have the
teacher asked again, `seed`, `sample`, `task` and `language`. Equal questions are paid once, in all stages of a store
and in all runs; answers already paid for come from the ledger. The replies, and so whatever is made of them, are the
same for any concurrency, order of arrival and number of crashes. When the money is spent or a teacher cannot be used,
`stream` gives every reply it has and then raises; nothing paid is lost and the same call goes on later.

Several teachers: `{"cheap": Teacher, "good": Teacher}` and `Routing` (`fixed`, `best_of_k`, `learned`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from newtongue.adapters.llm.batches import Batches
from newtongue.adapters.llm.endpoints import endpoint_of
from newtongue.adapters.llm.journal import Tally
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.offline import edition, offline_teacher
from newtongue.adapters.llm.panel import Panel
from newtongue.adapters.llm.pool import TICK, WAIT, Pool, Signal
from newtongue.adapters.llm.questions import Question, Reply, Voice
from newtongue.adapters.llm.recall import recall
from newtongue.adapters.llm.requests import Price
from newtongue.adapters.llm.router import Router
from newtongue.adapters.llm.shards import Coordinator, line_of
from newtongue.core.errors import RecipeError
from newtongue.core.teacher import Routing, Sending, Teacher, answering_teachers, check_teachers

CHUNK: Final = 200
"""Questions looked up in the ledger together."""
LOOK_AHEAD: Final = 4096
"""Replies kept while an earlier one is still on its way."""
Good = Callable[[Question, Reply], bool]


@contextmanager
def open_teachers(
    teachers: Mapping[str, Teacher],
    store: Path,
    stage: str,
    *,
    routing: Routing | None = None,
    sending: Sending | None = None,
) -> Iterator[Teachers]:
    """Give teachers to ask for the time of the block; starts the offline stand-in where a teacher wants it.

    Args:
        teachers: Name -> settings, in the recipe's order; a single one may be called "".
        store: The store's folder, which holds the ledger.
        stage: Who pays.
        routing: Who is asked what; the first teacher for everything when left out.
        sending: How many at a time, how patiently.

    Raises:
        RecipeError: An address or key is missing, or the routing names nobody.
        ProviderError: The stand-in does not start.
    """
    routing, sending = routing or Routing(), sending or Sending()
    try:
        check_teachers(teachers, routing)
    except ValueError as error:
        raise RecipeError(str(error), place="routing") from None
    with ExitStack() as stack:
        offline = any(teacher.serve == "offline" for teacher in teachers.values())
        stand_in = stack.enter_context(offline_teacher()) if offline else ""
        endpoints = {name: endpoint_of(one, sending, stand_in) for name, one in teachers.items()}
        ledger = Ledger(store / "ledger.db")
        stack.callback(ledger.close)
        pool = stack.enter_context(Pool(endpoints, ledger, stage))
        voices = {name: _voice(name, one, endpoints[name].price) for name, one in teachers.items()}
        yield Teachers(voices, pool, ledger, stage=stage, how=(routing, sending))


class Teachers:
    """Teachers ready to be asked; made by `open_teachers`.

    Attributes:
        tally: What became of the questions of the last `stream`: in = answered + rejected + failed + pending.
    """

    def __init__(
        self, voices: Mapping[str, Voice], pool: Pool, ledger: Ledger, *, stage: str, how: tuple[Routing, Sending]
    ) -> None:
        """Ask these voices through this pool."""
        self._voices, self._pool, self._ledger, self._stage = voices, pool, ledger, stage
        self._routing, self._sending = how
        routing = self._routing
        answering = answering_teachers({name: voice.teacher for name, voice in voices.items()}, routing)
        self._router = Router(routing, answering, ledger, stage)

    def ask(self, questions: Iterable[Question]) -> list[Reply]:
        """Return one reply per question, in order; see `stream`."""
        return [reply for _, reply in self.stream(questions)]

    def stream(
        self, questions: Iterable[Question], good: Good = lambda _, reply: True
    ) -> Iterator[tuple[Question, Reply]]:
        """Yield (question, reply) in order; memory grows with the concurrency, not with the number of questions.

        Args:
            questions: Read lazily, in the calling thread.
            good: Whether an answered question counts as good; a pure function, for `learned` routing.

        Raises:
            BudgetExceeded: The next request does not fit under the cap. Comes after every reply there is.
            ProviderError: A teacher cannot be used, or kept failing. Comes after every reply there is.
        """
        batched = any(voice.teacher.batch_usd_fraction for voice in self._voices.values())
        if batched or self._sending.shards > 1:
            questions = list(questions)
            self._fill(questions)
        ready: dict[int, tuple[Question, Reply]] = {}
        self.tally = Tally(self._ledger, self._stage)
        self._turn = 0
        self._router.begin()
        panel = Panel(self._voices, self._pool.lanes, self._routing.judges)
        results = self._pool.run(self._todo(questions, ready), lambda one: panel.reply(one[1], one[2]))
        for item, reply in results:
            if item is not None and reply is not None:
                self._router.learn(item[0], item[1], reply, reply.state == "answered" and good(item[1], reply))
                ready[item[0]] = (item[1], reply)
            while self._turn in ready:
                question, reply = ready.pop(self._turn)
                self._turn += 1
                self.tally.take(question.id, reply)
                if reply.state != "pending":
                    yield question, reply
        for number in sorted(ready):
            question, reply = ready[number]
            self.tally.take(question.id, reply)
            if reply.state != "pending":
                yield question, reply
        self.tally.close()
        if self._pool.problem:
            raise self._pool.problem

    def cost_of(self, keys: Iterable[str]) -> int:
        """Return what all attempts at these requests cost together, each request once, in micro-dollars."""
        return self._ledger.cost_of(dict.fromkeys(keys))

    def left(self) -> int | None:
        """Return the micro-dollars left under the cap, in the whole store; None where nothing may cost anything."""
        cap = self._ledger.cap()
        return None if cap is None else cap - self._ledger.spent()

    def _fill(self, questions: list[Question]) -> None:
        """Have batch files or shards ask what the ledger does not know yet; `stream` then finds it there.

        Questions that go to several teachers or to judges are left to `stream`.
        """
        if self._router.window or self._routing.judges or self._routing.mode != "fixed":
            return
        numbered = list(enumerate(questions))
        routes = self._router.decide(numbered)
        known = self._recall(numbered, routes)
        for name, voice in self._voices.items():
            todo = [q for (n, q), route in zip(numbered, routes, strict=True) if n not in known and route == (name,)]
            if todo and voice.teacher.batch_usd_fraction:
                self._in_batches(name, voice, todo)
            elif todo and self._sending.shards > 1:
                self._in_shards(name, voice, todo)

    def _in_batches(self, name: str, voice: Voice, todo: list[Question]) -> None:
        price = voice.price.times(voice.teacher.batch_usd_fraction or 1.0)
        batches = Batches(self._pool.lanes[name].endpoint, price, self._ledger.path.parent, self._stage)
        bodies = ((question, voice.body(question)) for question in todo)
        batches.fill(list({voice.key(question, body): body for question, body in bodies}.items()))

    def _in_shards(self, name: str, voice: Voice, todo: list[Question]) -> None:
        worst = max(voice.worst_case(voice.body(question)) for question in todo)
        settings = {
            "teacher": voice.teacher.model_dump(mode="json"),
            "name": name,
            "sending": self._sending.model_copy(update={"shards": 1}).model_dump(mode="json"),
            "least_micro_usd": 2 * worst,
        }
        with closing(Coordinator(self._ledger.path.parent, self._stage, self._sending)) as coordinator:
            coordinator.fill(map(line_of, todo), settings)

    def _todo(
        self, questions: Iterable[Question], ready: dict[int, tuple[Question, Reply]]
    ) -> Iterator[tuple[int, Question, tuple[str, ...]] | Signal]:
        """Yield what has to be asked; put what is known already where it is wanted."""
        numbered = enumerate(questions)
        while chunk := list(islice(numbered, self._router.window or CHUNK)):
            while len(ready) > LOOK_AHEAD or not self._router.may_decide(chunk[0][0]):
                yield WAIT
            routes = self._router.decide(chunk)
            known = self._recall(chunk, routes)
            for (number, question), route in zip(chunk, routes, strict=True):
                reply = known.get(number)
                self.tally.received += 1
                if reply is None:
                    yield number, question, route
                else:
                    ready[number] = (question, reply)
            if known:
                yield TICK

    def _recall(self, chunk: list[tuple[int, Question]], routes: list[tuple[str, ...]]) -> dict[int, Reply]:
        """Return the replies the ledger alone can give, for questions that go to one teacher and no judge."""
        if self._routing.judges or self._router.window:
            return {}
        places = {name: lane.endpoint.name for name, lane in self._pool.lanes.items()}
        return recall(chunk, routes, self._voices, places, self._ledger)


def _voice(name: str, teacher: Teacher, price: Price) -> Voice:
    return Voice(name, teacher, price, edition if teacher.serve == "offline" else None)
