"""What the offline teacher says: it reads the prompt by the shipped templates and answers with `methods.stand_in`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from newtongue.adapters.prompts import load_prompts, prompt_languages
from newtongue.methods.self_instruct import read_ask
from newtongue.methods.stand_in import random_of, write_answer

DEFAULT_LANGUAGE: Final = "urd_Arab"
"""Language whose sentence answers a prompt that is not one of ours."""
SAMPLE = files("newtongue") / "assets" / "sample"


def write(body: Mapping[str, Any]) -> str:
    """Return the text of the answer to one chat request.

    Raises:
        ValueError: There are no shipped wordings for the language asked for.
    """
    prompt = body["messages"][-1]["content"]
    for tag in prompt_languages("structured"):
        if ask := read_ask(prompt, load_prompts("structured", tag)):
            return write_answer(ask, random_of(body), *_wordings(ask.tag))
    return str(_wordings(DEFAULT_LANGUAGE)[0]["fallback"])


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
