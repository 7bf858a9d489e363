"""Judges: models that grade the answers of others with one digit."""

from __future__ import annotations

import re
from typing import Final

from newtongue.adapters.llm.questions import Question, prompt

GRADE: Final = re.compile(r"(?<!\d)[1-5](?!\d)")
WORST, BEST = 1, 5
MAX_TOKENS: Final = 16
"""Room for the grade of a judge that says a word before it."""


def judge_question(question: Question, answer: str) -> Question:
    """Return the question that asks a judge to grade an answer."""
    rubric = f" {question.rubric}" if question.rubric else ""
    asked = "\n\n".join(message["content"] for message in question.messages)
    user = prompt("judge_user").format(rubric=rubric, question=asked, answer=answer)
    messages = [{"role": "system", "content": prompt("judge_system")}, {"role": "user", "content": user}]
    return Question(
        messages, task="judge", language=question.language, seed=0, max_tokens=MAX_TOKENS, reasks=0, on_length="keep"
    )


def read_grade(text: str) -> float | None:
    """Return a grade as a score in [0, 1]; None when there is none or more than one.

    Example:
        >>> read_grade("Grade: 4")
        0.75
        >>> read_grade("between 2 and 3")
    """
    found = GRADE.findall(text)
    return (int(found[0]) - WORST) / (BEST - WORST) if len(found) == 1 else None
