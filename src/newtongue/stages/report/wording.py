"""What verdicts, measures and measured models are called on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.methods.comparison import MIN_SAVING
from newtongue.stages.report.markup import NO_BREAK, number, signed, signed_percent

WORDS = {
    "gain": {"pass": "Gain shown", "fail": "No gain", "underpowered": "Not decided: too little text"},
    "retention": {"pass": "Kept", "fail": "Lost more than the limit", "underpowered": "Not decided: too little data"},
    "fidelity": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "stopping": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "control": {"pass": "beaten", "fail": "not beaten", "underpowered": "not decided"},
    "controls": {
        "pass": "All controls beaten",
        "fail": "Not all controls beaten",
        "underpowered": "Controls: not decided",
    },
    "models": {"before": "Base model", "after": "Final model"},
}
"""What each verdict is called, by what is judged."""
MEASURES = {"bits_per_byte": "bits per byte", "accuracy": "correct answers", "in_context_saving": "saved by context"}
"""What each part of the retention gate measures."""


def label_of(name: str) -> str:
    """Return how a measured model is called on the page."""
    return WORDS["models"].get(name, name[:1].upper() + name[1:])


def p_text(p: float | None) -> str:
    """Return a p-value with three digits, a bound where they would all be zero.

    Example:
        >>> p_text(0.0412), p_text(1e-9), p_text(None)
        ('0.041', '<0.001', '–')
    """
    return "<0.001" if p is not None and p < 0.0005 else number(p, 3)


def unjudged_probe(name: str, facts: Mapping[str, Any]) -> str:
    """Return what became of an in-context probe whose base saves too little to be judged, "" for any other set.

    Args:
        name: Name of the set.
        facts: The set with `change` and both models' `scores`.
    """
    change = facts["change"] or {}
    if facts["kind"] != "probe" or not change.get("nothing_to_lose") or facts["role"] != "retention":
        return ""
    before, after = (facts["scores"][label]["saving"]["value"] for label in ("before", "after"))
    moved = "fell" if after < before else "rose" if after > before else "stayed"
    least, was, now = f"{100 * MIN_SAVING:.0f} %", per_cent(before), per_cent(after)
    return (
        f"The probe “{name}” is not judged: the base hardly uses context (it saves {was} of the bits, and a loss is "
        f"judged from {least}). The share saved {moved} from {was} to {now}."
    )


def per_cent(share: float) -> str:
    """Return a share in per cent with one digit, with a minus sign where it is below zero.

    Example:
        >>> per_cent(0.081), per_cent(-0.4)
        ('8.1 %', '−40.0 %')
    """
    return f"{100 * share:.1f} %".replace("-", "−")


def loss_text(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return the change behind a part of the retention gate and its limit, in the measure's own direction.

    Example:
        >>> loss = {"value": 0.01, "low": 0.0, "high": 0.02, "n": 9}
        >>> loss_text({"measure": "accuracy", "loss": loss, "limit": 0.02})[0].replace(NO_BREAK, " ")
        '−1.0 points [−2.0, +0.0]'
    """
    loss = part["loss"]
    if part["measure"] == "bits_per_byte":
        ends = f"[{signed_percent(loss['low'])}, {signed_percent(loss['high'])}]"
        return f"{signed_percent(loss['value'])} {ends}", signed_percent(part["limit"])
    value, low, high = (None if loss[end] is None else 0.0 - 100 * loss[end] for end in ("value", "high", "low"))
    shown = f"{signed(value, 1)}{NO_BREAK}points [{signed(low, 1)}, {signed(high, 1)}]"
    return shown, f"{number(-100 * part['limit'], 1)}{NO_BREAK}points"
