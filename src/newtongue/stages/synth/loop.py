"""`self_instruct`: which requests come next, and what became of every row that came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import product
from random import Random
from typing import Any

from newtongue.adapters.llm.questions import Question, Reply
from newtongue.core.rows import Conversation, Message
from newtongue.core.teacher import Teacher
from newtongue.methods.licences import combine_licences
from newtongue.methods.rounds import REQUESTS_PER_ROUND, Cell, draw, largest_remainder, make_cells, plan_round
from newtongue.methods.self_instruct import Ask, Item
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.judge import Judge, Judgement
from newtongue.stages.synth.material import Grounding, Material, Seed
from newtongue.stages.synth.styles import style_of


@dataclass(frozen=True, slots=True)
class Request:
    """One planned request.

    Attributes:
        cell: Task type and side it is for.
        question: What is asked.
        seeds: Seeds it shows.
        grounding: Document it carries, if any.
        pool: Names of the rows of earlier rounds it shows.
    """

    cell: Cell
    question: Question
    seeds: Sequence[Seed] = ()
    grounding: Grounding | None = None
    pool: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Pooled:
    """One accepted row as later prompts show it."""

    name: str
    task: str
    shown: Mapping[str, Any] = field(hash=False, default_factory=dict)


class Loop:
    """State of one run; a pure function of config, material and answers."""

    def __init__(self, config: SynthConfig, material: Material, language: str, texts: Mapping[str, Any]) -> None:
        """Start with empty quotas.

        Args:
            config: Settings of the stage.
            material: Seeds and documents.
            language: Name of the language, for prompts.
            texts: Prompts of the mode.
        """
        self._config, self._material, self._language = config, material, language
        weights = config.tasks or dict.fromkeys(material.tasks, 1.0)
        heldout = {task: config.heldout_fraction for task, split in material.seeds if split == "heldout"}
        self.cells = make_cells(weights, config.rows, heldout)
        self._shape = config.generator.shape()
        self._style = style_of(config.generator.mode, texts)
        self._structured = config.generator.mode == "structured"
        self._judge = Judge(config, (seed for seeds in material.seeds.values() for seed in seeds), self._style)
        self._pool: dict[str, list[Pooled]] = {"train": [], "heldout": []}
        self._directions: dict[int, Counter[tuple[str, str]]] = {id(cell): Counter() for cell in self.cells}
        self._grounded = 0
        self.books = Books()

    def plan(self) -> list[Request]:
        """Return the requests of the next round; empty when the quotas are full or nothing more can be done."""
        config, shape = self._config, self._shape
        left = (config.max_requests or 3 * config.rows) - self.books.requests
        most = REQUESTS_PER_ROUND if self._structured else shape.requests_per_round * len(self.cells)
        tasks = config.prompt.tasks if self._structured else shape.tasks
        requests = [self._request(cell, number) for cell, number in plan_round(self.cells, tasks, left, most)]
        self.books.requests += len(requests)
        return requests

    def take(self, requests: Sequence[Request], replies: Sequence[Reply]) -> None:
        """Judge the answers of a round, in request order."""
        for request, reply in zip(requests, replies, strict=True):
            before = request.cell.accepted
            self._take_one(request, reply)
            request.cell.barren = 0 if request.cell.accepted > before else request.cell.barren + 1
        self.books.check()

    def gaps(self) -> list[str]:
        """Return what was asked for and not reached, in words."""
        short = (cell for cell in self.cells if cell.accepted < cell.quota)
        return [f"{cell.task} ({cell.split}) {cell.accepted} of {cell.quota}" for cell in short]

    def _request(self, cell: Cell, number: int) -> Request:
        """Make one request; a pure function of the config's seed, the cell and the number within it."""
        config, name = self._config, f"{self._config.seed}/{cell.task}/{cell.split}/{number}"
        shown = config.prompt.exemplars if self._structured else self._shape.seeds
        seeds = draw(self._material.seeds[cell.task, cell.split], shown, name)
        grounding = self._next_document(cell, number)
        pool: list[Pooled] = [] if self._structured else self._drawn(cell, name)
        exemplars = [seed.shown for seed in seeds] + [row.shown for row in pool]
        if not self._structured:
            Random(f"{name}/order").shuffle(exemplars)
        ask = Ask(
            task=cell.task,
            language=self._language,
            tag=config.language,
            count=config.prompt.tasks if self._structured else self._shape.tasks,
            max_characters=config.max_answer_characters,
            exemplars=exemplars,
            written=self._written(cell, name) if self._structured else (),
            texts=grounding.texts if grounding else (),
        )
        question = Question(
            messages=self._style.messages(ask),
            id=name,
            task=cell.task,
            language=config.language,
            seed=seed_of(name),
            on_length="keep",
        )
        return Request(cell, question, seeds, grounding, [row.name for row in pool])

    def _written(self, cell: Cell, name: str) -> list[str]:
        """Return instructions of earlier rounds for the same cell, to be avoided."""
        own = [str(row.shown["instruction"]) for row in self._pool[cell.split] if row.task == cell.task]
        return draw(own, self._config.prompt.already_written, name)

    def _drawn(self, cell: Cell, name: str) -> list[Pooled]:
        """Return rows of earlier rounds to show among the seeds; the two sides never show each other's."""
        scope = self._config.generator.pool_scope
        open_rows = [row for row in self._pool[cell.split] if scope == "global" or row.task == cell.task]
        return draw(open_rows, self._shape.pool, f"{name}/pool")

    def _next_document(self, cell: Cell, number: int) -> Grounding | None:
        """Return the document of a request: every other one of the training side carries one."""
        pairs = self._material.pairs if cell.task == "translation" else []
        documents = pairs or self._material.documents
        grounded = cell.split == "train" and cell.task in self._config.prompt.grounded and number % 2 == 0
        if not documents or not grounded or not self._structured:
            return None
        self._grounded += 1
        return documents[(self._grounded - 1) % len(documents)]

    def _take_one(self, request: Request, reply: Reply) -> None:
        done = self.books.meet(reply)
        if done is None:
            return
        teacher = self._config.asked()[reply.teacher]
        for place, item in enumerate(self._style.items(done.text, cut_off=done.finish_reason == "length")):
            name = f"{reply.key[:16]}-{place}"
            judgement = self._judgement(request.cell, item, name, teacher.model)
            row = self._row(request, item, name, judgement, teacher=teacher)
            if judgement.reason:
                self.books.reject(name, judgement.reason, _content(item, judgement), None if item.problem else row)
            else:
                self._accept(request, item, judgement, row, teacher=teacher)

    def _judgement(self, cell: Cell, item: Item, name: str, teacher: str) -> Judgement:
        if cell.accepted >= cell.quota:
            return Judgement("quota full")
        config = self._config
        free = cell.task == "translation" and config.generator.mode == "alif"
        tags = (config.language, config.other_language) if free else (config.language,)
        judgement = self._judge.examine(item, (tags, tags))
        if judgement.told:
            self.books.tell(teacher, cell.task, judgement.told)
        if not judgement.reason and free and self._is_full(cell, judgement.languages):
            return Judgement("direction full")
        if not judgement.reason:
            self._judge.remember(name, item)
        return judgement

    def _is_full(self, cell: Cell, direction: tuple[str, str]) -> bool:
        """Return whether a translation's (language of the instruction, of the answer) has its quarter of the quota."""
        tags = (self._config.language, self._config.other_language)
        quota = largest_remainder({"\n".join(pair): 1.0 for pair in product(tags, tags)}, cell.quota)
        return self._directions[id(cell)][direction] >= quota["\n".join(direction)]

    def _row(self, request: Request, item: Item, name: str, judgement: Judgement, *, teacher: Teacher) -> Conversation:
        cell, grounding = request.cell, request.grounding
        licences = [teacher.license, *(seed.license for seed in request.seeds)]
        content = blake2b(f"{item.question}\n{item.output}".encode(), digest_size=16).hexdigest()
        return Conversation(
            id=name,
            messages=(Message(role="user", content=item.question), Message(role="assistant", content=item.output)),
            language=judgement.languages[1] or self._config.language,
            split=cell.split,
            group=grounding.group if grounding else content,
            source=f"synth: {teacher.model}",
            license=combine_licences([*licences, *([grounding.license] if grounding else [])]),
            task=cell.task,
            flags=judgement.flags,
        )

    def _accept(
        self, request: Request, item: Item, judgement: Judgement, row: Conversation, *, teacher: Teacher
    ) -> None:
        cell, grounding = request.cell, request.grounding
        cell.accepted += 1
        self._directions[id(cell)][judgement.languages] += 1
        shown = {"instruction": item.instruction, "input": item.input, "output": item.output}
        self._pool[cell.split].append(Pooled(row.id, cell.task, shown))
        facts: dict[str, Any] = {"generator": f"self_instruct: {self._config.generator.mode}"}
        facts |= {"teacher": teacher.model, "seeds": [seed.id for seed in request.seeds]}
        facts |= {"pool": list(request.pool), "document": grounding.group if grounding else ""}
        self.books.accept(row, facts)


def seed_of(name: str) -> int:
    """Return the sampling seed of a question; `name` says what it is for, so that each has its own."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") >> 1


def _content(item: Item, judgement: Judgement) -> dict[str, str]:
    return {"instruction": item.instruction, "input": item.input, "output": item.output, "note": judgement.note}
