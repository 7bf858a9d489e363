"""What verdicts and measured models are called on a page."""

from __future__ import annotations

WORDS = {
    "gain": {"pass": "Gain shown", "fail": "No gain", "underpowered": "Not decided: too little text"},
    "retention": {"pass": "Kept", "fail": "Lost more than the limit", "underpowered": "Not decided: too little text"},
    "fidelity": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "stopping": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "control": {"pass": "beaten", "fail": "not beaten", "underpowered": "not decided"},
    "controls": {
        "pass": "All controls beaten",
        "fail": "Not all controls beaten",
        "underpowered": "Controls: not decided",
    },
}
"""What each verdict is called, by what is judged."""
NAMES = {"before": "Base model", "after": "Final model"}


def label_of(name: str) -> str:
    """Return how a measured model is called on the page."""
    return NAMES.get(name, name[:1].upper() + name[1:])
