"""Write the README's table of results from a finished run: `python docs/results.py runs/demo`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->"
SHARES = {"stopped_fraction": "answers that end by themselves", "faithful_fraction": "answers in the language's script"}

Facts = dict[str, Any]


def main(store: str = "runs/demo") -> None:
    """Replace what stands between the README's two marks by the table of the store's newest report."""
    report = newest_report(Path(store))
    facts, costs = (json.loads((report / name).read_text("utf-8")) for name in ("facts.json", "costs.json"))
    head, rest = README.read_text("utf-8").split(BEGIN)
    README.write_text(head + BEGIN + table(facts, costs) + END + rest.split(END)[1], "utf-8")


def newest_report(store: Path) -> Path:
    """Return the payload folder of the report sealed last in a store."""
    manifests = [file for file in store.glob("*/manifest.json") if (file.parent / "report" / "facts.json").is_file()]
    return max(manifests, key=lambda file: file.stat().st_mtime).parent / "report"


def table(facts: Facts, costs: Facts) -> str:
    """Return the results as Markdown: base, result, change, and what would have happened without."""
    lines = ["| on held-out text | base model | result | change |", "|---|---:|---:|---:|"]
    for name, found in facts["sets"].items():
        lines += [f"| {' | '.join(row)} |" for row in rows_of(name, found)]
    minutes, usd = costs["total"]["seconds"] / 60, costs["total"]["usd"]
    share = facts["bootstrap"]["confidence"]
    note = f"Made by `newtongue run demo-books` in {minutes:.1f} minutes for ${usd:.2f}; {share:.0%} intervals."
    return "\n".join(["", *lines, "", note, "", ""])


def rows_of(name: str, found: Facts) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of one set: bits per byte with its controls and fertility, or the shares of its answers."""
    before, after = (found["scores"].get(side) or {} for side in ("before", "after"))
    if "bits_per_byte" in after:
        change = (found.get("change") or {}).get("relative_change")
        values = [interval(side.get("bits_per_byte"), "{:.3f}") for side in (before, after)]
        yield f"{name}, bits per byte", *values, interval(change, "{:+.1%}")
        controls = found.get("controls") or {} if found["role"] == "target" else {}
        for label, control in controls.items():
            yield f"{name}, control: {label}", "", interval(control["bits_per_byte"], "{:.3f}"), ""
        if found["role"] == "target" and found["kind"] == "text":
            yield (
                f"{name}, tokens per word",
                *(interval(side.get("fertility"), "{:.2f}") for side in (before, after)),
                "",
            )
    for key, label in SHARES.items():
        if after.get(key):
            yield f"{name}: {label}", *(interval(side.get(key), "{:.0%}") for side in (before, after)), ""


def interval(found: Facts | None, form: str) -> str:
    """Return a value with its interval."""
    if not found:
        return ""
    value, low, high = (form.format(found[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


if __name__ == "__main__":
    main(*sys.argv[1:])
