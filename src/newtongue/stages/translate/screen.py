"""Translate only what holds in any culture: a model scores each row by seven criteria before it is translated.

After the language-agnostic part of UltraLink (arXiv 2402.04588): what is bound to a culture should come
from the language's own documents, the rest may be carried over, and only rows of total score 0 are. The criteria are
theirs, the wording is ours.
"""

from __future__ import annotations

from typing import Any, Final

from newtongue.adapters.llm.questions import Question, Reply
from newtongue.methods.prompts import fill
from newtongue.stages.translate.config import SCREEN

CRITERIA: Final = ("names", "code", "places", "customs", "literature", "objects", "organisations")
"""Full names; code or mathematics; places; customs, politics or religion; literature or humour; things bound to a
culture; organisations."""
FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {name: {"type": "integer", "enum": [0, 1]} for name in CRITERIA},
    "required": list(CRITERIA),
}
BOUND: Final = "not language-agnostic"
UNREADABLE: Final = "no readable screening"


def screen_question(text: str, prompt: str, seed: int) -> Question:
    """Return the question that scores a row.

    Args:
        text: All its texts.
        prompt: The stage's prompt `screen`.
        seed: Seed of the request.
    """
    return Question([{"role": "user", "content": fill(prompt, {"text": text})}], task=SCREEN, seed=seed, form=FORM)


def screened_out(reply: Reply, max_score: int) -> tuple[str, str]:
    """Return (reason, note) when a row is not to be translated, else two empty texts.

    A row that nobody could score is not translated.
    """
    if reply.state != "answered":
        return UNREADABLE, reply.why
    found = [name for name in CRITERIA if reply.value[name]]
    return (BOUND, f"score {len(found)}: {', '.join(found)}") if len(found) > max_score else ("", "")
