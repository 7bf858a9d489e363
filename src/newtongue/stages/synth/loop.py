"""The loop's state: which requests come next, and what became of every row that came back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from newtongue.adapters.llm.client import Reply
from newtongue.adapters.llm.offline import edition
from newtongue.adapters.llm.requests import request_key
from newtongue.adapters.tables import Reject
from newtongue.core.errors import ProviderError
from newtongue.core.rows import Conversation, Message
from newtongue.methods.rounds import Cell, draw, make_cells, plan_round
from newtongue.methods.self_instruct import Ask, Item, build_messages, parse_items
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.judge import Judge, Judgement
from newtongue.stages.synth.material import Grounding, Material, Seed, combine_licences

KEPT_CHARACTERS = 2000
"""How much of a rejected row is kept beside its reason; the raw answer is in the ledger."""


@dataclass(frozen=True, slots=True)
class Request:
    """One planned request.

    Attributes:
        cell: Task type and side it is for.
        body: What is sent.
        seeds: Seeds it shows.
        grounding: Document it carries, if any.
    """

    cell: Cell
    body: Mapping[str, Any]
    seeds: Sequence[Seed]
    grounding: Grounding | None


class Loop:
    """State of one run; a pure function of config, material and answers."""

    def __init__(self, config: SynthConfig, material: Material, language: str) -> None:
        """Start with empty quotas.

        Args:
            config: Settings of the stage.
            material: Seeds and documents.
            language: English name of the language, for prompts.
        """
        self._config, self._material, self._language = config, material, language
        weights = config.tasks or dict.fromkeys(material.tasks, 1.0)
        heldout = {task: config.heldout_fraction for task, split in material.seeds if split == "heldout"}
        self.cells = make_cells(weights, config.rows, heldout)
        self._judge = Judge(config, (seed for seeds in material.seeds.values() for seed in seeds))
        self._instructions: dict[int, list[str]] = {id(cell): [] for cell in self.cells}
        self._grounded = 0
        self.keys: list[str] = []
        self.accepted: list[Conversation] = []
        self.rejected: list[Reject] = []
        self.failed: list[Reject] = []
        self.received = 0
        self.stand_in = False
        self._models: set[str] = set()

    def plan(self) -> list[Request]:
        """Return the requests of the next round; empty when the quotas are full or nothing more can be done."""
        left = (self._config.max_requests or 3 * self._config.rows) - len(self.keys)
        planned = plan_round(self.cells, self._config.prompt.tasks, left)
        requests = [self._request(cell, number) for cell, number in planned]
        self.keys += [request_key(request.body) for request in requests]
        return requests

    def take(self, requests: Sequence[Request], replies: Sequence[Reply]) -> None:
        """Judge the answers of a round, in request order.

        Raises:
            ProviderError: The teacher refused every request of the first round.
        """
        first_round = not self.received
        if first_round and all(reply.completion is None for reply in replies):
            raise ProviderError(
                f"the teacher refused all of the first {len(replies)} requests: {replies[0].why} {replies[0].detail}",
                place="teacher",
                fix="correct what it complains about in the recipe, then run again",
            )
        for request, reply in zip(requests, replies, strict=True):
            before = request.cell.accepted
            self._take_one(request, reply)
            request.cell.barren = 0 if request.cell.accepted > before else request.cell.barren + 1
        if self.received != len(self.accepted) + len(self.rejected) + len(self.failed):
            raise RuntimeError("rows were lost: received differs from accepted + rejected + failed")

    def counts(self) -> dict[str, int]:
        """Return the numbers of the manifest; they add up."""
        texts = [m["content"] for row in self.accepted for m in row.messages]
        splits = Counter(row.split for row in self.accepted)
        tasks = Counter(row.task for row in self.accepted)
        reasons = Counter(reject.reason for reject in (*self.rejected, *self.failed))
        return {
            "documents": len(self.accepted),
            "utf8_bytes": sum(len(text.encode()) for text in texts),
            "train": splits["train"],
            "heldout": splits["heldout"],
            "requests": len(self.keys),
            "received": self.received,
            "rejected": len(self.rejected),
            "failed": len(self.failed),
            "language_unknown": self.unknown,
            **{f"accepted: {task}": tasks[task] for task in sorted(tasks)},
            **{f"rejected: {reason}": reasons[reason] for reason in sorted(reasons)},
        }

    @property
    def unknown(self) -> int:
        """Accepted rows whose language nobody could tell."""
        return sum(bool(row.flags) for row in self.accepted)

    @property
    def other_models(self) -> list[str]:
        """Models that answered without having been asked for."""
        return sorted(name for name in self._models if name and not name.startswith(self._config.teacher.model))

    def licences(self) -> dict[str, int]:
        """Return licence -> rows."""
        return dict(sorted(Counter(row.license for row in self.accepted).items()))

    def reasons(self, most: int) -> str:
        """Return the most frequent reasons of rejection with their numbers."""
        found = Counter(reject.reason for reject in (*self.rejected, *self.failed)).most_common(most)
        return ", ".join(f"{reason} {number:,}" for reason, number in found) or "none"

    def _request(self, cell: Cell, number: int) -> Request:
        """Make one request; a pure function of the config's seed, the cell and the number within it."""
        config, name = self._config, f"{self._config.seed}/{cell.task}/{cell.split}/{number}"
        seeds = draw(self._material.seeds[cell.task, cell.split], config.prompt.exemplars, name)
        grounding = self._next_document(cell, number)
        ask = Ask(
            task=cell.task,
            language=self._language,
            tag=config.language,
            count=config.prompt.tasks,
            max_characters=config.max_answer_characters,
            exemplars=[seed.shown for seed in seeds],
            written=draw(self._instructions[id(cell)], config.prompt.already_written, name),
            texts=grounding.texts if grounding else (),
        )
        body = {"model": config.teacher.model, "messages": build_messages(ask), **config.teacher.body()}
        if config.teacher.serve == "offline":
            body["edition"] = edition(config.language)
        if "seed" not in config.teacher.request:
            body["seed"] = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") >> 1
        return Request(cell, body, seeds, grounding)

    def _next_document(self, cell: Cell, number: int) -> Grounding | None:
        """Return the document of a request: every other one of the training side carries one."""
        pairs = self._material.pairs if cell.task == "translation" else []
        documents = pairs or self._material.documents
        grounded = cell.split == "train" and cell.task in self._config.prompt.grounded and number % 2 == 0
        if not documents or not grounded:
            return None
        self._grounded += 1
        return documents[(self._grounded - 1) % len(documents)]

    def _take_one(self, request: Request, reply: Reply) -> None:
        if reply.completion is None:
            self.received += 1
            self.failed.append(Reject(f"request {reply.key}", f"refused: {reply.why}"))
            return
        done = reply.completion
        self.stand_in |= done.stand_in
        self._models.add(done.model)
        for place, item in enumerate(parse_items(done.text, cut_off=done.finish_reason == "length")):
            self.received += 1
            name = f"{reply.key[:16]}-{place}"
            full = request.cell.accepted >= request.cell.quota
            judgement = Judgement("quota full") if full else self._judge.judge(item, name)
            if judgement.reason:
                self.rejected.append(_reject(name, item, judgement))
            else:
                self._accept(request, item, name, judgement)

    def _accept(self, request: Request, item: Item, name: str, judgement: Judgement) -> None:
        cell, grounding = request.cell, request.grounding
        cell.accepted += 1
        self._instructions[id(cell)].append(item.instruction)
        licences = [self._config.teacher.license, *(seed.license for seed in request.seeds)]
        content = blake2b(f"{item.question}\n{item.output}".encode(), digest_size=16).hexdigest()
        self.accepted.append(
            Conversation(
                id=name,
                messages=(Message(role="user", content=item.question), Message(role="assistant", content=item.output)),
                language=self._config.language,
                split=cell.split,
                group=grounding.group if grounding else content,
                source=f"synth: {self._config.teacher.model}",
                license=combine_licences([*licences, *([grounding.license] if grounding else [])]),
                task=cell.task,
                flags=judgement.flags,
            )
        )


def _reject(name: str, item: Item, judgement: Judgement) -> Reject:
    content = {"instruction": item.instruction, "input": item.input, "output": item.output, "note": judgement.note}
    text = json.dumps(content, ensure_ascii=False)
    return Reject(f"request {name}", judgement.reason, text[:KEPT_CHARACTERS])
