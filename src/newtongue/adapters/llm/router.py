"""Who is asked which question, decided in windows, written down before anybody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from newtongue.adapters.llm.choice import Arm, choose, mean_score
from newtongue.adapters.llm.journal import Decision, decide, decisions
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Question, Reply
from newtongue.adapters.llm.requests import request_key
from newtongue.core.teacher import Routing

Cell = tuple[str, str]


class Router:
    """The routing of one stage: a pure function of the questions and of what came of earlier windows.

    A window is decided from the results of all windows before the last, so that the last may still be under way. A
    decision found in the ledger stands: prices may have changed since, the data set may not.

    Attributes:
        window: Questions decided together; 0 when nothing is learnt.
    """

    def __init__(self, routing: Routing, teachers: Sequence[str], ledger: Ledger, stage: str) -> None:
        """Route among `teachers`, in the recipe's order."""
        self._routing, self._teachers, self._ledger, self._stage = routing, list(teachers), ledger, stage
        self.window = routing.window if routing.mode == "learned" else 0
        self._arms: dict[Cell, dict[str, Arm]] = {}
        self._open: dict[int, dict[int, tuple[Cell, str, bool, int] | None]] = {}
        self._applied = 0

    def begin(self) -> None:
        """Begin to number questions anew; what came of all earlier ones is known by now."""
        for window in sorted(self._open):
            self._apply(self._open[window])
        self._open.clear()
        self._applied = 0

    def may_decide(self, first: int) -> bool:
        """Return whether everything is known that the window beginning with question `first` is decided from."""
        if not self.window:
            return True
        while self._applied < first // self.window - 1:
            results = self._open.get(self._applied)
            if results is None or None in results.values():
                return False
            self._apply(self._open.pop(self._applied))
        return True

    def decide(self, chunk: Sequence[tuple[int, Question]]) -> list[tuple[str, ...]]:
        """Return the teachers to ask, per question; with `learned` also written down."""
        own = self._routing.by_task
        if not self.window:
            wide = tuple(self._teachers[: self._routing.k if self._routing.mode == "best_of_k" else 1])
            return [(own[question.task],) if question.task in own else wide for _, question in chunk]
        items = [self._item(question) for _, question in chunk]
        standing = decisions(self._ledger, items)
        taken = {item: standing.get(item) or self._decide(item, q) for item, (_, q) in zip(items, chunk, strict=True)}
        decide(self._ledger, self._stage, (one for item, one in taken.items() if item not in standing))
        self._open[chunk[0][0] // self.window] = dict.fromkeys(number for number, _ in chunk)
        return [tuple(taken[item].teachers) for item in items]

    def learn(self, number: int, question: Question, reply: Reply, good: bool) -> None:
        """Note what came of a question; it counts once its window and all before it are complete."""
        if not self.window or reply.state == "pending":
            return
        scored = not reply.scores or mean_score(reply.scores) >= self._routing.min_score
        fine = reply.state == "answered" and good and scored
        self._open[number // self.window][number] = (_cell(question), reply.teacher, fine, reply.micro_usd)

    def _decide(self, item: str, question: Question) -> Decision:
        if question.task in self._routing.by_task:
            return Decision(item, [self._routing.by_task[question.task]], {"why": "task"})
        arms = self._arms_of(_cell(question))
        choice = choose(arms, Random(item), self._routing.explore_fraction, self._routing.max_share)
        return Decision(item, [choice.teacher], {"why": choice.why, "drawn": dict(choice.drawn)})

    def _apply(self, results: Mapping[int, tuple[Cell, str, bool, int] | None]) -> None:
        for result in results.values():
            if result:
                cell, teacher, good, micro_usd = result
                if teacher in self._teachers:
                    self._arms_of(cell)[teacher].record(good, micro_usd)
        self._applied += 1

    def _arms_of(self, cell: Cell) -> dict[str, Arm]:
        return self._arms.setdefault(cell, {name: Arm() for name in self._teachers})

    def _item(self, question: Question) -> str:
        """Return the identity of a decision: the question, and everything of the routing that decides."""
        routing = self._routing.model_dump(mode="json", exclude_defaults=True)
        body = {"messages": list(question.messages), "seed": question.seed, "routing": routing}
        return request_key(body, teachers=self._teachers, sample=question.sample, task=question.task)


def _cell(question: Question) -> Cell:
    return question.task, question.language
