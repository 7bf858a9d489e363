"""What the offline teacher says: it reads the prompt by the shipped templates and answers with `methods.stand_in`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Final

from newtongue.adapters.languages import load_card, shipped_tags
from newtongue.adapters.prompts import load_prompts, prompt_languages
from newtongue.methods import invented
from newtongue.methods.prompts import fill, read
from newtongue.methods.self_instruct import Ask, read_ask
from newtongue.methods.stand_in import random_of, write_answer, write_tasks
from newtongue.methods.stand_in_generators import PROMPTS, say, screening
from newtongue.methods.stand_in_material import sentences
from newtongue.methods.stand_in_translation import toy_translation
from newtongue.methods.task_blocks import parse_blocks, write_blocks

DEFAULT_LANGUAGE: Final = "urd_Arab"
"""Language whose sentence answers a prompt that is not one of ours."""
ENGLISH: Final = "eng_Latn"
SAMPLE = files("newtongue") / "assets" / "sample"


def write(body: Mapping[str, Any]) -> str:
    """Return the text of the answer to one chat request.

    Raises:
        ValueError: The stand-in cannot write in the language asked for.
    """
    prompt = body["messages"][-1]["content"]
    for tag in prompt_languages("structured"):
        if ask := read_ask(prompt, load_prompts("structured", tag)):
            return write_answer(ask, random_of(body), *_wordings(ask.tag))
    for tag in prompt_languages("translate"):
        if slots := read(load_prompts("translate", tag)["document"], prompt):
            return translation(slots["text"], slots["source"], slots["target"], random_of(body))
        if read(load_prompts("translate", tag)["quality"], prompt):
            return "90"
        if slots := read(load_prompts("translate", tag)["screen"], prompt):
            return screening(slots["text"])
    return _generated(prompt, body) or _blocks(prompt, body) or str(_wordings(DEFAULT_LANGUAGE)[0]["fallback"])


def _generated(prompt: str, body: Mapping[str, Any]) -> str:
    """Return what it says to a prompt of the generators that work row by row, or ""."""
    for generator, names in PROMPTS.items():
        for tag in prompt_languages(generator):
            for name in names:
                if slots := read(load_prompts(generator, tag)[name], prompt):
                    language = tag_of(slots["language"]) if "language" in slots else DEFAULT_LANGUAGE
                    return say(f"{generator}.{name}", slots, fluent(language), random_of(body))
    return ""


def _blocks(prompt: str, body: Mapping[str, Any]) -> str:
    """Return blocks of tasks for a prompt of Alif or Alpaca, or ""."""
    for mode in ("alif", "alpaca"):
        for tag in prompt_languages(mode):
            texts = load_prompts(mode, tag)
            if slots := read(texts["frame"], prompt):
                return _tasks(slots, texts["tasks"], random_of(body))
    return ""


def _tasks(slots: Mapping[str, str], rules: Mapping[str, str], rng: Random) -> str:
    """Return tasks of the type a prompt is for, made from sentences of the sample; the open label begins the first."""
    given = {fill(rule.strip(), {"language": slots["language"]}): task for task, rule in rules.items()}
    tag = tag_of(slots["language"])
    data, wordings = _wordings(tag)
    exemplars = [
        {"instruction": item.instruction, "input": "", "output": item.output}
        for item in parse_blocks(slots["blocks"].removeprefix("###\n"), cut_off=False)
    ]
    task = given.get(slots["rules"], "qa")
    texts = [(tag, " ".join(rng.sample(list(fluent(tag)), 12)))]
    ask = Ask(task, slots["language"], tag, int(slots["count"]), sys.maxsize, exemplars, (), texts)
    made = [
        {"instruction": f"{one['instruction']}\n{one['input']}".strip(), "output": one["output"]}
        for one in write_tasks(ask, rng, data, wordings)
    ]
    number = int(slots["next"])
    return write_blocks(made, first=number).removeprefix(f"###\n{number}. Instruction:")


def translation(text: str, source: str, target: str, rng: Random) -> str:
    """Return a toy translation; languages by their names."""
    tag = tag_of(target)
    return toy_translation(text, tag_of(source), tag, fluent(tag), rng)


@cache
def fluent(tag: str) -> tuple[str, ...]:
    """Return sentences in a language, from the shipped sample; the invented one translates the English ones.

    Raises:
        ValueError: There is no sample of that language.
    """
    if tag == invented.TAG:
        return tuple(invented.from_english(sentence) for sentence in fluent(ENGLISH))
    file = SAMPLE / f"{tag}.jsonl"
    if not file.is_file():
        raise ValueError(f"the offline teacher has no sentences in {tag}")
    marks = load_card(tag).sentence_marks
    rows = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    return tuple(s for row in rows for s in sentences(row["text"], marks) if 4 <= len(s.split()) <= 20)


@cache
def tag_of(name: str) -> str:
    """Return the tag of a language by its English or own name.

    Raises:
        ValueError: No shipped card has that name.
    """
    for tag in (*shipped_tags(), invented.TAG):
        card = load_card(tag)
        if name in (card.name, card.autonym, tag):
            return tag
    raise ValueError(f"the offline teacher does not know the language `{name}`")


def languages() -> list[str]:
    """Return the tags the stand-in has wordings for, sorted."""
    names = (entry.name for entry in SAMPLE.iterdir())
    return sorted(name.split(".")[1] for name in names if name.startswith("teacher."))


@cache
def _wordings(tag: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    if tag not in languages():
        raise ValueError(f"the offline teacher has no wordings for {tag}, only for {', '.join(languages())}")
    forms, wordings = (
        json.loads((SAMPLE / f"{name}.{tag}.json").read_text("utf-8")) for name in ("teacher", "wordings")
    )
    return forms, wordings
