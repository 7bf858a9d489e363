"""Composing and checking recipes: what is accepted, and the full text of every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from newtongue.core.errors import RecipeError
from newtongue.run.document import find
from newtongue.run.recipe import build, check_config, load, rehearse, settings_from
from newtongue.stages import CATALOGUE

CORPUS = "{stage: grow, chunks: 2}"


@pytest.fixture
def write(tmp_path):
    """A function: name, text of the stages -> recipe file."""

    def make(stages: str, name: str = "r.yaml", head: str = "newtongue: 1\n") -> Path:
        file = tmp_path / name
        file.write_text(f"{head}stages:\n" + "".join(f"  {line}\n" for line in stages.splitlines()))
        return file

    return make


def refusal(file: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as raised:
        load(file, overrides)
    assert raised.value.exit_code == 2
    return raised.value.text().replace(f"{file.parent}/", "")


EXPECTED = (
    "corpus, tokenizer, pretrain, translate, transform, synth, select, sft, align, merge, benchmark, eval, report, grow"
)


def test_an_unknown_setting_names_the_nearest_before_what_is_missing(write):
    file = write("pretrain: {model: asset:nano-en, corpus: $pretrain, tokns: 5, learning_rat: 2e-5}")
    assert refusal(file) == (
        "r.yaml: stages.pretrain: unknown setting 'tokns'; did you mean 'tokens'?; "
        "unknown setting 'learning_rat'; did you mean 'learning_rate'?; tokens: Field required\n"
        "  fix: newtongue explain KEY shows every setting"
    )


def test_an_unknown_nested_setting_names_the_nearest(write):
    assert refusal(write("a: {stage: grow, teacher: {temprature: 1}}")) == (
        "r.yaml: stages.a: unknown setting 'teacher.temprature'; did you mean 'temperature'?\n"
        "  fix: newtongue explain KEY shows every setting"
    )


def test_a_value_out_of_range_is_refused_without_showing_it(write):
    assert refusal(write("a: {stage: grow, chunks: 0}")) == (
        "r.yaml: stages.a: chunks: Input should be greater than or equal to 1\n"
        "  fix: newtongue explain KEY shows every setting"
    )


def test_a_misspelt_stage_names_the_nearest(write):
    assert refusal(write("pretain: {}")) == (
        "r.yaml: stages.pretain: no stage 'pretain'; did you mean 'pretrain'?\n"
        f"  expected: {EXPECTED}\n"
        "  fix: correct the name, or say `stage: …` beside a name of your own"
    )


def test_a_stage_that_is_not_there_yet_says_so(write):
    assert refusal(write("align: {}")) == (
        "r.yaml: stages.align: the stage 'align' is not there yet\n"
        "  expected: corpus, tokenizer, pretrain, translate, transform, synth, select, sft, merge, eval, report, grow"
    )


def test_a_reference_to_no_stage_names_the_nearest(write):
    assert refusal(write(f"first: {CORPUS}\nb: {{stage: grow, corpus: $frist}}")) == (
        "r.yaml: stages.b.corpus: $frist refers to no stage; did you mean $first?\n  expected: $first, $b"
    )


def test_a_wrong_kind_names_both_kinds_and_what_would_fit(write):
    text = f"text: {CORPUS}\nm: {{stage: grow, makes_kind: Model}}\nb: {{stage: grow, model: $text}}"
    assert refusal(write(text)) == ("r.yaml: stages.b.model: wants a Model, but $text makes a Corpus\n  expected: $m")


def test_a_part_that_is_not_there_names_those_that_are(write):
    assert refusal(write(f"text: {CORPUS}\nb: {{stage: grow, corpus: $text.test}}")) == (
        "r.yaml: stages.b.corpus: a Corpus has no part 'test'\n  expected: train, heldout"
    )


def test_a_cycle_is_shown(write):
    text = "a: {stage: grow, corpus: $c}\nb: {stage: grow, corpus: $a}\nc: {stage: grow, inputs: [$b]}"
    assert refusal(write(text)) == "r.yaml: a cycle: a -> c -> b -> a"


def test_a_bare_word_is_no_artefact(write):
    assert refusal(write("a: {stage: grow, corpus: data.jsonl}")) == (
        "r.yaml: stages.a.corpus: 'data.jsonl' is no artefact\n"
        "  expected: $stage, ./path, asset:name, env:NAME or a hub id org/name[@revision]\n"
        "  fix: a path is written ./data.jsonl"
    )


def test_a_header_must_be_there(write):
    assert refusal(write("a: {stage: grow}", head="")) == (
        "r.yaml: `newtongue:` is None\n  expected: newtongue: 1 as the first line"
    )
    assert refusal(write("a: {stage: grow}", head="newtongue: 1\nbugdet: {usd: 1}\n")) == (
        "r.yaml: unknown setting 'bugdet'; did you mean 'budget'?"
    )


def test_an_empty_recipe_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_text("newtongue: 1\n")
    assert refusal(tmp_path / "r.yaml") == "r.yaml: no stages\n  expected: a mapping under `stages:`"
    (tmp_path / "r.yaml").write_text("- 1\n")
    assert refusal(tmp_path / "r.yaml") == "r.yaml: not a mapping\n  expected: `newtongue: 1` and `stages:`"


def test_an_unset_environment_variable_is_named(write, monkeypatch):
    monkeypatch.delenv("GROW_TEXT", raising=False)
    assert refusal(write("a: {stage: grow, corpus: env:GROW_TEXT}")) == (
        "r.yaml: stages.a.corpus: the environment variable GROW_TEXT is not set\n  fix: export GROW_TEXT=…"
    )


def test_a_secret_is_never_given_by_value(write):
    text = refusal(write("a: {stage: grow, teacher: {api_key: sk-12345}}"))
    assert "sk-12345" not in text
    assert "a secret is given as env:NAME, never as its value" in text


def test_no_recipe_of_that_name(tmp_path):
    with pytest.raises(RecipeError) as raised:
        find(tmp_path / "none")
    assert raised.value.text().startswith(f"{tmp_path}/none: no such recipe\n  expected: a file, or one of demo, ")


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("a.chunks", "--set: 'a.chunks' does not set anything\n  expected: --set key.sub=value"),
        ("=3", "--set: '=3' does not set anything\n  expected: --set key.sub=value"),
        ("a..b=3", "--set: 'a..b=3' does not set anything\n  expected: --set key.sub=value"),
        ("a.inputs.4=$a", "--set stages.a.inputs.4: no item '4'\n  expected: 0 to 1"),
        ("a.chunks=[1", "--set a.chunks, line 1: not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_overrides_that_cannot_be_are_refused(write, override, text):
    assert refusal(write("a: {stage: grow, inputs: [asset:sample]}"), override) == text


def test_overrides_change_settings_stages_and_header(write):
    file = write("a: {stage: grow}\nb: {stage: grow, inputs: [$a]}")
    loaded = load(
        file,
        [
            "a.chunks=9",
            "b.inputs.1=$a",
            "budget.usd=3",
            "seed=5",
            "stages.b.text='no'",
            "c.stage=grow",
            "c.inputs.0=$a",
        ],
    )
    assert [step.name for step in loaded.steps] == ["a", "b", "c"]
    a, b = loaded.step("a").config, loaded.step("b").config
    assert (a.chunks, a.seed, b.inputs, b.text) == (9, 5, ["$a", "$a"], "no")
    assert loaded.header.budget.usd == 3
    assert [step.name for step in load(file, ["b=null"]).steps] == ["a"]


def test_paths_count_from_the_file_that_says_them_and_from_here_on_the_command_line(write, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    file = write("a: {stage: grow, corpus: ./x.txt}\nb: {stage: grow, corpus: ../y.txt}", "sub/r.yaml")
    monkeypatch.chdir("/")
    loaded = load(file, ["b.corpus=./here.txt"])
    assert loaded.step("a").config.corpus == f"{tmp_path}/sub/x.txt"
    assert loaded.step("b").config.corpus == "/here.txt"


def test_extends_changes_settings_and_null_removes_stages(write, tmp_path):
    write("a: {stage: grow, chunks: 4, teacher: {temperature: 0.5}, corpus: ./x}\nb: {stage: grow}", "base.yaml")
    file = write("a: {text: z, teacher: {url: 'http://t'}}\nb: null", head="newtongue: 1\nextends: base.yaml\n")
    (step,) = load(file).steps
    assert (step.config.chunks, step.config.text) == (4, "z")
    assert (step.config.teacher.temperature, step.config.teacher.url) == (0.5, "http://t")
    file = write("a: {chunks: 1}", head="newtongue: 1\nextends: r.yaml\n")
    assert refusal(file) == "r.yaml: extends itself"


def test_the_order_is_the_files_order_moved_behind_what_is_needed(write):
    text = "d: {stage: grow, corpus: $b}\na: {stage: grow}\nb: {stage: grow, corpus: $a}\nc: {stage: grow}"
    assert [step.name for step in load(write(text)).steps] == ["a", "b", "d", "c"]


def test_header_seed_and_languages_are_defaults(write):
    file = write("a: {stage: grow}\nb: {stage: grow, seed: 1}", head="newtongue: 1\nseed: 7\n")
    assert [step.config.seed for step in load(file).steps] == [7, 1]


def test_rehearsal_is_pure_and_small():
    document = {"newtongue": 1, "stages": {
        "a": {"stage": "grow", "chunks": 50, "model": "meta-llama/Llama-3.1-8B", "language": "urd_Arab"},
        "b": {"stage": "grow", "model": "asset:nano-en", "corpus": "$a"},
        "c": {"stage": "grow", "corpus": "org/data", "language": "urd_Arab"},
        "d": {"stage": "grow", "corpus": "/data/mine.jsonl"},
    }}  # fmt: skip
    whole = build(document, "r", "r")
    small = rehearse(whole)
    assert small.name == "r-rehearsal"
    assert [step.config.chunks for step in small.steps] == [1, 1, 1, 1]
    assert [step.config.model for step in small.steps[:2]] == ["asset:pico", "asset:pico"]
    assert [step.config.corpus for step in small.steps[1:]] == ["$a", "asset:sample/urd_Arab.jsonl", "/data/mine.jsonl"]
    assert whole.step("a").config.chunks == 50
    assert rehearse(whole) == small


def test_settings_of_one_stage_from_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = settings_from(["inputs.0=./x", "inputs.1=asset:y", "teacher.temperature=2e-1"])
    assert settings == {"inputs": [f"{tmp_path}/x", "asset:y"], "teacher": {"temperature": 0.2}}
    assert check_config(CATALOGUE["grow"].load_config(), settings, "x").teacher.temperature == 0.2
