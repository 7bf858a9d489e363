"""Pools that are not held in memory: cut into shards by chance, chosen from twice, read again from disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages.synth_kit import context
from stages.test_select import EMBEDDED, TAGS, Artefact, counts, explained, kept, many, run, sealed
from stages.test_select_scorer import train

from newtongue.adapters.hf.pico import make_pico
from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import RecipeError
from newtongue.core.rows import Conversation
from newtongue.methods.selection import draw_order
from newtongue.methods.submodular import facility_value
from newtongue.stages.select.config import Embeddings, SelectConfig
from newtongue.stages.select.estimate import estimate
from newtongue.stages.select.pool import read_pool
from newtongue.stages.select.stage import select
from newtongue.stages.select.vectors import embed

ROOT = Path(__file__).resolve().parents[2]


def chosen(folder: Path, source: Artefact, **settings: Any) -> list[str]:
    run(folder, source, **settings)
    return kept(folder)


@pytest.mark.parametrize("method", ["random", "length", "topk"])
@pytest.mark.parametrize("scope", ["global", "language"])
def test_choices_by_a_number_per_row_are_those_of_one_piece(tmp_path: Path, method: str, scope: str) -> None:
    source = sealed(tmp_path, many())
    settings = {"method": method, "scope": scope, "keep": 12, "quotas": {"language": {"swh_Latn": 5}}}
    whole = chosen(tmp_path / "a", source, **settings)
    assert chosen(tmp_path / "b", source, **settings, shard_rows=30) == whole


@pytest.mark.parametrize("method", EMBEDDED)
def test_one_shard_is_the_whole(tmp_path: Path, method: str) -> None:
    source = sealed(tmp_path, many())
    whole = chosen(tmp_path / "a", source, method=method, keep=12)
    assert chosen(tmp_path / "b", source, method=method, keep=12, shard_rows=120) == whole
    files = [(tmp_path / name / "payload" / "explained.jsonl").read_bytes() for name in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize("scope", ["global", "language"])
@pytest.mark.parametrize("method", ["random", "mdaq_cluster", "mdaq_mmr", "k_center", "facility_location"])
def test_numbers_are_kept_and_every_row_is_explained(tmp_path: Path, method: str, scope: str) -> None:
    quotas = {"language": {"urd_Arab": 6}} | ({"task": {"qa": 8}} if scope == "global" else {})
    settings = {"keep": 12, "quotas": quotas, "protect": ["hin-3"]}
    done = run(tmp_path, sealed(tmp_path, many()), method=method, scope=scope, shard_rows=30, **settings)
    assert counts(tmp_path, "language")["urd_Arab"] == 6
    assert scope == "language" or counts(tmp_path, "task") == {"qa": 8, "story": 4}
    lines = explained(tmp_path)
    assert len(lines) == 108 and {line["id"] for line in lines if line["kept"]} == set(kept(tmp_path))
    assert next(line["why"] for line in lines if line["id"] == "hin-3") == "protected"
    assert any(line["why"].startswith("in its shard: ") for line in lines)
    assert len(kept(tmp_path, "heldout")) == 12
    facts = json.loads((tmp_path / "payload" / "selection.json").read_text())
    assert facts["shards"] == 4 and f"The pool was cut into {facts['shards']} shards by chance" in done.card[1]
    if method != "random":
        assert all(line["cluster"] >= 0 and line["nearest_kept"] in kept(tmp_path) for line in lines)


def test_vectors_mapped_from_disk_are_those_held(tmp_path: Path) -> None:
    source, found = sealed(tmp_path, many()), []
    for shard_rows in (120, 30):
        config = SelectConfig.model_validate({"candidates": "$synth", "shard_rows": shard_rows})
        place = context(tmp_path / str(shard_rows), {"$synth": source})
        pool = read_pool(config, place)
        assert pool.streamed == (shard_rows == 30)
        assert [row.id for row in pool.rows()] == pool.names
        found.append([embed(Embeddings(dimensions=48, centred=centred), place, pool) for centred in (False, True)])
    for held, mapped in zip(*found, strict=True):
        assert np.array_equal(held, mapped)


def test_near_copies_give_way_across_shards(tmp_path: Path) -> None:
    rows = many(40, ("swh_Latn",))[:10]
    copies = [replace(rows[0], id=f"copy-{n}") for n in range(100)]
    found = chosen(
        tmp_path, sealed(tmp_path, [*copies, *rows[1:]]), method="k_center", keep=9, shard_rows=30, protect=["copy-0"]
    )
    assert sum(name.startswith("copy") for name in found) == 1
    assert len(found) == 9


def test_representing_all_in_shards_stays_near_one_piece(tmp_path: Path) -> None:
    source = sealed(tmp_path, many())
    config = SelectConfig.model_validate({"candidates": "$synth"})
    pool = read_pool(config, context(tmp_path / "v", {"$synth": source}))
    rows = embed(Embeddings(), context(tmp_path / "v", {"$synth": source}), pool)
    values = []
    for shard_rows in (1000, 30):
        names = chosen(tmp_path / str(shard_rows), source, method="facility_location", keep=9, shard_rows=shard_rows)
        values.append(facility_value(rows, rows, [pool.names.index(name) for name in names]))
    assert values[1] >= 0.9 * values[0]


def test_shards_that_keep_everything_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="4 shards of at most 30 rows keep all their rows") as refused:
        run(tmp_path, sealed(tmp_path, many()), keep=90, shard_rows=30)
    assert "set it to more than twice what is kept (90)" in str(refused.value)


def test_rounds_go_on_until_what_is_left_fits(tmp_path: Path) -> None:
    source = sealed(tmp_path, many(80))
    found = chosen(tmp_path, source, keep=10, shard_rows=21)
    rows = [f"{tag[:3]}-{n}" for tag in TAGS for n in range(80) if n % 10 != 9]
    assert sorted(found) == sorted(rows[place] for place in draw_order(rows, 0)[:10])
    assert isinstance(next(iter(read_pool_rows(tmp_path, source))), Conversation)


def test_memory_grows_with_a_shard_and_not_with_the_text() -> None:
    config = SelectConfig.model_validate({"candidates": "$synth", "method": "mdaq_mmr", "keep": 10_000})
    sizes = [Counts(documents=n, utf8_bytes=1000 * n) for n in (1_000_000, 10_000_000)]
    held, mapped = (estimate(config, {"$synth": size}, Machine()) for size in sizes)
    assert held.memory_gb > 7 and mapped.memory_gb < 5
    assert mapped.disk_gb > 20


def read_pool_rows(folder: Path, source: Artefact) -> list[Any]:
    """Every row of a streamed pool, read twice."""
    config = SelectConfig.model_validate({"candidates": "$synth", "shard_rows": 21})
    pool = read_pool(config, context(folder / "r", {"$synth": source}))
    first = list(pool.every())
    assert first == list(pool.every())
    return first


@pytest.fixture(scope="module")
def scored_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of candidates and a scorer trained on them."""
    folder = tmp_path_factory.mktemp("pool")
    train(folder, many(40))
    return folder


