"""What a check found, and how a list of findings is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from newtongue.core.errors import DataError

Level = Literal["ok", "warning", "error"]
MARKS: dict[str, str] = {"ok": "ok     ", "warning": "warning", "error": "error  "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found.

    Attributes:
        check: Name of the check, stable (`tied_head`).
        level: `ok`, `warning` (works, but look) or `error` (training or serving would fail or go wrong).
        sentence: What was found, with numbers.
        fix: What to do; empty when nothing needs doing.
    """

    check: str
    level: Level
    sentence: str
    fix: str = ""


def from_error(check: str, error: DataError) -> Finding:
    """Return a finding for something that could not even be read."""
    sentence = error.problem + (f"; expected {error.expected}" if error.expected else "")
    return Finding(check, "error", sentence, error.fix)


def worst(findings: Sequence[Finding]) -> Level:
    """Return the gravest level among some findings, `ok` for none."""
    levels = {finding.level for finding in findings}
    return "error" if "error" in levels else "warning" if "warning" in levels else "ok"


def render(findings: Sequence[Finding]) -> str:
    """Return findings as lines of text, problems with what to do about them, and a verdict."""
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.level]}  {finding.check.replace('_', ' ')}: {finding.sentence}")
        if finding.fix and finding.level != "ok":
            lines.append(f"         fix: {finding.fix}")
    counts = {level: sum(finding.level == level for finding in findings) for level in ("error", "warning")}
    verdict = ", ".join(f"{number} {level}{'s' if number != 1 else ''}" for level, number in counts.items() if number)
    return "\n".join([*lines, verdict or "nothing to complain about"])


def facts(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return findings as plain JSON values with the gravest level."""
    return {"level": worst(findings), "findings": [asdict(finding) for finding in findings]}
