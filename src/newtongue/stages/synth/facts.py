"""What a reader wants to know of written rows, as plain values: `synthesis.json` beside them.

Acceptance, reasons, language fidelity per teacher and task, how alike the accepted rows are, and samples. Dollars are
not in it: they stand in the manifest, because they may change where the rows do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from newtongue.adapters.languages import load_card
from newtongue.core.rows import Preference
from newtongue.methods.scripts import script_fraction
from newtongue.methods.similarity import Pool
from newtongue.stages.synth.books import Books, Row, texts_of

SAMPLES_PER_TASK: Final = 1
COMPARED_ROWS: Final = 2000
"""Rows whose likeness is shown, the first ones."""
EDGES: Final = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges of the histogram; what is below the second is one bin."""
NEAR: Final = 0.5
"""Likeness from which a held-out question is counted as near a training one."""
OWN_SCRIPT: Final = 0.5
"""Share of letters from which a text is set in the direction of the row's language."""

Facts = dict[str, Any]


def synthesis_facts(books: Books) -> Facts:
    """Return what became of the rows.

    Args:
        books: What became of every row.
    """
    reasons = Counter(reject.reason for reject in (*books.rejected, *books.failed)).most_common()
    return {
        "format": 1,
        "requests": books.requests,
        "received": books.received,
        "accepted": len(books.accepted),
        "rejected": len(books.rejected),
        "failed": len(books.failed),
        "reasons": [{"reason": reason, "rows": rows} for reason, rows in reasons],
        "fidelity": [
            {"teacher": teacher, "task": task, **{name: told[name] for name in ("right", "unknown", "wrong")}}
            for (teacher, task), told in sorted(books.fidelity.items())
        ],
        "likeness": {"edges": list(EDGES), "counts": _histogram(books)},
        "border": _border(books),
        "samples": list(_samples(books)),
    }


def _histogram(books: Books) -> list[int]:
    """Return in how many rows the first question is how alike to the most similar one before it."""
    pool, counts = Pool(EDGES[1]), Counter[float]()
    for row in books.accepted[:COMPARED_ROWS]:
        text = texts_of(row)[0]
        near = pool.nearest(text)
        counts[max((low for low in EDGES[1:-1] if near and near[0] >= low), default=EDGES[0])] += 1
        pool.add(row.id, text)
    return [counts[low] for low in EDGES[:-1]]


def _border(books: Books) -> Facts | None:
    """Return how many held-out questions come near a training one; translations are not recognised."""
    heldout = [row for row in books.accepted if row.split == "heldout"]
    if not heldout:
        return None
    pool = Pool(NEAR)
    for row in books.accepted:
        if row.split != "heldout":
            pool.add(row.id, texts_of(row)[0])
    near = sum(pool.nearest(texts_of(row)[0]) is not None for row in heldout)
    return {"heldout": len(heldout), "near": near, "above": NEAR}


def _samples(books: Books) -> Iterator[Facts]:
    """Yield the first rows of each task."""
    shown: Counter[str] = Counter()
    for row in books.accepted:
        if shown[row.task] < SAMPLES_PER_TASK:
            shown[row.task] += 1
            yield {"task": row.task, "language": row.language, "turns": _turns(row)}


def _turns(row: Row) -> list[Facts]:
    if isinstance(row, Preference):
        roles = [*(turn["role"] for turn in row.prompt), "chosen", "rejected"]
    else:
        roles = [turn["role"] for turn in row.messages]
    ranges = load_card(row.language).script_ranges
    return [
        {"role": role, "text": text, "own_script": (script_fraction(text, ranges) or 0.0) >= OWN_SCRIPT}
        for role, text in zip(roles, texts_of(row), strict=True)
    ]
