"""What running promises: reuse, resume, order, gates, inputs that change, folders that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from newtongue.core import manifest
from newtongue.core.errors import DataError, GateFailed, ProviderError, RecipeError
from newtongue.run import yaml12
from newtongue.run.plan import make_plan
from newtongue.run.recipe import check_config
from newtongue.run.runner import run, run_stage
from newtongue.run.store import Store
from newtongue.stages import CATALOGUE


class Heard:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[tuple[str, float, float | None, str, str]] = []

    def line(self, text: str) -> None:
        self.lines.append(text.strip())

    def progress(self, stage: str, done: float, total: float | None, unit: str, note: str) -> None:
        self.notes.append((stage, done, total, unit, note))


def grow(**settings: object) -> object:
    return check_config(CATALOGUE["grow"].load_config(), settings, "grow")


def test_two_runs_of_a_recipe_give_equal_digests_and_the_second_does_nothing(tmp_path, recipe_of, digests):
    recipe = recipe_of({"a": {}, "b": {"corpus": "$a"}})
    first = run(recipe, tmp_path / "one")
    run(recipe, tmp_path / "two")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    heard = Heard()
    again = run(recipe, tmp_path / "one", heard)
    assert heard.lines == ["a: sealed, reused", "b: sealed, reused"]
    assert again.directories == first.directories
    assert [d.name[:4] for d in first.directories.values()] == ["01-a", "02-b"]


def test_a_sealed_directory_holds_what_it_must(tmp_path, recipe_of):
    text = tmp_path / "text.txt"
    text.write_text("x")
    directory = run(recipe_of({"a": {"corpus": str(text)}}), tmp_path / "s").directories["a"]
    assert {p.name for p in directory.iterdir()} == {
        "manifest.json",
        "config.yaml",
        "journal.jsonl",
        "card.md",
        "corpus",
    }
    assert not os.access(directory / "corpus" / "chunks.txt", os.W_OK) or os.getuid() == 0
    assert (directory / "corpus" / "chunks.txt").stat().st_mode & 0o222 == 0
    facts = manifest.read_manifest(directory)
    assert facts["files"]["clock.txt"] == {"volatile": True}
    assert facts["files"]["chunks.txt"]["sha256"] == manifest.file_sha256(directory / "corpus" / "chunks.txt")
    assert facts["counts"] == {"documents": 3}
    assert facts["costs"]["attempts"] == 1
    assert facts["costs"]["usd"] == 0
    for file in directory.rglob("*"):
        assert str(tmp_path) not in (file.read_text() if file.is_file() else "")
    assert manifest.verify(directory) == []
    assert json.loads((directory / "journal.jsonl").read_text().splitlines()[0])["event"] == "started"


def test_the_resolved_recipe_names_every_directory(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"chunks": 2}, "b": {"corpus": "$a"}}, title="T", budget={"usd": 1})
    done = run(recipe, tmp_path / "s")
    (file,) = (tmp_path / "s").glob("recipe-*.yaml")
    document = yaml12.read(file)
    assert (document["title"], document["budget"]) == ("T", {"usd": 1.0})
    assert {name: stage["directory"] for name, stage in document["stages"].items()} == {
        name: path.name for name, path in done.directories.items()
    }
    assert document["stages"]["a"]["settings"] == {"chunks": 2}
    assert str(tmp_path) not in file.read_text()


def test_the_same_work_under_another_name_is_found(tmp_path, recipe_of):
    run(recipe_of({"a": {"text": "same"}}), tmp_path / "s")
    heard = Heard()
    done = run(recipe_of({"other": {"text": "new"}, "alias": {"text": "same"}}), tmp_path / "s", heard)
    assert done.directories["alias"].name.startswith("01-a-")
    assert "alias: sealed, reused" in heard.lines


def test_the_same_work_twice_in_one_recipe_is_done_once(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"text": "x"}, "b": {"text": "x"}, "c": {"inputs": ["$a", "$b"]}})
    assert [s.action for s in make_plan(recipe, Store(tmp_path / "s")).steps] == ["run", "reuse", "run"]
    done = run(recipe, tmp_path / "s")
    assert done.directories["a"] == done.directories["b"]
    assert len(list((tmp_path / "s").glob("*/manifest.json"))) == 2


def test_a_copied_store_reruns_nothing(tmp_path, recipe_of):
    text = tmp_path / "in" / "text.txt"
    text.parent.mkdir()
    text.write_text("x")
    recipe = recipe_of({"a": {"corpus": str(text)}, "b": {"corpus": "$a"}})
    run(recipe, tmp_path / "s")
    shutil.copytree(tmp_path / "s", tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "s")
    assert [s.action for s in make_plan(recipe, Store(tmp_path / "elsewhere" / "copy")).steps] == ["reuse", "reuse"]


def test_a_gate_says_no_after_sealing_and_again_on_rerun(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"gate": True}})
    for _ in range(2):
        with pytest.raises(GateFailed, match=r"stages\.a: too short"):
            run(recipe, tmp_path / "s")
        assert len(list((tmp_path / "s").glob("*/manifest.json"))) == 1


@pytest.mark.parametrize("kind", ["data", "provider", "budget", "memory", "killed", "bug"])
def test_a_stage_that_failed_goes_on_from_its_scratch(tmp_path, recipe_of, digests, kind):
    run(recipe_of({"a": {}}), tmp_path / "clean")
    with pytest.raises(Exception) as raised:
        run(recipe_of({"a": {"fault": kind}}), tmp_path / "s")
    assert type(raised.value).__name__ == {
        "data": "DataError", "provider": "ProviderError", "budget": "BudgetExceeded",
        "memory": "DataError", "killed": "DataError", "bug": "RuntimeError",
    }[kind]  # fmt: skip
    (step,) = make_plan(recipe_of({"a": {}}), Store(tmp_path / "s")).steps
    assert (step.action, step.why) == ("resume", "started earlier, not finished")
    done = run(recipe_of({"a": {}}), tmp_path / "s")
    assert digests(tmp_path / "s") == digests(tmp_path / "clean")
    assert manifest.read_manifest(done.directories["a"])["costs"]["attempts"] == 2


def test_an_error_of_a_stage_arrives_word_for_word(tmp_path, recipe_of):
    with pytest.raises(DataError) as raised:
        run(recipe_of({"a": {"fault": "data"}}), tmp_path / "s")
    assert raised.value.text() == "rows.jsonl, line 3: a row is broken\n  fix: mend it"
    with pytest.raises(ProviderError):
        run(recipe_of({"b": {"fault": "provider", "seed": 1}}), tmp_path / "s")


def test_a_file_that_changes_while_the_stage_runs_voids_the_work(tmp_path, recipe_of):
    text = tmp_path / "text.txt"
    text.write_text("before")

    class Meddler(Heard):
        def progress(self, *facts: object) -> None:
            text.write_text("after!")

    recipe = recipe_of({"a": {"corpus": str(text), "delay_seconds": 0.3}})
    with pytest.raises(DataError, match="changed while the stage ran") as raised:
        run(recipe, tmp_path / "s", Meddler())
    assert raised.value.fix == "run again"
    assert not list((tmp_path / "s").glob("*/manifest.json"))
    assert not list((tmp_path / "s").glob("*/.scratch"))
    assert list(run(recipe, tmp_path / "s").directories) == ["a"]


def test_a_stage_alone_makes_the_directory_it_is_told(tmp_path):
    out = tmp_path / "deep" / "mine"
    payload = run_stage("grow", grow(), out)
    assert payload == out / "corpus"
    assert manifest.is_sealed(out)
    made = (out / "manifest.json").stat().st_mtime_ns
    assert run_stage("grow", grow(workers=2), out) == payload
    assert (out / "manifest.json").stat().st_mtime_ns == made
    with pytest.raises(DataError) as raised:
        run_stage("grow", grow(seed=1), out)
    assert raised.value.text() == f"{out}: holds another stage or other settings\n  fix: give another --out"
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["mine"]


def test_a_stage_alone_never_writes_into_a_folder_of_the_user(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("me")
    with pytest.raises(DataError, match="is not empty and holds no stage"):
        run_stage("grow", grow(), tmp_path / "letters")
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["dear.txt"]


def test_a_sealed_stage_can_be_named_by_path_its_payload_too(tmp_path, recipe_of):
    payload = run_stage("grow", grow(), tmp_path / "one")
    by_directory = recipe_of({"a": {"corpus": str(tmp_path / "one")}})
    by_payload = recipe_of({"a": {"corpus": str(payload)}})
    by_name = recipe_of({"x": {}, "a": {"corpus": "$x"}})
    plans = [make_plan(r, Store(tmp_path / "s")) for r in (by_directory, by_payload, by_name)]
    assert len({plan.steps[-1].fingerprint for plan in plans}) == 1
    assert all(artefact.sealed for plan in plans for artefact in plan.steps[-1].inputs.values())


def test_a_stage_alone_cannot_refer_to_another(tmp_path):
    with pytest.raises(RecipeError, match=r"\$corpus refers to no stage"):
        run_stage("grow", grow(corpus="$corpus"), tmp_path / "x")


def test_an_output_folder_that_is_a_file_is_refused(tmp_path, recipe_of):
    (tmp_path / "s").write_text("not a folder")
    with pytest.raises(RecipeError, match="the output folder cannot be written") as raised:
        run(recipe_of({"a": {}}), tmp_path / "s")
    assert raised.value.exit_code == 2


def test_the_runner_refuses_to_be_a_rank(tmp_path, recipe_of, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="WORLD_SIZE"):
        run(recipe_of({"a": {}}), tmp_path / "s")


def test_the_runner_imports_no_torch(tmp_path, recipe_of, command):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path;"
        "from newtongue.run.recipe import build; from newtongue.run.runner import run;"
        "run(build({'newtongue': 1, 'stages': {'grow': {}}}, 't', 't'), Path(sys.argv[1]));"
        "print(sorted({'torch', 'transformers', 'pyarrow', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "s"], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_progress_passes_through(tmp_path, recipe_of):
    heard = Heard()
    run(recipe_of({"a": {"delay_seconds": 0.25}}), tmp_path / "s", heard)
    assert heard.notes[-1] == ("a", 3, 3, "chunks", "going on")
    assert heard.lines[0] == "a: run, new"
    assert Path(tmp_path / "s" / "ledger.db").is_file()
