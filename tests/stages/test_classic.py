"""`mode: self_instruct` through real HTTP: instructions, their kind, their instances."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.alif_kit import lines, seeds
from stages.synth_kit import payload, rejected, rows_of, run

from newtongue.adapters.prompts import load_prompts
from newtongue.methods.instances import list_tasks, parse_list
from newtongue.methods.prompts import read

TEXTS = load_prompts("self_instruct")


def teacher_of(prompts: list[tuple[str, dict[str, str]]]) -> FaultyTeacher:
    """Writes instructions from the sample; those of even length are classifications."""

    def write(body: dict[str, Any]) -> str:
        prompt = body["messages"][0]["content"]
        for name in ("instructions", "classify", "input_first", "output_first"):
            if slots := read(TEXTS[name], prompt):
                prompts.append((name, slots))
                return says(name, slots, Random(prompt))
        raise AssertionError(prompt)

    return FaultyTeacher(write=write)


def says(name: str, slots: dict[str, str], rng: Random) -> str:
    drawn = rng.sample(lines("urd_Arab"), 8)
    if name == "instructions":
        return list_tasks(drawn).removeprefix("1. ").replace("\n2. ", "\n10. ")
    if name == "classify":
        return "Yes" if len(slots["instruction"]) % 2 == 0 else "No"
    if name == "output_first":
        pairs = (("مثبت", drawn[0]), ("منفی", drawn[0]), ("منفی", drawn[1]))
        return "\n".join(f"Class label: {label}\nInput: {text}" for label, text in pairs)
    return f"Example 1\nInput: {drawn[0]}\nOutput: {drawn[1]}\nExample 2\nOutput: {drawn[2]}"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, prompts = tmp_path_factory.mktemp("classic"), []
    with running(teacher_of(prompts)) as teacher:
        done = start(folder, teacher)
    return folder, prompts, done


def start(folder: Path, teacher: FaultyTeacher, **settings: Any) -> Any:
    generator = {"kind": "self_instruct", "mode": "self_instruct"}
    chosen = {"rows": 150, "heldout_fraction": 0.2, "max_answer_characters": 9000, **settings}
    return run(folder, documents=False, teacher={"url": teacher.url}, generator=generator, **chosen)


def test_six_seeds_and_two_of_the_pool_are_listed(ran: Any) -> None:
    known = {" ".join(row["instruction"].split()) for row in seeds().values()}
    sizes = set()
    for name, slots in ran[1]:
        if name == "instructions":
            listed = parse_list(slots["listed"])
            assert sum(text in known for text in listed) == 6
            assert int(slots["count"]) == len(listed) + 8
            sizes.add(len(listed))
    assert sizes == {6, 8}


def test_classifications_get_their_labels_first_and_the_others_their_input(ran: Any) -> None:
    asked = {
        name: {slots["instruction"] for n, slots in ran[1] if n == name} for name in ("input_first", "output_first")
    }
    assert all(len(text) % 2 == 0 for text in asked["output_first"])
    assert all(len(text) % 2 == 1 for text in asked["input_first"])
    assert asked["output_first"]
    assert {row.task for row in rows_of(ran[0])} == {"classification", "instruction"}


def test_an_input_with_two_outputs_loses_both(ran: Any) -> None:
    folder, _, done = ran
    assert done.counts["rejected: same input, other output"] > 0
    dropped = [json.loads(r["content"])["input"] for r in rejected(folder) if r["reason"] == "same input, other output"]
    kept = {row.messages[0]["content"].split("\n\n")[-1] for row in rows_of(folder) if row.task == "classification"}
    assert len(dropped) % 2 == 0
    assert done.counts["documents"] == 150
    assert kept
    assert done.counts["received"] == done.counts["documents"] + done.counts["rejected"] + done.counts["failed"]


def test_concurrency_changes_no_byte(ran: Any, tmp_path: Path) -> None:
    with running(teacher_of([])) as teacher:
        start(tmp_path, teacher, concurrency=1)
    assert payload(tmp_path) == payload(ran[0])


def test_the_offline_teacher_can_be_asked_in_every_mode(tmp_path: Path) -> None:
    for mode in ("alif", "alpaca", "self_instruct"):
        done = run(
            tmp_path / mode, documents=False, rows=28, max_answer_characters=2000, heldout_fraction=0,
            generator={"kind": "self_instruct", "mode": mode},
        )  # fmt: skip
        assert done.counts["documents"] >= 14, done.counts


def test_prompts_in_urdu_have_the_slots_of_the_english_ones() -> None:
    for generator in ("alif", "alpaca", "self_instruct", "structured", "evolve", "reverse", "grounded", "transfer"):
        for name, text in load_prompts(generator).items():
            other = load_prompts(generator, "urd_Arab")[name]
            if isinstance(text, str):
                slots = re.compile(r"\{[a-z]+\}")
                assert set(slots.findall(other)) == set(slots.findall(text)), (generator, name)
