"""Prompts and the reading of answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.adapters.prompts import load_prompts
from newtongue.methods.self_instruct import Ask, Item, build_messages, parse_items, read_ask

SEED = {"instruction": "سوال؟", "input": "", "output": 'جواب {خط} "قول"', "labels": ["ا", "ب"]}
TEXTS = {tag: load_prompts("structured", tag) for tag in ("eng_Latn", "urd_Arab")}
TASKS = [{"instruction": "a", "input": "b", "output": "c"}, {"instruction": "d", "output": "e"}]


@given(
    task=st.sampled_from([*TEXTS["eng_Latn"]["rules"], "riddles"]),
    count=st.integers(1, 20),
    written=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
    text=st.text(st.sampled_from("ab۔ \n<>"), min_size=1).filter(lambda t: "</text>" not in t and t.strip() == t),
)
def test_a_prompt_says_all_that_was_asked(task: str, count: int, written: list[str], text: str) -> None:
    ask = Ask(task, "Urdu", "urd_Arab", count, 300, [SEED], written or (), [("urd_Arab", text), ("eng_Latn", "Text.")])
    for texts in TEXTS.values():
        (message,) = build_messages(ask, texts)
        assert read_ask(message["content"], texts) == ask


def test_other_prompts_are_not_ours() -> None:
    (message,) = build_messages(Ask("qa", "Urdu", "urd_Arab", 2, 300, [SEED]), TEXTS["eng_Latn"])
    for prompt in ("Write a poem.", message["content"][:-1], message["content"].replace("Longest answer: 300", "x")):
        assert read_ask(prompt, TEXTS["eng_Latn"]) is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TASKS),
        f"Here you are:\n```json\n{json.dumps(TASKS)}\n```",
        json.dumps({"tasks": TASKS}),
        "\n".join(map(json.dumps, TASKS)),
    ],
)
def test_tasks_are_found_in_every_wrapping(text: str) -> None:
    assert parse_items(text, cut_off=False) == [Item("a", "b", "c"), Item("d", "", "e")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty answer"),
        ("میں نہیں کر سکتا", "no task in the answer"),
        ('[{"instruction": "a"}]', "a key is missing or no text"),
        ('[{"instruction": "a", "output": 5}]', "a key is missing or no text"),
        ('[{"instruction": "a", "output": " "}]', "empty instruction or output"),
        ('[{"instruction": "a", ...', "broken JSON"),
        ("[{}]", "a key is missing or no text"),
    ],
)
def test_what_is_no_task_is_kept_with_its_reason(text: str, problem: str) -> None:
    assert [item.problem for item in parse_items(text, cut_off=False)] == [problem]


def test_a_cut_answer_keeps_its_whole_tasks() -> None:
    items = parse_items(json.dumps(TASKS)[:-8], cut_off=True)
    assert [item.problem for item in items] == ["", "answer cut off"]


def test_an_answer_with_the_number_twenty_survives() -> None:
    (item,) = parse_items(json.dumps([{"instruction": "a", "output": "20. and more\n20."}]), cut_off=False)
    assert item.output == "20. and more\n20."


@given(st.text())
def test_no_answer_breaks_the_reader(text: str) -> None:
    assert parse_items(text, cut_off=False)
