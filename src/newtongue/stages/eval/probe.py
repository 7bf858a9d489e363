"""The in-context probe: what a demonstration saves in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from newtongue.adapters.hf.scoring import Request
from newtongue.methods.bits_per_byte import token_starts
from newtongue.methods.in_context import ProbeItem, probe_items
from newtongue.stages.eval.config import InContextProbe
from newtongue.stages.eval.subject import Subject

Row = dict[str, Any]


def score_probe(name: str, config: InContextProbe, subject: Subject, progress: Any) -> list[Row]:
    """Return one row per item: bits of its answer after the demonstration, and without it."""
    items = probe_items(config.items_per_task, config.seed)
    asked = [_request(item, shown, subject) for item in items for shown in (item.context, "")]
    found = iter(subject.bits(asked, progress))
    rows = []
    for number, item in enumerate(items):
        inside, alone = next(found), next(found)
        rows.append(
            {
                **{"set": name, "kind": "probe", "item": f"{item.task}-{number}", "group": f"{item.task}-{number}"},
                **{"task": item.task, "bytes": len(item.answer.encode()), "tokens": len(inside)},
                **{"bits": round(float(inside.sum()), 3), "bits_alone": round(float(alone.sum()), 3)},
            }
        )
    return rows


def _request(item: ProbeItem, context: str, subject: Subject) -> Request:
    """Return the tokens of the whole text, scored from the token in which the answer starts."""
    text = context + item.lead + item.answer
    encoded = subject.encode(text)
    join = len((context + item.lead).encode())
    first = int(np.searchsorted(token_starts(encoded.offsets, text), join))
    return Request(np.concatenate([[subject.start], encoded.ids]).astype(np.int64), first + 1)
