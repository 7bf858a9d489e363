"""A teacher that writes blocks in the manner of Alif, from the sample's sentences, and notes every prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

from adapters.llm.faulty_teacher import FaultyTeacher, Story
from stages.synth_kit import SAMPLE, SEEDS

from newtongue.adapters.prompts import load_prompts
from newtongue.methods.prompts import fill, read
from newtongue.methods.stand_in_material import sentences
from newtongue.methods.task_blocks import parse_blocks, write_blocks
from newtongue.methods.words import words

ALIF = load_prompts("alif")
TASKS = ("generation", "ethics", "qa", "reasoning", "translation", "classification", "sentiment")
Task = dict[str, str]
Change = Callable[[str, list[Task], Random], list[Task]]


@cache
def seeds() -> dict[str, dict[str, Any]]:
    """Merged instruction -> seed."""
    rows = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    return {f"{row['instruction']}\n{row['input']}".strip(): row for row in rows}


@cache
def lines(tag: str) -> tuple[str, ...]:
    """Sentences of the sample, of a usable length."""
    rows = [json.loads(line) for line in (SAMPLE / f"{tag}.jsonl").read_text("utf-8").splitlines()]
    found = [s for row in rows for s in sentences(row["text"], "۔؟!.?")]
    return tuple(s for s in found if 8 <= len(words(s)) <= 25)


def read_prompt(prompt: str) -> tuple[str, list[Task]]:
    """The task type a prompt is for, and the exemplars it shows."""
    slots = read(ALIF["frame"], prompt)
    assert slots is not None, prompt
    rules = {fill(rule.strip(), {"language": slots["language"]}): task for task, rule in ALIF["tasks"].items()}
    items = parse_blocks(slots["blocks"].removeprefix("###\n"), cut_off=False)
    assert not [item.problem for item in items if item.problem]
    return rules[slots["rules"]], [{"instruction": i.instruction, "input": i.input, "output": i.output} for i in items]


def written(task: str, rng: Random, count: int = 20) -> list[Task]:
    """Tasks of a type; translations cover the four combinations by chance."""
    urdu, english = lines("urd_Arab"), lines("eng_Latn")
    if task != "translation":
        drawn = rng.sample(urdu, 2 * count)
        return [{"instruction": a, "input": "", "output": b} for a, b in zip(drawn[::2], drawn[1::2], strict=True)]
    tasks = []
    for _ in range(count):
        ask, answer = rng.choice([urdu, english]), rng.choice([urdu, english])
        tasks.append({"instruction": rng.choice(ask), "input": "", "output": rng.choice(answer)})
    return tasks


def alif_teacher(change: Change = lambda task, tasks, rng: tasks, story: Story | None = None) -> FaultyTeacher:
    """The teacher; `change` may spoil what it writes. Prompts are kept in `teacher.prompts`."""
    prompts: list[str] = []

    def write(body: Mapping[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        prompts.append(prompt)
        task, _ = read_prompt(prompt)
        rng = Random(hashlib.sha256(f"{prompt}{body['seed']}".encode()).digest())
        blocks = write_blocks(change(task, written(task, rng), rng), first=7)
        return blocks.removeprefix("###\n7. Instruction:")

    teacher = FaultyTeacher(story, write=write) if story else FaultyTeacher(write=write)
    teacher.prompts = prompts  # type: ignore[attr-defined]
    return teacher
