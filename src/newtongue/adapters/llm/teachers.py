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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from newtongue.adapters.llm.recall import Missing, missing, recall
from newtongue.adapters.llm.requests import Body, Price
from newtongue.adapters.llm.router import Router
from newtongue.adapters.llm.shards import Coordinator, bring_home, check_sending
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
        RecipeError: An address or key is missing, the routing names nobody, or the shards cannot be.
        ProviderError: The stand-in does not start.
    """
    routing, sending = routing or Routing(), sending or Sending()
    try:
        check_teachers(teachers, routing)
    except ValueError as error:
        raise RecipeError(str(error), place="routing") from None
    check_sending(sending)
    with ExitStack() as stack:
        offline = any(teacher.serve == "offline" for teacher in teachers.values())
        stand_in = stack.enter_context(offline_teacher()) if offline else ""
        endpoints = {name: endpoint_of(one, sending, stand_in) for name, one in teachers.items()}
        ledger = Ledger(store / "ledger.db")
        stack.callback(ledger.close)
        bring_home(ledger, stage)
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
        if self._shared and not self._router.window:
            questions = list(questions)
            self._fill(questions, self._router.decide(list(enumerate(questions))))
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

    def send(self, requests: Iterable[Missing]) -> None:
        """Have requests answered as they stand; the answers, and refusals for good, are then in the ledger.

        Raises:
            BudgetExceeded: The next request does not fit under the cap.
            ProviderError: A teacher cannot be used, or kept failing.
        """
        for _ in self._pool.run(requests, lambda one: self._pool.lanes[one.teacher].ask(one.key, one.body)):
            pass
        if self._pool.problem:
            raise self._pool.problem

    @property
    def _shared(self) -> bool:
        """Whether batch files or shards ask."""
        return self._sending.shards > 1 or any(voice.teacher.batch_usd_fraction for voice in self._voices.values())

    def _fill(self, questions: Sequence[Question], routes: Sequence[tuple[str, ...]]) -> None:
        """Have batch files or shards ask what the ledger does not know yet, judges too; `stream` then finds it there.

        What follows from an answer (a grade, another try) is asked in the next pass. What was tried without success
        is left to `stream`.
        """
        asked = list(zip(questions, routes, strict=True))
        tried: set[str] = set()
        while True:
            found = missing(asked, self._voices, self._routing.judges, self._places(), self._ledger)
            todo = [one for one in found if one.key not in tried]
            if not self._hand_out(todo):
                return
            tried |= {one.key for one in todo}

    def _hand_out(self, todo: Sequence[Missing]) -> bool:
        """Give requests to batch files or shards; False when there are none for them."""
        batched = [one for one in todo if self._voices[one.teacher].teacher.batch_usd_fraction]
        for name in dict.fromkeys(one.teacher for one in batched):
            self._in_batches(name, [(one.key, one.body) for one in batched if one.teacher == name])
        rest = [one for one in todo if not self._voices[one.teacher].teacher.batch_usd_fraction]
        if rest and self._sending.shards > 1:
            self._in_shards(rest)
        return bool(batched or (rest and self._sending.shards > 1))

    def _in_batches(self, name: str, todo: Sequence[tuple[str, Body]]) -> None:
        voice = self._voices[name]
        price = voice.price.times(voice.teacher.batch_usd_fraction or 1.0)
        Batches(self._pool.lanes[name].endpoint, price, self._ledger.path.parent, self._stage).fill(todo)

    def _in_shards(self, todo: Sequence[Missing]) -> None:
        worst = max(self._voices[one.teacher].worst_case(one.body) for one in todo)
        names = sorted({one.teacher for one in todo})
        settings = {
            "teachers": {name: self._voices[name].teacher.model_dump(mode="json") for name in names},
            "sending": self._sending.model_copy(update={"shards": 1, "ray": False}).model_dump(mode="json"),
            "least_micro_usd": 2 * worst,
        }
        with closing(Coordinator(self._ledger.path.parent, self._stage, self._sending)) as coordinator:
            coordinator.fill(todo, settings)

    def _todo(
        self, questions: Iterable[Question], ready: dict[int, tuple[Question, Reply]]
    ) -> Iterator[tuple[int, Question, tuple[str, ...]] | Signal]:
        """Yield what has to be asked; put what is known already where it is wanted."""
        numbered = enumerate(questions)
        while chunk := list(islice(numbered, self._router.window or CHUNK)):
            while len(ready) > LOOK_AHEAD or not self._router.may_decide(chunk[0][0]):
                yield WAIT
            routes = self._router.decide(chunk)
            if self._shared and self._router.window:
                self._fill([question for _, question in chunk], routes)
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
        single = [(number, question, route[0]) for (number, question), route in zip(chunk, routes, strict=True)
                  if len(route) == 1]  # fmt: skip
        found = recall([(question, name) for _, question, name in single], self._voices, self._places(), self._ledger)
        return {n: one for (n, _, _), one in zip(single, found, strict=True) if isinstance(one, Reply)}

    def _places(self) -> dict[str, str]:
        return {name: lane.endpoint.name for name, lane in self._pool.lanes.items()}


def _voice(name: str, teacher: Teacher, price: Price) -> Voice:
    return Voice(name, teacher, price, edition if teacher.serve == "offline" else None)
