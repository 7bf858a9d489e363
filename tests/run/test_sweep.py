"""A sweep reruns exactly what its settings reach; operational settings and addresses rerun nothing."""

from __future__ import annotations

import shutil

import pytest

from newtongue.core.errors import DataError, RecipeError
from newtongue.run.plan import make_plan
from newtongue.run.runner import run
from newtongue.run.store import Store
from newtongue.run.sweep import grid_of, read_points, sweep

STEPS = {
    "corpus": {"stage": "grow"},
    "pretrain": {"corpus": "$corpus"},
    "english": {"text": "e"},
    "after": {"inputs": ["$pretrain", "$english"]},
}


def test_three_learning_rates_rerun_exactly_what_they_reach(tmp_path, recipe_of):
    recipe = recipe_of(STEPS)
    run(recipe, tmp_path / "s")
    rates = [1e-3, 2e-3, 4e-3]
    points = sweep(recipe, {"pretrain.learning_rate": rates}, tmp_path / "s")
    assert [point.settings for point in points] == [{"pretrain.learning_rate": rate} for rate in rates]
    made = {name: {point.run.directories[name].name for point in points} for name in STEPS}
    assert {name: len(each) for name, each in made.items()} == {"corpus": 1, "pretrain": 3, "english": 1, "after": 3}
    assert len(list((tmp_path / "s").glob("*/manifest.json"))) == 8
    assert len(list((tmp_path / "s").glob("recipe-*.yaml"))) == 3


def test_a_grid_is_every_combination_checked_before_the_first_runs(tmp_path, recipe_of):
    recipe = recipe_of(STEPS)
    with pytest.raises(RecipeError, match="greater than or equal to 1"):
        sweep(recipe, {"corpus.chunks": [2, 0]}, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    points = sweep(recipe, {"english.seed": [1, 2], "english.chunks": [1, 2]}, tmp_path / "s", rehearsal=True)
    assert [tuple(point.settings.values()) for point in points] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len({point.run.directories["english"] for point in points}) == 2  # a rehearsal has one chunk


def test_operational_changes_rerun_nothing(tmp_path, recipe_of):
    run(recipe_of(STEPS), tmp_path / "s")
    moved = {"workers": 4, "delay_seconds": 3, "teacher": {"url": "http://elsewhere"}}
    other = recipe_of({name: {**step, **moved} for name, step in STEPS.items()})
    assert {step.action for step in make_plan(other, Store(tmp_path / "s")).steps} == {"reuse"}


def test_a_sweep_is_found_again_in_its_store(tmp_path, recipe_of):
    points = sweep(recipe_of(STEPS), {"pretrain.seed": [1, 2], "title": ["One"]}, tmp_path / "s")
    again = read_points(tmp_path / "s")
    assert [(p.settings, p.directories) for p in again] == [(p.settings, p.directories) for p in points]
    assert again[0].settings == {"pretrain.seed": 1, "title": "One"}
    shutil.rmtree(again[1].directories["after"])
    with pytest.raises(DataError, match="a stage of the sweep is gone"):
        read_points(tmp_path / "s")


@pytest.mark.parametrize("text", ["a.b=3", "a.b=[]", "a.b=one, two", "a.b={x: 1}"])
def test_values_to_sweep_over_stand_in_brackets(text):
    with pytest.raises(RecipeError, match="is no list of values") as caught:
        grid_of([text])
    assert caught.value.expected == "--over 'a.b=[one, another]'"


def test_a_grid_is_read_as_a_recipe_is():
    assert grid_of(["a.b=[1, 2e-4]", "a.c=[mean, {input: focus}]"]) == {
        **{"a.b": [1, 2e-4], "a.c": ["mean", {"input": "focus"}]}
    }
