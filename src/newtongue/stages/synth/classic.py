"""`self_instruct` in `mode: self_instruct`: instructions first, then their kind, then their instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

from newtongue.adapters.llm.questions import Question, Reply
from newtongue.core.rows import Conversation, Message
from newtongue.core.teacher import Teacher
from newtongue.methods.instances import (
    MAX_INSTANCES,
    list_tasks,
    parse_input_first,
    parse_list,
    parse_output_first,
    sift_instances,
)
from newtongue.methods.licences import combine_licences
from newtongue.methods.prompts import fill
from newtongue.methods.rounds import Cell, draw, make_cells, plan_round
from newtongue.methods.self_instruct import Item
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.judge import Judge
from newtongue.stages.synth.loop import seed_of
from newtongue.stages.synth.material import MIXED, Material, Seed
from newtongue.stages.synth.styles import Plain, instruction_filter


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted instruction on its way to instances."""

    cell: Cell
    name: str
    instruction: str
    seeds: Sequence[Seed]
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One planned question: for a cell's next instructions, or about one instruction."""

    question: Question
    cell: Cell
    seeds: Sequence[Seed] = ()
    task: Task | None = None


class ClassicWork:
    """State of one run; a pure function of config, seeds and answers."""

    def __init__(self, config: SynthConfig, material: Material, language: str, texts: Mapping[str, Any]) -> None:
        """Start with empty quotas."""
        self._config, self._material, self._language, self._texts = config, material, language, texts
        heldout = {MIXED: config.heldout_fraction} if (MIXED, "heldout") in material.seeds else {}
        self.cells = make_cells({MIXED: 1.0}, config.rows, heldout)
        self._shape = config.generator.shape()
        self._filter = instruction_filter(texts, min_words=4)
        seeds = (seed for some in material.seeds.values() for seed in some)
        self._judge = Judge(config, seeds, Plain())
        self._pool: dict[str, list[str]] = {"train": [], "heldout": []}
        self._tasks: list[Task] = []
        self._phase = "instructions"
        self.books = Books()

    def plan(self) -> list[Request]:
        """Return the questions of the next phase: instructions, then their kind, then instances, and again."""
        if self._phase == "instructions" or not self._tasks:
            self._phase = "instructions"
            left = (self._config.max_requests or 3 * self._config.rows) - self.books.requests
            most = self._shape.requests_per_round * len(self.cells)
            requests = [self._wish(cell, n) for cell, n in plan_round(self.cells, self._shape.tasks, left, most)]
        elif self._phase == "kind":
            requests = [self._about(task, "classify", max_tokens=16) for task in self._tasks]
        else:
            requests = [self._about(task, "output_first" if task.labels else "input_first") for task in self._tasks]
        self.books.requests += len(requests)
        return requests

    def take(self, requests: Sequence[Request], replies: Sequence[Reply]) -> None:
        """Read the answers of a phase, in request order."""
        pairs = list(zip(requests, replies, strict=True))
        if self._phase == "instructions":
            self._tasks = [task for request, reply in pairs for task in self._instructions(request, reply)]
            self._phase = "kind"
        elif self._phase == "kind":
            self._tasks = [task for request, reply in pairs if (task := self._kind(request, reply))]
            self._phase = "instances"
        else:
            for request, reply in pairs:
                self._instances(request, reply)
            self._tasks, self._phase = [], "instructions"
        self.books.check()

    def gaps(self) -> list[str]:
        """Return what was asked for and not reached, in words."""
        return [f"{cell.split} {cell.accepted} of {cell.quota}" for cell in self.cells if cell.accepted < cell.quota]

    def _wish(self, cell: Cell, number: int) -> Request:
        name = f"{self._config.seed}/{cell.split}/{number}"
        seeds = draw(self._material.seeds[MIXED, cell.split], self._shape.seeds, name)
        listed = [str(seed.shown["instruction"]) for seed in seeds]
        listed += draw(self._pool[cell.split], self._shape.pool, f"{name}/pool")
        Random(f"{name}/order").shuffle(listed)
        slots = {"language": self._language, "count": len(listed) + self._shape.tasks, "next": len(listed) + 1}
        prompt = fill(self._texts["instructions"], {**slots, "listed": list_tasks(listed)})
        return Request(self._question(prompt, name), cell, seeds)

    def _about(self, task: Task, prompt: str, max_tokens: int | None = None) -> Request:
        slots = {"language": self._language, "count": MAX_INSTANCES, "instruction": task.instruction}
        text = fill(self._texts[prompt], slots)
        return Request(self._question(text, f"{prompt}/{task.name}", max_tokens), task.cell, task=task)

    def _question(self, prompt: str, name: str, max_tokens: int | None = None) -> Question:
        return Question(
            messages=[{"role": "user", "content": prompt}],
            id=name,
            task=MIXED,
            language=self._config.language,
            seed=seed_of(name),
            max_tokens=max_tokens,
            on_length="keep",
        )

    def _instructions(self, request: Request, reply: Reply) -> list[Task]:
        done = self.books.meet(reply)
        request.cell.barren += 1
        if done is None:
            return []
        if done.finish_reason == "length":
            self.books.reject(reply.key[:16], "answer cut off", {})
            return []
        found: list[Task] = []
        for place, text in enumerate(parse_list(done.text)):
            name = f"{reply.key[:16]}-{place}"
            reason = self._filter.problem(text) or self._judge.refuse_instruction(text)
            if reason:
                self.books.reject(name, reason, {"instruction": text})
                continue
            request.cell.barren = 0
            self._judge.remember(name, Item(text, "", ""))
            self._pool[request.cell.split].append(text)
            found.append(Task(request.cell, name, text, request.seeds))
        return found

    def _kind(self, request: Request, reply: Reply) -> Task | None:
        assert request.task
        done = self.books.meet(reply)
        if done is None:
            return None
        task = request.task
        return Task(task.cell, task.name, task.instruction, task.seeds, done.text.strip().lower().startswith("yes"))

    def _instances(self, request: Request, reply: Reply) -> None:
        assert request.task
        task, done = request.task, self.books.meet(reply)
        if done is None:
            return
        found = parse_output_first(done.text) if task.labels else parse_input_first(done.text)
        if done.finish_reason == "length":
            found = found[:-1]
        if not found:
            self.books.reject(task.name, "no task in the answer", {"instruction": task.instruction})
        teacher = self._config.asked()[reply.teacher]
        for place, (given, output, reason) in enumerate(sift_instances(found)):
            item = Item(task.instruction, given, output)
            name = f"{task.name}-{place}"
            if not reason and task.cell.accepted >= task.cell.quota:
                reason = "quota full"
            judgement = None if reason else self._judge.examine_answer(item)
            reason = reason or (judgement.reason if judgement else "")
            if judgement and judgement.told:
                self.books.tell(teacher.model, "classification" if task.labels else MIXED, judgement.told)
            row = self._row(task, item, name, judgement.flags if judgement else (), teacher=teacher)
            if reason:
                content = {"instruction": task.instruction, "input": given, "output": output}
                self.books.reject(name, reason, content, row)
            else:
                self._accept(task, row, teacher)

    def _row(self, task: Task, item: Item, name: str, flags: tuple[str, ...], *, teacher: Teacher) -> Conversation:
        config = self._config
        return Conversation(
            id=name,
            messages=(Message(role="user", content=item.question), Message(role="assistant", content=item.output)),
            language=config.language,
            split=task.cell.split,
            group=blake2b(task.instruction.encode(), digest_size=16).hexdigest(),
            source=f"synth: {teacher.model}",
            license=combine_licences([teacher.license, *(seed.license for seed in task.seeds)]),
            task="classification" if task.labels else MIXED,
            flags=flags,
        )

    def _accept(self, task: Task, row: Conversation, teacher: Teacher) -> None:
        task.cell.accepted += 1
        facts = {"generator": "self_instruct: self_instruct", "teacher": teacher.model}
        self.books.accept(row, {**facts, "seeds": [seed.id for seed in task.seeds], "pool": [], "document": ""})
