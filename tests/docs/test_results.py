"""The README's table is made from the facts of a report and nothing else."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

from docs.blocks import ROOT

RESULTS = runpy.run_path(str(ROOT / "docs" / "results.py"))


def value(middle: float, low: float, high: float) -> dict[str, float]:
    return {"value": middle, "low": low, "high": high}


FACTS: dict[str, Any] = {
    "bootstrap": {"confidence": 0.95},
    "sets": {
        "urdu": {
            "kind": "text",
            "role": "target",
            "scores": {
                "before": {"bits_per_byte": value(9, 8.9, 9.1), "fertility": value(8.4, 8.3, 8.5)},
                "after": {"bits_per_byte": value(1.5, 1.45, 1.56), "fertility": value(2, 1.9, 2.1)},
            },
            "change": {"relative_change": value(-0.83, -0.84, -0.82)},
            "controls": {"counting": {"bits_per_byte": value(1.9, 1.8, 2.0)}},
        },
        "answers": {
            "kind": "generation",
            "role": "target",
            "scores": {
                "before": {"stopped_fraction": value(0, 0, 0.1)},
                "after": {"stopped_fraction": value(1, 0.9, 1)},
            },
            "change": None,
        },
    },
}
COSTS = {"total": {"seconds": 150.0, "usd": 0.0}}
TABLE = """
| on held-out text | base model | result | change |
|---|---:|---:|---:|
| urdu, bits per byte | 9.000 [8.900, 9.100] | 1.500 [1.450, 1.560] | -83.0% [-84.0%, -82.0%] |
| urdu, control: counting |  | 1.900 [1.800, 2.000] |  |
| urdu, tokens per word | 8.40 [8.30, 8.50] | 2.00 [1.90, 2.10] |  |
| answers: answers that end by themselves | 0% [0%, 10%] | 100% [90%, 100%] |  |

Made by `newtongue run demo-books` in 2.5 minutes for $0.00; 95% intervals.

"""


def test_the_table_shows_base_result_change_and_controls() -> None:
    assert RESULTS["table"](FACTS, COSTS) == TABLE


def test_the_newest_report_of_a_store_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "07-report-12345678"
    (folder / "report").mkdir(parents=True)
    (folder / "report" / "facts.json").write_text(json.dumps(FACTS))
    (folder / "manifest.json").write_text("{}")
    assert RESULTS["newest_report"](tmp_path) == folder / "report"
