"""The stand-in teacher writes only what it can get right, and the shipped seeds and wordings are right too."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import pytest

from newtongue.adapters.prompts import load_prompts
from newtongue.methods.arithmetic import equations, evaluate, false_equations
from newtongue.methods.self_instruct import Ask, build_messages
from newtongue.methods.stand_in import align
from newtongue.methods.stand_in_kinds import KINDS
from newtongue.methods.stand_in_material import sentences
from newtongue.methods.words import words
from newtongue.tools import stand_in

SAMPLE = files("newtongue") / "assets" / "sample"
TYPES = ("generation", "ethics", "qa", "reasoning", "translation", "classification", "sentiment")
SENTIMENTS = {"مثبت", "منفی", "غیر جانبدار"}


@cache
def load(name: str) -> Any:
    return json.loads((SAMPLE / name).read_text("utf-8"))


@cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in (SAMPLE / name).read_text("utf-8").splitlines())


def seeds(task: str) -> list[dict[str, Any]]:
    return [row for row in rows("seeds.urd_Arab.jsonl") if row["task"] == task]


def body(task: str, number: int, texts: Any = ()) -> dict[str, Any]:
    drawn = Random(f"{task}{number}").sample(seeds(task), 3)
    shown = [{k: s[k] for k in ("instruction", "input", "output", "labels") if k in s} for s in drawn]
    return {
        "messages": build_messages(Ask(task, "Urdu", "urd_Arab", 4, 300, shown, (), texts), load_prompts("structured")),
        "seed": number,
    }


def write(request: dict[str, Any]) -> list[dict[str, str]]:
    return json.loads(stand_in.write(request))


def documents(number: int) -> list[tuple[str, str]]:
    urdu = rows("urd_Arab.jsonl")[number]
    english = next(row for row in rows("eng_Latn.jsonl") if row["group"] == urdu["group"])
    return [("urd_Arab", urdu["text"]), ("eng_Latn", english["text"])]


def test_there_are_enough_seeds_of_each_type() -> None:
    counts = Counter(row["task"] for row in rows("seeds.urd_Arab.jsonl"))
    assert set(counts) == set(TYPES)
    assert min(counts.values()) >= 12
    questions = [(row["instruction"], row["input"]) for row in rows("seeds.urd_Arab.jsonl")]
    assert len(set(questions)) == len(questions) == len({row["id"] for row in rows("seeds.urd_Arab.jsonl")})


def test_every_sum_of_the_seeds_holds_and_leads_to_the_answer() -> None:
    checked = [row for row in rows("seeds.urd_Arab.jsonl") if row.get("expression")]
    assert len(checked) >= 10
    for row in checked:
        assert row["answer"] == str(eval(row["expression"], {"__builtins__": {}})).removesuffix(".0"), row["id"]
        assert row["answer"] in row["output"].rpartition("=")[2], row["id"]
    assert [wrong for row in rows("seeds.urd_Arab.jsonl") for wrong in false_equations(row["output"])] == []


def test_labels_of_seeds_are_among_their_labels_and_named_in_the_instruction() -> None:
    for row in (*seeds("classification"), *seeds("sentiment")):
        assert row["output"] in row["labels"], row["id"]
    assert {label for row in seeds("sentiment") for label in row["labels"]} == SENTIMENTS


def test_every_form_names_a_kind_and_fills_all_its_slots() -> None:
    for form in load("teacher.urd_Arab.json")["forms"]:
        assert form["kind"] in KINDS
    for task in TYPES:
        for number in range(30):
            for made in write(body(task, number, documents(number) if number % 2 else ())):
                assert "{" not in "".join(made.values()), made


def test_the_answer_is_a_function_of_the_request() -> None:
    assert write(body("qa", 1)) == write(body("qa", 1))
    assert write(body("qa", 1)) != write({**body("qa", 1), "seed": 2})


def test_other_prompts_get_a_plain_statement() -> None:
    request = {"messages": [{"role": "user", "content": "Hello"}]}
    assert stand_in.write(request) == load("teacher.urd_Arab.json")["fallback"]


def test_word_problems_have_true_chains_that_use_the_story() -> None:
    made = [task for number in range(150) for task in write(body("reasoning", number))]
    assert len(made) == 600
    for task in made:
        steps = equations(task["output"])
        assert len(steps) == 2
        assert not false_equations(task["output"])
        assert steps[1][1] == task["output"].rpartition(": ")[2].split()[0]
        numbers = set(words(task["input"])) | {"2", steps[0][1]}
        used = {part for left, _ in steps for part in words(left)}
        assert used <= numbers, task


def test_labels_given_to_texts_are_those_of_the_seeds() -> None:
    label = {row["input"]: row["output"] for row in seeds("sentiment")}
    kinds = Counter()
    for number in range(60):
        for task in write(body("sentiment", number)):
            if task["input"] in label and task["output"] == f"یہ رائے {label[task['input']]} ہے۔":
                kinds["label"] += 1
            elif task["input"] in label:
                assert task["output"].endswith(f"یہ رائے {label[task['input']]} ہے۔"), task
                kinds["yes or no"] += 1
            else:
                first, second = (line.partition(": ")[2] for line in task["input"].splitlines())
                same = label[first] == label[second]
                if task["output"].startswith(("پہلی", "دوسری")):
                    chosen = first if task["output"].startswith("پہلی") else second
                    assert label[chosen] in task["output"]
                    assert not same
                else:
                    assert task["output"].startswith("ہاں") == same, task
                kinds["two"] += 1
    assert min(kinds.values()) > 10


@pytest.mark.parametrize("number", range(40))
def test_tasks_on_a_document_are_true_of_it(number: int) -> None:
    texts = documents(number)
    urdu = texts[0][1]
    for task in (*write(body("qa", number, texts)), *write(body("classification", number, texts))):
        quoted = [part.split("»")[0] for part in task["output"].split("«")[1:]]
        if len(task["input"]) > 20 and task["input"] in urdu and quoted:
            inside = all(word in task["input"] for word in quoted)
            assert inside != task["output"].startswith("نہیں"), task
    for task in write(body("translation", number, texts)):
        if task["output"] in urdu:
            assert task["input"].split("\n")[0] in texts[1][1]


def test_sentences_are_paired_only_when_both_texts_have_as_many() -> None:
    assert align("One. Two.", "ایک۔ دو۔", ".", "۔") == [("One.", "ایک۔"), ("Two.", "دو۔")]
    assert align("One. Two.", "ایک۔", ".", "۔") == []


@pytest.mark.parametrize(
    ("text", "marks", "number"),
    [("کیا؟ ہاں۔ بس", "۔؟", 3), ("3.5 km. Yes.", ".", 2), ("क्या? हाँ।", "।?", 2), ("", ".", 0), ("...", ".", 1)],
)
def test_sentences(text: str, marks: str, number: int) -> None:
    found = sentences(text, marks)
    assert len(found) == number
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


def test_evaluate_is_used_on_what_is_written() -> None:
    assert evaluate("2 × 68") == 136
