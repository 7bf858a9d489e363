"""A sweep as one table: initialisers before training, with intervals, over the command line and from hand-made runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.tables.items import read_items, write_items
from newtongue.cli import compare as compare_command
from newtongue.core.errors import DataError, RecipeError
from newtongue.methods.scores import summarise, tables
from newtongue.run.points import side_by_side, table, write_table
from newtongue.run.sweep import PastPoint, read_points

BITS = {"base": (9.0, 1.80), "mean": (4.0, 1.81), "focus / random_normal": (3.5, 1.90)}


def measured(folder: Path, urdu: float, english: float) -> Path:
    """Write scores of two sets, one document a row, and a control that no table shows."""
    rows = [
        {"set": name, "kind": "text", "item": str(n), "group": str(n), "bytes": 10 + n, "bits": bits * (10 + n) + n % 2}
        for name, bits in (("urdu", urdu), ("english", english), ("urdu.6-gram", 2.0))
        for n in range(12)
    ]
    (folder / "scores").mkdir(parents=True)
    write_items(folder / "scores" / "items.parquet", rows)
    roles = {"urdu": {"role": "target"}, "english": {"role": "retention"}, "urdu.6-gram": {"role": "target"}}
    found = {n: summarise(t, draws=200, seed=0) for n, t in tables(read_items(folder / "scores/items.parquet")).items()}
    sets = {name: {**roles[name], "language": "urd_Arab", **facts} for name, facts in found.items()}
    sets["urdu.6-gram"]["control_of"] = "urdu"
    (folder / "scores" / "scores.json").write_text(json.dumps({"model": {}, "sets": sets}), "utf-8")
    return folder


def expanded(folder: Path, certificate: dict[str, Any], kl: dict[str, Any] | None) -> Path:
    """Write what the table reads of a tokenizer stage."""
    (folder / "model").mkdir(parents=True)
    facts: dict[str, Any] = {"input": {"fallback_tokens": 3}, "certificate": certificate}
    facts |= {"measured": {"kl": kl}} if kl else {}
    (folder / "model" / "expansion.json").write_text(json.dumps({"initialisation": facts}), "utf-8")
    (folder / "manifest.json").write_text(json.dumps({"stage": "tokenizer"}), "utf-8")
    return folder


@pytest.fixture
def points(tmp_path: Path) -> list[PastPoint]:
    before = measured(tmp_path / "before", *BITS["base"])
    proved, unproved = ({"greedy": g, "expected_bits": b} for g, b in ((True, 0.0312), (False, None)))
    cost = {"value": 0.012, "low": 0.01, "high": 0.015, "n": 9}
    made = {"mean": expanded(tmp_path / "a", proved, cost)}
    made["focus / random_normal"] = expanded(tmp_path / "b", unproved, None)
    inits = ["mean", {"input": "focus", "head": "random_normal"}]
    return [
        PastPoint(
            {"tokenizer.init": init},
            {"before": before, "tokenizer": made[name], "after": measured(tmp_path / str(number), *BITS[name])},
        )
        for number, (init, name) in enumerate(zip(inits, made, strict=True))
    ]


def test_a_sweep_becomes_a_table_with_intervals(points: list[PastPoint]) -> None:
    facts = side_by_side(points)
    assert (facts["stage"], facts["base_stage"]) == ("after", "before")
    assert facts["sets"] == {"urdu": "target", "english": "retention"}
    first, second = facts["points"]
    assert second["less_first"]["urdu"]["value"] == pytest.approx(-0.5) and first["less_first"] == {}
    assert second["less_base"]["english"]["value"] == pytest.approx(0.1)
    assert first["rows"]["kl_bits"]["low"] == 0.01 and second["rows"]["kl_bits"] is None
    head, _rule, base, mean, focus = ([c.strip() for c in x.strip("|").split("|")] for x in table(facts).splitlines())
    assert head[:5] == ["", "urdu", "less mean", "english", "less base"]
    assert head[5:] == ["KL, bits", "bound, bits", "greedy kept", "fallback"]
    assert base[0] == "base" and base[1].startswith("9.032 [") and base[2:3] == [""] and base[4:] == [""] * 5
    assert mean[2] == "–" and mean[5:] == ["0.012 [0.01, 0.015]", "0.031", "proved", "3"]
    assert focus[0] == "focus / random_normal" and focus[2] == "-0.500 [-0.500, -0.500]"
    assert focus[4] == "+0.100 [+0.100, +0.100]" and focus[5:] == ["–", "–", "not proved", "3"]


def test_other_sweeps_have_a_table_too(points: list[PastPoint]) -> None:
    """Two keys, no tokenizer, no base: levels and differences to the first run are left."""
    plain = [
        PastPoint({"pretrain.learning_rate": rate, "seed": 1}, {"after": point.directories["after"]})
        for rate, point in zip((2e-4, 4e-4), points, strict=True)
    ]
    lines = table(side_by_side(plain)).splitlines()
    assert "| learning_rate 0.0002, seed 1 |" in lines[2] and len(lines) == 4
    assert lines[0].count("less learning_rate 0.0002, seed 1") == 2 and "KL" not in lines[0]


def test_what_cannot_be_shown_is_said(points: list[PastPoint], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run of the sweep is finished"):
        side_by_side([])
    with pytest.raises(DataError, match="the sweep measures nothing"):
        side_by_side([PastPoint({"a": 1}, {"tokenizer": points[0].directories["tokenizer"]})])
    with pytest.raises(RecipeError, match=r"cannot write a sweep as `t\.html`"):
        write_table(side_by_side(points), tmp_path / "t.html")
    with pytest.raises(DataError, match="holds no sweep"):
        compare_command.command(tmp_path)
    with pytest.raises(RecipeError, match="a gate judges two models"):
        compare_command.command(tmp_path, gate=True)


@pytest.mark.timeout(900)  # half a minute on a free core
def test_initialisers_are_swept_and_compared_over_the_command_line(
    tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shipped recipe at rehearsal size: one corpus, one base, two starts of new rows, one table."""
    over = "tokenizer.init.input=[subword_mean, random_normal]"
    process = command(
        *("sweep", "initialisers", "--over", over, "--set", "tokenizer.init.measure_tokens=2000"),
        *("--rehearse", "--out", "store"), cwd=tmp_path,
    )  # fmt: skip
    printed, err = process.communicate()
    assert process.returncode == 0, err
    store = tmp_path / "store"
    assert sorted(p.name[3:-9] for p in store.glob("[0-9]*-*")) == [
        *("after", "after", "before", "corpus", "english", "tokenizer", "tokenizer")
    ]
    compare_command.command(store, out=tmp_path / "t.md")
    assert capsys.readouterr().out == printed and (tmp_path / "t.md").read_text("utf-8") == printed
    compare_command.command(store, json=True)
    facts = json.loads(capsys.readouterr().out)
    assert [point["name"] for point in facts["points"]] == ["subword_mean", "random_normal"]
    for place, point in zip(read_points(store), facts["points"], strict=True):
        said = json.loads((place.directories["after"] / "scores" / "scores.json").read_text("utf-8"))["sets"]
        cost = json.loads((place.directories["tokenizer"] / "model" / "expansion.json").read_text("utf-8"))
        assert cost["initialisation"]["input"]["method"] == point["name"]
        assert point["bits_per_byte"] == {name: said[name]["bits_per_byte"] for name in ("urdu", "english")}
        assert point["rows"]["kl_bits"]["value"] == cost["initialisation"]["measured"]["kl_bits"] > 0
        figures = [*point["bits_per_byte"].values(), *point["less_base"].values(), point["rows"]["kl_bits"]]
        assert all(f["low"] <= f["value"] <= f["high"] and f["n"] > 1 for f in figures)
    assert facts["base"]["urdu"]["value"] > facts["points"][0]["bits_per_byte"]["urdu"]["value"]
