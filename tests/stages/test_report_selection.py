"""The report's section on chosen rows, from the facts a `select` stage writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from stages.test_select import many, run, sealed

from newtongue.stages.report.selection import selection


@pytest.mark.parametrize("method", ["topk", "mdaq_mmr"])
def test_it_shows_scores_map_and_coverage(tmp_path: Path, method: str) -> None:
    run(tmp_path, sealed(tmp_path, many()), method=method, keep=20, embeddings={"dimensions": 32})
    facts = json.loads((tmp_path / "payload" / "selection.json").read_text())
    page = selection({"stages": [{"name": "chosen<", "selection": facts}, {"name": "elsewhere", "selection": {}}]})
    assert f"20 of 108 rows by {method}." in page
    assert "chosen&lt;" in page and "elsewhere" not in page
    assert page.count("rows by score, kept rows filled</figcaption>") == 3
    assert len(re.findall(r"<circle [^>]*class=\"kept\"", page)) == 20
    assert "Clusters of the pool with a row in it" in page
    assert not re.search(r"nan|None", page)


def test_a_choice_without_scores_or_vectors_has_no_section(tmp_path: Path) -> None:
    from dataclasses import replace

    rows = [replace(row, score=float("nan")) for row in many(20)]
    run(tmp_path, sealed(tmp_path, rows), method="random", keep=5)
    facts = json.loads((tmp_path / "payload" / "selection.json").read_text())
    assert selection({"stages": [{"name": "select", "selection": facts}]}) == ""