def elsewhere(folder: Path, pool: Path, runner: str, processes: int, **settings: Any) -> dict[str, bytes]:
    """The payload of a choice from shards made in another process."""
    given = {"shard_rows": 30, "keep": 9, **settings, "engine": {"runner": runner, "processes": processes}}
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    command = [sys.executable, str(ROOT / "tests/stages/select_elsewhere.py")]
    subprocess.run(
        [*command, str(folder), str(pool / "candidates"), json.dumps(given)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    return {file.name: file.read_bytes() for file in (folder / "payload").iterdir()}


@pytest.mark.parametrize(
    ("method", "runner", "processes"),
    [("mdaq_mmr", "native", 2), ("facility_location", "native", 1), ("mdaq_mmr", "ray", 2)],
)
def test_where_shards_run_changes_no_byte(
    tmp_path: Path, scored_pool: Path, method: str, runner: str, processes: int
) -> None:
    pytest.importorskip("daft", reason="needs the extra `corpus`")
    if runner == "ray":
        pytest.importorskip("ray", reason="needs the extra `scale`")
    settings = {"method": method, "scope": "language", "protect": ["hin-3"]}
    plain = elsewhere(tmp_path / "plain", scored_pool, "plain", 1, **settings)
    assert elsewhere(tmp_path / runner, scored_pool, runner, processes, **settings) == plain
    assert json.loads(plain["selection.json"])["shards"] == 4


def test_new_tokens_are_covered_from_shards(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "pico")
    (model / "expansion.json").write_text('{"first_new_id": 256, "new_tokens": 400}')
    inputs = {"$synth": sealed(tmp_path, many()), "./m": Artefact("Model", model)}
    covered = []
    for shard_rows in (1000, 30):
        settings = {"method": "new_token_coverage", "vocabulary": "./m", "keep": 9, "shard_rows": shard_rows}
        select(SelectConfig.model_validate({"candidates": "$synth", **settings}), context(tmp_path, inputs))
        facts = json.loads((tmp_path / "payload" / "selection.json").read_text())
        assert facts["kept"] == 9
        covered.append(facts["coverage"]["new_tokens"]["after"])
    assert covered[1] >= 0.8 * covered[0]


def test_two_shards_at_a_time_take_twice_the_memory() -> None:
    def memory(processes: int, rows: int) -> float:
        settings = {"method": "mdaq_mmr", "keep": 10_000, "engine": {"processes": processes}}
        config = SelectConfig.model_validate({"candidates": "$synth", **settings})
        return estimate(config, {"$synth": Counts(documents=rows, utf8_bytes=rows)}, Machine()).memory_gb

    assert memory(2, 10_000_000) - memory(1, 10_000_000) == pytest.approx(6 * 1_000_000 * 384 / 1e9)
    assert memory(2, 1_000_000) == memory(1, 1_000_000)
