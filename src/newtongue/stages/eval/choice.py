"""Multiple choice from one JSONL file: which ending does the model find most likely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from newtongue.adapters.hf.scoring import Encoded, Request
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.methods.bits_per_byte import token_starts
from newtongue.stages.eval.config import MultipleChoice
from newtongue.stages.eval.subject import Subject

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a task."""

    id: str
    group: str
    question: str
    choices: list[str]
    answer: int


def read_questions(artefact: Artefact) -> list[Question]:
    """Read the questions of a task file.

    Raises:
        DataError: A row cannot be used; the message names file, line and what is wrong with it.
    """
    found = [_question(row, place) for place, row in read_rows(artefact.path)]
    if not found:
        raise DataError("no question in this file", place=artefact.name)
    return found


def _question(row: Row | Reject, place: str) -> Question:
    expected = '{"question": "…", "choices": ["…", "…"], "answer": 0}'
    if isinstance(row, Reject):
        raise DataError(row.reason, place=place, expected=expected)
    question, choices, answer = (row.get(name) for name in ("question", "choices", "answer"))
    if not isinstance(question, str):
        raise DataError("`question` is not a text", place=place, expected=expected)
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c for c in choices):
        raise DataError("`choices` is not a list of at least two texts", place=place, expected=expected)
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(choices):
        raise DataError(
            f"`answer` is {answer!r}, out of range for {len(choices)} choices",
            place=place,
            expected=f"an index from 0 to {len(choices) - 1}",
            fix="answers count from 0",
        )
    key = str(row.get("id", place))
    return Question(key, str(row.get("group", key)), question, choices, answer)


def score_choices(
    name: str, questions: list[Question], config: MultipleChoice, subject: Subject, progress: Any
) -> list[Row]:
    """Return one row per question: whether the right choice needs the fewest bits per byte.

    Source: `acc_bytes` of lm-evaluation-harness (api/task.py); all choices of a question are scored
        from their last common token boundary, so a token across the join does no harm.
    """
    joiner = " " if load_card(config.language).spaces else ""
    asked = [_requests(question, joiner, subject) for question in questions]
    found = iter(subject.bits([request for group in asked for request in group], progress))
    rows = []
    for question, group in zip(questions, asked, strict=True):
        bits = [float(next(found).sum()) for _request in group]
        sizes = [len(choice.encode()) for choice in question.choices]
        best = int(np.argmin(np.divide(bits, sizes)))
        rows.append(
            {
                **{"set": name, "kind": "choice", "item": question.id, "group": question.group},
                **{"prompt": question.question, "reference": question.choices[question.answer]},
                **{"output": question.choices[best], "correct": best == question.answer},
                "choice": best,
                "bits": round(bits[question.answer], 3),
                "chance": 1 / len(question.choices),
                "bytes": sizes[question.answer],
            }
        )
    return rows


def _requests(question: Question, joiner: str, subject: Subject) -> list[Request]:
    lead = question.question + ("" if question.question[-1:].isspace() else joiner)
    texts = [lead + choice for choice in question.choices]
    encoded = [subject.encode(text) for text in texts]
    join = len(question.question.encode())
    first = min(_first_of_choice(e, text, join) for e, text in zip(encoded, texts, strict=True))
    first = min(first, _common_prefix([e.ids.tolist() for e in encoded]))
    return [_request(e, first, subject) for e in encoded]


def _first_of_choice(encoded: Encoded, text: str, join: int) -> int:
    starts = token_starts(encoded.offsets, text)
    return int(np.searchsorted(starts, join))


def _common_prefix(rows: list[list[int]]) -> int:
    for place, ids in enumerate(zip(*rows, strict=False)):
        if len(set(ids)) > 1:
            return place
    return min(map(len, rows)) - 1


def _request(encoded: Encoded, first: int, subject: Subject) -> Request:
    return Request(np.concatenate([[subject.start], encoded.ids]).astype(np.int64), first + 1)
