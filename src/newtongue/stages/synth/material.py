"""What prompts are made of: seed tasks on their two sides, and documents to ground tasks on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import blake2b
from random import Random
from typing import Any

from newtongue.adapters.tables import Reject, read_conversations, read_documents
from newtongue.adapters.tables.files import read_rows
from newtongue.adapters.tables.rows import messages_of
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.core.rows import Document
from newtongue.methods.licences import combine_licences
from newtongue.methods.rounds import split_seeds
from newtongue.methods.splitting import SALT, group_key
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.generators.self_instruct import SelfInstruct

SHOWN = ("instruction", "input", "output", "labels")
"""Columns of a seed that a prompt shows."""
MIXED = "instruction"
"""Task type of every row where a mode has one prompt for all types."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One seed task.

    Attributes:
        id: Its name.
        task: Task type.
        shown: What a prompt shows of it.
        license: Its licence.
        key: What decides its side.
    """

    id: str
    task: str
    shown: Mapping[str, Any]
    license: str
    key: str


@dataclass(frozen=True, slots=True)
class Grounding:
    """One document of a prompt.

    Attributes:
        texts: (tag, text), the target language first.
        group: Group of the document; rows grounded on it inherit it.
        license: Its licence.
    """

    texts: tuple[tuple[str, str], ...]
    group: str
    license: str


@dataclass(slots=True)
class Material:
    """Everything prompts are made of.

    Attributes:
        seeds: (task, split) -> seeds of that side.
        documents: Documents to ground on, in the order of use.
        pairs: Those that come with a translation.
    """

    seeds: dict[tuple[str, str], list[Seed]] = field(default_factory=dict)
    documents: list[Grounding] = field(default_factory=list)
    pairs: list[Grounding] = field(default_factory=list)

    @property
    def tasks(self) -> list[str]:
        """Task types, in the order of the seeds."""
        return list(dict.fromkeys(task for task, _ in self.seeds))


def gather(config: SynthConfig, context: Context) -> Material:
    """Read seeds and documents.

    Raises:
        DataError: No seeds, or none of a task type the config names.
    """
    material = Material()
    by_task: dict[str, list[Seed]] = {}
    assert config.seeds
    assert isinstance(config.generator, SelfInstruct)
    for seed in _seeds(context[config.seeds], merged=config.generator.mode == "alif"):
        by_task.setdefault(seed.task, []).append(seed)
    if config.generator.mode in ("alpaca", "self_instruct"):
        by_task = {MIXED: [seed for seeds in by_task.values() for seed in seeds]}
    _check_tasks(config, by_task)
    for task in config.tasks or by_task:
        order = sorted(by_task[task], key=lambda seed: blake2b(seed.key.encode(), digest_size=8, key=SALT).digest())
        train, heldout = split_seeds(order, config.heldout_fraction)
        material.seeds[task, "train"] = train
        if heldout:
            material.seeds[task, "heldout"] = heldout
    if config.documents:
        material.documents, material.pairs = _groundings(config, context)
    return material


def _seeds(artefact: Artefact, *, merged: bool) -> Iterator[Seed]:
    """Yield the seeds; `merged` puts the input into the instruction, as Alif has it."""
    for number, row in enumerate(_seed_rows(artefact)):
        if merged and row.get("input"):
            row = {**row, "instruction": f"{row['instruction']}\n{row['input']}", "input": ""}
        instruction, output = str(row["instruction"]), str(row["output"])
        shown = {name: row[name] for name in SHOWN if row.get(name) not in (None, [])}
        identity = str(row.get("id") or f"seed-{number}")
        yield Seed(
            id=identity,
            task=str(row.get("task") or ""),
            shown={"input": "", **shown},
            license=str(row.get("license") or "unknown"),
            key=group_key(
                str(row.get("group") or ""),
                str(row.get("id") or ""),
                str(row.get("language") or ""),
                instruction + output,
            ),
        )


def _seed_rows(artefact: Artefact) -> Iterator[dict[str, Any]]:
    """Yield rows with `instruction` and `output`, whatever layout the file has."""
    if artefact.sealed:
        for turn in read_conversations(artefact, "train"):
            last, question = turn.messages[-1], [m["content"] for m in turn.messages[:-1]]
            facts = {"id": turn.id, "task": turn.task, "license": turn.license, "group": turn.group}
            yield {**facts, "instruction": "\n\n".join(question), "output": last["content"]}
        return
    for _place, row in read_rows(artefact.path):
        if isinstance(row, Reject):
            raise DataError(f"a seed row cannot be read: {row.reason}", place=row.place, fix="mend or remove the row")
        if not (isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str)):
            turns = messages_of(row, artefact.name)
            question = "\n\n".join(m["content"] for m in turns[:-1])
            row = {**row, "instruction": question, "output": turns[-1]["content"]}
        yield row


def _check_tasks(config: SynthConfig, by_task: Mapping[str, list[Seed]]) -> None:
    if not by_task:
        raise DataError("there is no seed task", place=str(config.seeds), expected="rows with instruction and output")
    for task in config.tasks:
        if task not in by_task:
            near = get_close_matches(task, by_task, n=1)
            raise DataError(
                f"no seed task of type `{task}`; the types are {', '.join(sorted(by_task))}",
                place=str(config.seeds),
                fix=f"write `{near[0]}` in `tasks`" if near else "add seeds of that type or remove it from `tasks`",
            )


def _groundings(config: SynthConfig, context: Context) -> tuple[list[Grounding], list[Grounding]]:
    """Return (all documents, those with a translation), as many as requests can use, drawn evenly."""
    assert config.documents
    own = (d for d in read_documents(context[config.documents], "train") if d.language in ("", config.language))
    drawn = reservoir(own, config.max_requests or 3 * config.rows, config.seed)
    limit = config.prompt.max_document_characters
    groups = {_group(document) for document in drawn}
    others: dict[str, Document] = {}
    if config.translations:
        translations = read_documents(context[config.translations], "train")
        others = {_group(d): d for d in translations if _group(d) in groups and len(d.text) <= limit}
    everything, pairs = [], []
    for document in drawn:
        other = others.get(_group(document))
        text = (config.language, shorten(document.text, limit))
        everything.append(Grounding((text,), _group(document), document.license))
        if other and len(document.text) <= limit:
            licenses = combine_licences([document.license, other.license])
            pairs.append(Grounding((text, (other.language, other.text)), _group(document), licenses))
    return everything, pairs


def reservoir(items: Iterable[Document], count: int, seed: int) -> list[Document]:
    """Return `count` evenly drawn documents of a stream, in an order of their own."""
    rng = Random(f"documents/{seed}")
    kept: list[Document] = []
    for number, item in enumerate(items):
        if len(kept) < count:
            kept.append(item)
        elif (place := rng.randrange(number + 1)) < count:
            kept[place] = item
    rng.shuffle(kept)
    return kept


def shorten(text: str, characters: int) -> str:
    """Return a text cut at the last paragraph, else line, else blank before a length."""
    if len(text) <= characters:
        return text
    for mark in ("\n\n", "\n", " "):
        cut = text.rfind(mark, characters // 2, characters)
        if cut > 0:
            return text[:cut]
    return text[:characters]


def _group(document: Document) -> str:
    return group_key(document.group, document.id, document.language, document.text)
