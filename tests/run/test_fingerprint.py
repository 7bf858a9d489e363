"""What the identity of a stage's work depends on, as tables: settings, inputs, language cards; and what it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from newtongue.core.errors import RecipeError
from newtongue.run.plan import make_plan
from newtongue.run.runner import run
from newtongue.run.store import Store
from newtongue.stages import CATALOGUE, Entry


@pytest.fixture
def mark(tmp_path, recipe_of):
    """A function: settings of one `grow` stage -> fingerprint."""

    def of(header: dict | None = None, **settings: object) -> str:
        recipe = recipe_of({"a": settings}, **(header or {}))
        return make_plan(recipe, Store(tmp_path / "no-store")).steps[-1].fingerprint

    return of


SEMANTIC = [
    {"chunks": 4}, {"text": "b"}, {"learning_rate": 2e-3}, {"seed": 1}, {"gate": True}, {"language": "urd_Arab"},
    {"teacher": {"temperature": 0.5}}, {"corpus": "asset:sample/urd_Arab.jsonl"}, {"makes_kind": "Model"},
]  # fmt: skip
OPERATIONAL = [
    {"workers": 4}, {"delay_seconds": 1}, {"fault": "data"}, {"usd": 3}, {"memory_gb": 2},
    {"teacher": {"url": "http://one"}}, {"teacher": {"url": "http://two", "api_key": "env:KEY"}},
]  # fmt: skip
SAME = [
    {"chunks": 3},
    {"learning_rate": 0.001},
    {"learning_rate": "1e-3"},
    {"teacher": {}},
    {"teacher": {"temperature": 1}},
]


@pytest.mark.parametrize("settings", SEMANTIC, ids=str)
def test_a_semantic_setting_counts(mark, settings):
    assert mark(**settings) != mark()


@pytest.mark.parametrize("settings", OPERATIONAL + SAME, ids=str)
def test_operational_settings_and_stated_defaults_do_not_count(mark, settings):
    assert mark(**settings) == mark()


def test_header_seed_counts_only_as_the_stages_seed(mark):
    assert mark({"seed": 4}) == mark(seed=4)
    assert mark({"seed": 4}, seed=0) == mark()
    assert mark({"title": "x", "budget": {"usd": 3}}) == mark()


def test_a_name_does_not_count_and_the_order_of_settings_neither(tmp_path, recipe_of):
    recipe = recipe_of({"one": {"text": "x", "seed": 2}, "two": {"seed": 2, "text": "x"}})
    first, second = make_plan(recipe, Store(tmp_path)).steps
    assert first.fingerprint == second.fingerprint


def test_the_order_of_a_mapping_of_the_user_counts(mark, tmp_path):
    one, two = (str(tmp_path / name) for name in ("one.txt", "two.txt"))
    for file in (one, two):
        Path(file).write_text(file)
    assert mark(named={"x": one, "y": two}) != mark(named={"y": two, "x": one})


def test_the_version_and_the_key_count(mark, monkeypatch):
    before = mark()
    monkeypatch.setitem(CATALOGUE, "grow", Entry("grow", "grow", "GrowConfig", version=2))
    assert mark() != before


def test_content_counts_and_the_place_does_not(mark, tmp_path):
    for folder, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "x.jsonl").write_text(text)
        (tmp_path / folder / "sub" / "x.jsonl").write_text("deep")
        (tmp_path / folder / ".hidden.jsonl").write_text(folder)
        (tmp_path / folder / ".git").mkdir()
        (tmp_path / folder / ".git" / "x.jsonl").write_text(folder)
    a, b, c = (str(tmp_path / folder) for folder in "abc")
    assert mark(corpus=f"{a}/x.jsonl") == mark(corpus=f"{b}/x.jsonl") != mark(corpus=f"{c}/x.jsonl")
    assert mark(corpus=a) == mark(corpus=b) != mark(corpus=c)
    assert mark(corpus=f"{a}/*.jsonl") == mark(corpus=f"{b}/*.jsonl") != mark(corpus=f"{c}/*.jsonl")
    assert mark(corpus=f"{a}/**/*.jsonl") == mark(corpus=f"{b}/**/*.jsonl") != mark(corpus=f"{a}/*.jsonl")


def test_a_file_in_a_folder_counts_by_its_name_too(mark, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("1")
    before = mark(corpus=str(tmp_path / "a"))
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "y.txt")
    assert mark(corpus=str(tmp_path / "a")) != before


def test_a_file_edited_in_place_counts_even_with_the_old_size_and_time(tmp_path, recipe_of):
    text = tmp_path / "x.txt"
    text.write_text("before")
    recipe = recipe_of({"a": {"corpus": str(text)}, "b": {}, "c": {"inputs": ["$a", "$b"]}})
    run(recipe, tmp_path / "s")
    old = text.stat()
    text.write_text("AFTER!")
    os.utime(text, ns=(old.st_atime_ns, old.st_mtime_ns))
    steps = make_plan(recipe, Store(tmp_path / "s")).steps
    assert [(s.step.name, s.action, s.why) for s in steps] == [
        ("a", "run", "an input changed"), ("b", "reuse", "sealed"), ("c", "run", "an input changed"),
    ]  # fmt: skip
    text.write_text("before")
    assert {s.action for s in make_plan(recipe, Store(tmp_path / "s")).steps} == {"reuse"}


def test_a_copy_of_an_input_reruns_nothing(tmp_path, recipe_of):
    (tmp_path / "x.txt").write_text("text")
    run(recipe_of({"a": {"corpus": str(tmp_path / "x.txt")}}), tmp_path / "s")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "x.txt", tmp_path / "copy" / "x.txt")
    recipe = recipe_of({"a": {"corpus": str(tmp_path / "copy" / "x.txt")}})
    assert make_plan(recipe, Store(tmp_path / "s")).steps[0].action == "reuse"


def test_the_part_of_a_stage_counts(tmp_path, recipe_of):
    steps = {"x": {}, "all": {"corpus": "$x"}, "train": {"corpus": "$x.train"}, "held": {"corpus": "$x.heldout"}}
    marks = [step.fingerprint for step in make_plan(recipe_of(steps), Store(tmp_path)).steps]
    assert len(set(marks)) == 4


def test_a_language_counts_by_what_its_card_says(mark, monkeypatch):
    from newtongue.adapters import languages

    before, plain, generic = mark(language="urd_Arab"), mark(), mark(language="yor_Latn")
    known = languages.load_card("urd_Arab")
    load = languages.load_card
    changed = known.model_copy(update={"sentence_marks": "!"})
    monkeypatch.setattr(languages, "load_card", lambda tag: changed if tag == "urd_Arab" else load(tag))
    assert mark(language="urd_Arab") != before
    assert (mark(), mark(language="yor_Latn")) == (plain, generic)


def test_an_unknown_language_is_named_with_its_place(mark):
    with pytest.raises(RecipeError) as raised:
        mark(language="urdu")
    assert raised.value.text() == (
        "stages.a.language: `urdu` is not a language tag\n"
        "  expected: ISO 639-3 code, underscore, ISO 15924 script, as in urd_Arab\n"
        "  fix: did you mean urd_Arab?"
    )


def test_a_hub_id_counts_by_its_commit(mark, tmp_path, monkeypatch, recipe_of):
    commit, other = "1" * 40, "2" * 40
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert mark(model="org/name") == ""
    assert mark(model=f"org/name@{commit}") != mark(model=f"org/name@{other}") != ""
    refs = tmp_path / "hub" / "models--org--name" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(commit)
    assert mark(model="org/name") == mark(model=f"org/name@{commit}")
    store = tmp_path / "locked"
    store.mkdir()
    (store / "recipe.lock.yaml").write_text(f"org/name: '{other}'\n")
    planned = make_plan(recipe_of({"a": {"model": "org/name"}}), Store(store)).steps[0]
    assert planned.fingerprint == mark(model=f"org/name@{other}")


def test_every_stage_of_the_catalogue_leaves_operational_settings_out():
    """Whatever a stage calls workers, device or the like must not count, wherever it stands."""
    names = {"workers", "micro_batch", "device", "devices", "threads", "url", "concurrency", "api_key", "batch",
             "timeout_seconds", "save_every_seconds", "max_attempts"}  # fmt: skip
    for key, entry in CATALOGUE.items():
        if entry.ready and key != "grow":
            for name, field in entry.load_config().model_fields.items():
                extra = field.json_schema_extra or {}
                assert name not in names or extra.get("operational"), f"{key}.{name}"


def test_the_offline_stand_in_counts_by_its_wordings(tmp_path, monkeypatch, recipe_of):
    from newtongue.adapters.llm import offline
    from newtongue.run.recipe import single
    from newtongue.stages.synth.config import SynthConfig

    def of(**teacher: object) -> str:
        config = SynthConfig(teacher=teacher, language="urd_Arab", seeds="asset:sample/seeds.urd_Arab.jsonl")
        return (
            make_plan(single("synth", config), Store(tmp_path / "no-store"), hash_everything=True).steps[-1].fingerprint
        )

    stand_in, other = of(serve="offline"), of(url="http://localhost/v1")
    monkeypatch.setattr(offline, "edition", lambda tag: f"another, for {tag}")
    assert of(serve="offline") != stand_in
    assert of(url="http://localhost/v1") == other
