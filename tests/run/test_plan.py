"""What a plan says: actions and reasons, demand, estimates that chain, refusals that name the setting."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from newtongue.core import manifest
from newtongue.core.errors import BudgetExceeded, Corrupt, DataError, RecipeError
from newtongue.run import sources
from newtongue.run.afford import check_affordable
from newtongue.run.plan import make_plan
from newtongue.run.runner import run
from newtongue.run.store import Store


def actions(recipe, store: Path) -> dict[str, tuple[str, str]]:
    return {s.step.name: (s.action, s.why) for s in make_plan(recipe, Store(store)).steps}


CHAIN = {"a": {}, "b": {"corpus": "$a"}, "c": {"corpus": "$b"}}


def test_every_action_has_its_reason(tmp_path, recipe_of):
    assert actions(recipe_of(CHAIN), tmp_path / "s") == {name: ("run", "new") for name in "abc"}
    with pytest.raises(DataError):
        run(recipe_of({**CHAIN, "b": {"corpus": "$a", "fault": "data"}}), tmp_path / "s")
    assert actions(recipe_of(CHAIN), tmp_path / "s") == {
        "a": ("reuse", "sealed"), "b": ("resume", "started earlier, not finished"), "c": ("run", "new"),
    }  # fmt: skip
    run(recipe_of(CHAIN), tmp_path / "s")
    changed = {**CHAIN, "b": {"corpus": "$a", "learning_rate": 2e-3, "chunks": 4, "text": "x" * 60}}
    assert actions(recipe_of(changed), tmp_path / "s") == {
        "a": ("reuse", "sealed"),
        "b": ("run", f"chunks default → 4; learning_rate default → 0.002; text default → {'x' * 39}…"),
        "c": ("run", "an input changed"),
    }


def test_a_stage_that_nothing_needs_any_more_is_skipped(tmp_path, recipe_of):
    done = run(recipe_of(CHAIN), tmp_path / "s")
    shutil.rmtree(done.directories["a"])
    assert actions(recipe_of(CHAIN), tmp_path / "s") == {
        "a": ("skip", "nothing that is still to do needs it"), "b": ("reuse", "sealed"), "c": ("reuse", "sealed"),
    }  # fmt: skip
    shutil.rmtree(done.directories["b"])
    assert {name: what for name, (what, _) in actions(recipe_of(CHAIN), tmp_path / "s").items()} == {
        "a": "skip", "b": "skip", "c": "reuse",
    }  # fmt: skip
    again = run(recipe_of(CHAIN), tmp_path / "s")
    assert list(again.directories) == ["c"]
    longer = recipe_of({**CHAIN, "d": {"inputs": ["$b", "$c"]}})
    assert {name: what for name, (what, _) in actions(longer, tmp_path / "s").items()} == {
        "a": "run", "b": "run", "c": "reuse", "d": "run",
    }  # fmt: skip


def test_a_stage_whose_input_was_rebuilt_with_other_bytes_is_refused(tmp_path, recipe_of):
    done = run(recipe_of(CHAIN), tmp_path / "s")
    place = done.directories["a"]
    facts = manifest.read_manifest(place)
    manifest.write_json(place / "manifest.json", {**facts, "digest": "0" * 64})
    with pytest.raises(DataError) as raised:
        make_plan(recipe_of(CHAIN), Store(tmp_path / "s"))
    b = done.directories["b"]
    assert raised.value.text() == (
        f"{b}: was made from $a with other bytes than it has now\n  fix: rm -r {b}, then run again"
    )


def test_a_sealed_stage_that_lost_a_file_is_refused(tmp_path, recipe_of):
    place = run(recipe_of({"a": {}}), tmp_path / "s").directories["a"]
    (place / "corpus" / "chunks.txt").unlink()
    with pytest.raises(Corrupt) as raised:
        make_plan(recipe_of({"a": {}}), Store(tmp_path / "s"))
    assert raised.value.text() == (
        f"{place}: sealed, but chunks.txt is missing or of another size\n"
        f"  fix: restore it, or rm -r {place} and run again"
    )


def test_estimates_chain_before_anything_ran_and_are_facts_afterwards(tmp_path, recipe_of):
    plan = make_plan(recipe_of(CHAIN), Store(tmp_path / "s"))
    assert [step.estimate.makes.documents for step in plan.steps] == [3, 6, 12]
    assert plan.seconds == (3.0, 6.0, 9.0)
    run(recipe_of({"a": {}}), tmp_path / "s")
    after = make_plan(recipe_of(CHAIN), Store(tmp_path / "s")).steps
    assert after[0].estimate.makes.exact and after[0].estimate.makes.documents == 3
    assert 0 < after[0].estimate.seconds[1] < 30


def test_new_data_above_the_limit_stays_unknown_to_plan_and_not_to_run(tmp_path, recipe_of, monkeypatch):
    monkeypatch.setattr(sources, "PLAN_HASH_BYTES", 1000)
    (tmp_path / "big.txt").write_text("x" * 2_000_000)
    recipe = recipe_of({"a": {"corpus": str(tmp_path / "big.txt")}, "b": {"corpus": "$a"}})
    first, second = make_plan(recipe, Store(tmp_path / "s")).steps
    assert first.notes == ("big.txt: unknown until hashed (0.0 GB, ~0 s)",)
    assert (first.fingerprint, first.action, first.why) == ("", "run", "an input is not known yet")
    assert second.fingerprint == ""
    run(recipe, tmp_path / "s")
    assert [step.action for step in make_plan(recipe, Store(tmp_path / "s")).steps] == ["reuse", "reuse"]


def test_the_limit_is_256_megabytes_and_is_counted_over_new_files_only(tmp_path, recipe_of):
    with open(tmp_path / "sparse.txt", "wb") as stream:
        stream.truncate(16_000_000_000)
    recipe = recipe_of({"a": {"corpus": str(tmp_path / "sparse.txt")}})
    (step,) = make_plan(recipe, Store(tmp_path / "s")).steps
    assert step.notes == ("sparse.txt: unknown until hashed (16.0 GB, ~11 s)",)


def refusal(recipe, store: Path) -> str:
    with pytest.raises((RecipeError, BudgetExceeded)) as raised:
        check_affordable(make_plan(recipe, Store(store)))
    return raised.value.text()


def test_too_much_memory_is_refused_naming_the_setting(tmp_path, recipe_of):
    assert refusal(recipe_of({"a": {"memory_gb": 80}}), tmp_path) == (
        "stages.a: needs about 80.0 GB of memory and laptop-cpu has 16.0 GB\n  fix: set `chunks: 1`"
    )


def test_too_much_disk_is_refused_by_run_and_noted_by_plan(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"disk_gb": 600_000}, "b": {"disk_gb": 400_000, "seed": 1}})
    with pytest.raises(RecipeError) as raised:
        run(recipe, tmp_path / "s")
    text = raised.value.text()
    assert text.startswith(f"{tmp_path}/s: needs about 1000000.0 GB of disk and ")
    assert text.endswith(" GB are free\n  fix: free some space, or give --out DIR on another disk")
    check_affordable(make_plan(recipe, Store(tmp_path / "s")))


def test_a_plan_above_the_budget_is_refused_naming_both_sums(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"usd": 3}, "b": {"usd": 4, "seed": 1}}, budget={"usd": 5})
    assert refusal(recipe, tmp_path) == (
        "budget.usd: the plan costs about $7.00 and $5.00 of $5.00 is left\n"
        "  fix: --set budget.usd=7.00, or make the recipe smaller"
    )
    with pytest.raises(BudgetExceeded):
        run(recipe, tmp_path / "s")
    assert not list((tmp_path / "s").glob("*/"))[1:]
    check_affordable(make_plan(recipe_of({"a": {"usd": 3}}, budget={"usd": 5}), Store(tmp_path)))


def test_what_costs_needs_a_budget(tmp_path, recipe_of):
    assert refusal(recipe_of({"a": {"usd": 3}}), tmp_path) == (
        "budget: the plan costs about $3.00 and there is no budget\n  fix: set `budget: {usd: 3.00}`"
    )
    machine = {"machine": {"usd_per_hour": 3600, "memory_gb": 10}}
    assert "the plan costs about $2.00" in refusal(recipe_of({"a": {}}, budget=machine), tmp_path)


def test_money_has_a_range_with_the_machine_in_it(tmp_path, recipe_of):
    recipe = recipe_of({"a": {"usd": 3}}, budget={"usd": 50, "machine": {"usd_per_hour": 3600}})
    assert make_plan(recipe, Store(tmp_path)).usd == (2.5, 5.0, 9.0)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("corpus", "no such file, or an empty folder\n  fix: check the path"),
        ("model", "no such file, or an empty folder\n  fix: check the path"),
    ],
)
def test_a_missing_input_is_named(tmp_path, recipe_of, setting, text):
    with pytest.raises(DataError) as raised:
        make_plan(recipe_of({"a": {setting: str(tmp_path / "none")}}), Store(tmp_path / "s"))
    assert raised.value.text() == f"stages.a.{setting}: {tmp_path}/none: {text}"


def test_a_model_directory_is_checked_for_layout(tmp_path, recipe_of):
    folder = tmp_path / "model"
    folder.mkdir()

    def text() -> str:
        with pytest.raises(DataError) as raised:
            make_plan(recipe_of({"a": {"model": str(folder)}}), Store(tmp_path / "s"))
        return raised.value.problem

    (folder / "README.md").write_text("x")
    assert text() == "not a model directory: config.json is missing"
    (folder / "config.json").write_text("{}")
    assert text() == "no weights: *.safetensors is missing"
    (folder / "pytorch_model.bin").write_text("x")
    assert text() == "the weights are pickles, which can run code when they are read"
    (folder / "model.safetensors").write_text("not weights")
    assert text() == "no tokenizer: tokenizer.json is missing"
    (folder / "tokenizer.json").write_text("{}")
    assert text() == "not a readable safetensors file"
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / "config.json").write_text("{")
    assert text().startswith("config.json is not JSON")


def test_pickled_rows_and_unreadable_endings_are_refused(tmp_path, recipe_of):
    def text(name: str) -> str:
        (tmp_path / name).write_text("x")
        with pytest.raises(DataError) as raised:
            make_plan(recipe_of({"a": {"corpus": str(tmp_path / name)}}), Store(tmp_path / "s"))
        return raised.value.problem

    assert text("rows.pkl") == "rows.pkl can run code when it is read"
    assert text("rows.docx") == "no readable file among rows.docx …"


def test_a_sealed_artefact_of_another_kind_is_refused(tmp_path, recipe_of):
    place = run(recipe_of({"a": {"makes_kind": "Report"}}), tmp_path / "s").directories["a"]
    with pytest.raises(DataError, match="a Report stands where a Corpus is wanted"):
        make_plan(recipe_of({"b": {"corpus": str(place)}}), Store(tmp_path / "t"))


def test_planning_writes_nothing_and_is_quick_and_light(tmp_path):
    code = (
        "import sys; from newtongue.cli.main import main; sys.argv = ['newtongue', 'plan', sys.argv[1], '--json'];\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'pyarrow', 'numba', 'aiohttp'} & set(sys.modules)), file=sys.stderr)"
    )
    steps = "".join(f"  s{n}: {{stage: grow, seed: {n}, inputs: [{f'$s{n - 1}' if n else ''}]}}\n" for n in range(20))
    (tmp_path / "r.yaml").write_text(f"newtongue: 1\nstages:\n{steps}")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "r.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == "[]\n"
    assert len(json.loads(done.stdout)["steps"]) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["r.yaml"]
