"""Held-out conversations: the reference answers in bits per byte, and the model's own answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from newtongue.adapters.harness.requests import Refused
from newtongue.adapters.hf.scoring import Request, ids_digest
from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables import read_conversations
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Message
from newtongue.methods.answer_metrics import best_rouge_l, exact_match, f1
from newtongue.methods.fidelity import Fidelity, judge
from newtongue.methods.line_fidelity import (
    MIN_WORD_CHARS,
    Language,
    judge_lines,
    names_in,
    native_digits,
    native_marks,
)
from newtongue.methods.words import count_words
from newtongue.stages.eval.config import Generation
from newtongue.stages.eval.subject import Subject

Row = dict[str, Any]


def heldout_conversations(artefact: Artefact) -> list[Conversation]:
    """Return the held-out conversations that end with an answer.

    Raises:
        DataError: There is none.
    """
    found = [c for c in read_conversations(artefact, "heldout") if c.messages and c.messages[-1]["role"] == "assistant"]
    if not found:
        raise DataError(
            "no held-out conversation that ends with an answer", place=artefact.name, fix="raise heldout_fraction"
        )
    return found


def score_answers(name: str, conversations: list[Conversation], subject: Subject, progress: Any) -> list[Row]:
    """Return one row per conversation: bits of its last answer, given the rendered turns before it."""
    asked = [_request(conversation, subject) for conversation in conversations]
    rows = []
    for conversation, request, bits in zip(conversations, asked, subject.bits(asked, progress), strict=True):
        answer = conversation.messages[-1]["content"]
        size = {"bytes": len(answer.encode()), "characters": len(answer), "tokens": len(bits)}
        size["words"] = count_words(answer)
        digest = ids_digest(request.ids[request.first :])
        bits_sum = round(float(bits.sum()), 3)
        rows.append({**_place(name, "answers", conversation), **size, "bits": bits_sum, "ids_digest": digest})
    return rows


def _request(conversation: Conversation, subject: Subject) -> Request:
    """Return prompt and answer, tokenised apart as the model meets them."""
    prompt = subject.prompt_ids(conversation.messages[:-1], subject.max_tokens)
    answer = subject.encode(conversation.messages[-1]["content"]).ids
    return Request(np.concatenate([prompt, answer]).astype(np.int64), len(prompt))


def generate_answers(
    name: str, conversations: list[Conversation], config: Generation, subject: Subject, progress: Any
) -> list[Row]:
    """Return one row per prompt and wording: the greedy answer and what it looks like; refused prompts have none."""
    chosen = [(wording, c) for wording in config.wordings or ["direct"] for c in conversations[: config.prompts]]
    asked = [_worded(conversation.messages[:-1], wording, config.language) for wording, conversation in chosen]
    answers = subject.answer(asked, config.max_new_tokens)
    rows = []
    for (wording, conversation), messages, answer in zip(chosen, asked, answers, strict=True):
        if isinstance(answer, Refused):
            continue
        place = _place(name, "generation", conversation)
        if config.wordings:
            place |= {"item": f"{conversation.id}@{config.wordings.index(wording)}", "wording": wording}
        rows.append({**place, **_answer_row(answer, messages, conversation.messages[-1]["content"], config)})
    progress(sum(row["tokens"] for row in rows))
    return rows


def _worded(messages: Sequence[Message], wording: str, language: str) -> list[Message]:
    """Return the turns before an answer, the last one put in the wording asked for."""
    template = _prompt_modes().get(wording, wording)
    if not messages or template == "{prompt}":
        return list(messages)
    text = template.replace("{language}", load_card(language).name).replace("{prompt}", messages[-1]["content"])
    return [*messages[:-1], {**messages[-1], "content": text}]


@cache
def _prompt_modes() -> dict[str, str]:
    return dict(yaml.safe_load((files("newtongue.stages.eval") / "prompt_modes.yaml").read_text("utf-8")))


def _answer_row(answer: tuple[str, int, bool], messages: Sequence[Message], reference: str, config: Generation) -> Row:
    text, tokens, stopped = answer
    prompt = messages[-1]["content"] if messages else ""
    seen = {"prompt": prompt, "reference": reference, "output": text}
    size = {"bytes": len(text.encode()), "tokens": tokens, "words": count_words(text), "stopped": stopped}
    found = judge_answer(text, prompt, config)
    exact = exact_match(text, [reference])
    near = {"exact": exact, "in_language_and_exact": exact and found["faithful"] is not False}
    near |= {"f1": round(f1(text, [reference]), 6), "rouge_l": round(best_rouge_l(text, [reference]), 6)}
    return {**seen, **size, **found, **(near if reference else {})}


def judge_answer(text: str, prompt: str, config: Generation) -> Row:
    """Return what an answer looks like: script, lines, words, norms of writing, loops and emptiness."""
    card = load_card(config.language)
    found: Fidelity = judge(
        text,
        card.script_ranges,
        min_script_fraction=config.min_script_fraction,
        lead_characters=card.lead_characters,
        foreign_characters=card.foreign_characters,
    )
    names = ("empty", "looped", "script_fraction", "in_script", "in_language", "faithful")
    lines = judge_lines(text, language_of(config.language, tuple(config.contrast)), identify, names_in(prompt))
    passed = {"line_pass": False, "word_pass": False} if found.empty else {}
    norms = {"native_digits": native_digits(text, card.digits), "native_marks": native_marks(text, card.sentence_marks)}
    shown = {"line_pass": lines.line_pass, "word_pass": lines.word_pass, **passed, **norms}
    return {name: getattr(found, name) for name in names} | shown


@cache
def language_of(tag: str, contrast: tuple[str, ...]) -> Language:
    """Return what line and word checks need to know of a language, from its card and those it is told from."""
    card = load_card(tag)
    others = {word.casefold() for other in contrast if other != tag for word in load_card(other).stop_words}
    return Language(
        ranges=card.script_ranges,
        code=card.lid,
        confusables=tuple(load_card(other).lid for other in card.confusables),
        spaces=card.spaces,
        own_words=frozenset(word.casefold() for word in card.stop_words),
        foreign_words=frozenset(word for word in others if len(word) >= MIN_WORD_CHARS),
        digits=card.digits,
        sentence_marks=card.sentence_marks,
    )


def _place(name: str, kind: str, conversation: Conversation) -> Row:
    group = conversation.group or conversation.id
    return {"set": name, "kind": kind, "item": conversation.id, "group": group, "task": conversation.task}
