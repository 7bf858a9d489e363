"""Held-out conversations: the reference answers in bits per byte, and the model's own answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from newtongue.adapters.hf.scoring import Request, ids_digest
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables import read_conversations
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation
from newtongue.methods.fidelity import Fidelity, judge
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
    """Return one row per prompt: the greedy answer and what it looks like."""
    chosen = conversations[: config.prompts]
    answers = subject.answer([c.messages[:-1] for c in chosen], config.max_new_tokens)
    rows = []
    for conversation, (text, tokens, stopped) in zip(chosen, answers, strict=True):
        seen = {"prompt": conversation.messages[-2]["content"] if len(conversation.messages) > 1 else ""}
        seen |= {"reference": conversation.messages[-1]["content"], "output": text}
        size = {"bytes": len(text.encode()), "tokens": tokens, "words": count_words(text), "stopped": stopped}
        rows.append({**_place(name, "generation", conversation), **seen, **size, **_verdicts(text, config)})
    progress(sum(row["tokens"] for row in rows))
    return rows


def _verdicts(text: str, config: Generation) -> Row:
    card = load_card(config.language)
    found: Fidelity = judge(
        text,
        card.script_ranges,
        min_script_fraction=config.min_script_fraction,
        lead_characters=card.lead_characters,
        foreign_characters=card.foreign_characters,
    )
    names = ("empty", "looped", "script_fraction", "in_script", "in_language", "faithful")
    return {name: getattr(found, name) for name in names}


def _place(name: str, kind: str, conversation: Conversation) -> Row:
    group = conversation.group or conversation.id
    return {"set": name, "kind": kind, "item": conversation.id, "group": group, "task": conversation.task}
