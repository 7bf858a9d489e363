"""One table of initialisers before training, read from the directories of a sweep."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from newtongue.run import step_zero as module
from newtongue.run.step_zero import step_zero, table
from newtongue.run.sweep import Point


def point(folder: Path, init: Any, certificate: dict[str, Any], measured: dict[str, Any] | None) -> Point:
    """Write what the table reads of one run."""
    (folder / "model").mkdir(parents=True)
    facts: dict[str, Any] = {"input": {"fallback_tokens": 3}, "certificate": certificate}
    facts |= {"measured": measured} if measured else {}
    (folder / "model" / "expansion.json").write_text(json.dumps({"initialisation": facts}), "utf-8")
    run: Any = SimpleNamespace(directories={"tokenizer": folder, "before": folder, "after": folder})
    return Point({"tokenizer.init": init}, run)


def test_a_sweep_becomes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"urdu": (9.5, 4.25), "english": (1.8, 1.81)}
    sets = {
        name: {side: {"bits_per_byte": {"value": value}} for side, value in zip(("before", "after"), pair, strict=True)}
        for name, pair in values.items()
    }
    sets["answers"] = {"before": {"stopped_fraction": 1}, "after": {"stopped_fraction": 1}}
    monkeypatch.setattr(module, "compare", lambda *_folders: {"sets": sets})
    proved, open_ = ({"greedy": g, "worst_bits": b, "expected_bits": b} for g, b in ((True, 0.0312), (False, None)))
    points = [
        point(tmp_path / "a", "mean", proved, {"kl_bits": 0.00012}),
        point(tmp_path / "b", {"input": "focus", "head": "random_normal"}, open_, None),
    ]
    rows = step_zero(points, tokenizer="tokenizer", before="before", after="after")
    assert rows[0].bits_per_byte == values
    assert table(rows).splitlines() == [
        "| init | urdu | english | KL, bits | bound, bits | greedy kept | fallback |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| mean | 4.250 | 1.810 | 0.00012 | 0.031 | proved | 3 |",
        "| focus / random_normal | 4.250 | 1.810 | – | – | not proved | 3 |",
    ]
    assert table([]).count("\n") == 1
