"""The doctor: what it says of healthy models, of every kind of damage, and of this computer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages.model_kit import expand

from newtongue.adapters.hf.checkpoint import open_checkpoint, rewrite
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import NewTensor, encode, read_rows
from newtongue.tools import doctor


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp("healthy") / "m", tied=False, padding_rows=16)


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**content, **values}), "utf-8")


def set_row(folder: Path, row: int, value: float) -> None:
    before = open_checkpoint(folder)
    rows = read_rows(before.input).copy()
    rows[row] = value
    rewrite(
        before, {before.input.name: NewTensor("F32", rows.shape, [encode(rows, "F32")])}, folder / "new", link=False
    )
    (folder / "new" / "model.safetensors").replace(folder / "model.safetensors")


def test_a_healthy_model_has_nothing_to_complain_about(healthy: Path) -> None:
    findings = doctor.examine(healthy)
    assert [finding for finding in findings if finding.level != "ok"] == []
    text = doctor.render(findings)
    assert text.endswith("nothing to complain about")
    assert "answers end with '<|im_end|>' (386), where generation stops" in text
    assert doctor.facts(findings)["level"] == "ok"
    json.dumps(doctor.facts(findings))


def test_an_expanded_model_is_healthy_and_its_new_rows_are_compared(healthy: Path, tmp_path: Path) -> None:
    findings = doctor.examine(expand(tmp_path, healthy)[1])
    assert [finding for finding in findings if finding.level != "ok"] == []
    assert any(finding.check == "new_rows" for finding in findings)


def test_a_base_model_without_template_is_no_problem(healthy: Path, tmp_path: Path) -> None:
    folder = copy(healthy, tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    found = next(f for f in doctor.examine(folder, generate=False) if f.check == "chat_template")
    assert (found.level, found.sentence) == ("ok", "none, as base models have; sft adds a documented one")


def test_a_directory_that_is_not_there_is_one_error() -> None:
    assert [(f.check, f.level, f.sentence) for f in doctor.examine(Path("./nowhere"))] == [
        ("folder", "error", "nowhere: no such directory")
    ]


def test_a_stage_directory_is_understood(healthy: Path, tmp_path: Path) -> None:
    copy(healthy, tmp_path / "model")
    assert doctor.facts(doctor.examine(tmp_path, generate=False))["level"] == "ok"


def drop_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def grow_tokenizer(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["model"]["vocab"]["xyzzy"] = 9000
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")


def move_added(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    for token in content["added_tokens"]:
        token["id"] += 5
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")


def break_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[7].content.x.y }}", "utf-8")


def stopless_template(folder: Path) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    (folder / "chat_template.jinja").write_text(template, "utf-8")


def other_stop(folder: Path) -> None:
    change(folder / "generation_config.json", eos_token_id=[384])


DAMAGE: list[tuple[Callable[[Path], None], str, str, str]] = [
    (drop_tokenizer, "tokenizer", "error", "the model directory has no tokenizer"),
    (
        grow_tokenizer,
        "embedding_rows",
        "error",
        "the tokenizer uses ids up to 9,000, the embedding matrix has 408 rows",
    ),
    (lambda f: change(f / "config.json", vocab_size=400), "embedding_rows", "error", "config.json says vocab_size 400"),
    (
        lambda f: change(f / "config.json", tie_word_embeddings=True),
        "tied_head",
        "error",
        "tie_word_embeddings is true",
    ),
    (lambda f: set_row(f, 7, np.nan), "row_values", "error", "1 rows of used ids are not finite"),
    (lambda f: set_row(f, 7, 0), "row_values", "warning", "1 rows of used ids are all zero"),
    (move_added, "token_ids", "error", "3 added tokens get another id when loaded"),
    (
        lambda f: change(f / "tokenizer_config.json", eos_token="</s>"),
        "special_tokens",
        "error",
        "eos_token '</s>' is not in the vocabulary",
    ),
    (
        lambda f: change(f / "config.json", eos_token_id=402),
        "special_tokens",
        "error",
        "eos_token_id 402 of config.json",
    ),
    (break_template, "chat_template", "error", "the chat template does not render"),
    (stopless_template, "chat_template", "error", "which is no special token of the vocabulary"),
    (other_stop, "chat_template", "error", "answers end with '<|im_end|>' (386), but generation stops at [384]"),
    (lambda f: change(f / "config.json", auto_map={"AutoModel": "x.Y"}), "remote_code", "warning", "its own code"),
]


@pytest.mark.parametrize(("damage", "check", "level", "sentence"), DAMAGE)
def test_damage_is_found_and_says_what_to_do(
    healthy: Path, tmp_path: Path, damage: Callable[[Path], None], check: str, level: str, sentence: str
) -> None:
    folder = copy(healthy, tmp_path / "m")
    damage(folder)
    findings = [finding for finding in doctor.examine(folder, generate=False) if finding.check == check]
    assert any(finding.level == level and sentence in finding.sentence and finding.fix for finding in findings), (
        findings
    )
    assert f"fix: {findings[0].fix}" in doctor.render(findings)


def test_weights_the_architecture_lacks_are_found_by_loading(healthy: Path, tmp_path: Path) -> None:
    folder = copy(healthy, tmp_path / "m")
    change(folder / "config.json", num_hidden_layers=3, layer_types=None)
    assert "missing" in doctor.render(doctor.examine(folder))


def test_a_tokenizer_that_transformers_rebuilds_differently_is_found(healthy: Path, tmp_path: Path) -> None:
    folder = copy(healthy, tmp_path / "m")
    change(folder / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    findings = {finding.check: finding for finding in doctor.examine(folder)}
    assert findings["loaded_tokenizer"].level in ("ok", "warning")


def test_a_template_can_do_nothing_but_render(healthy: Path, tmp_path: Path) -> None:
    folder = copy(healthy, tmp_path / "m")
    attack = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    (folder / "chat_template.jinja").write_text(attack, "utf-8")
    found = [f for f in doctor.examine(folder, generate=False) if f.check == "chat_template"]
    assert "does not render" in found[0].sentence
    assert "unsafe" in found[0].sentence


def test_without_a_model_the_computer_is_checked() -> None:
    checks = {finding.check for finding in doctor.examine()}
    assert checks == {"python", "packages", "processors", "memory", "disk", "accelerator"}


def test_too_many_threads_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4000")
    found = next(finding for finding in doctor.examine() if finding.check == "processors")
    assert found.level == "warning"


def test_everything_but_generation_works_without_torch(healthy: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from newtongue.tools import doctor; "
        f"doctor.examine(); doctor.examine(Path({str(healthy)!r}), generate=False); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_surgery_is_verified_bit_for_bit_and_new_rows_against_w(healthy: Path, tmp_path: Path) -> None:
    expanded = expand(tmp_path, healthy, init={"input": "focus", "head": "mean"})[1]
    said = [f.sentence for f in doctor.examine(expanded, generate=False) if f.check in ("kept_rows", "mixed_rows")]
    assert said == [
        "the 387 old rows are those of the source, bit for bit",
        "the new rows of model.embed_tokens.weight are the mixtures W.npz says",
        "the new rows of lm_head.weight are the mixtures W_head.npz says",
    ]
    damaged = copy(expanded, tmp_path / "damaged")
    set_row(damaged, 5, 0.25)
    set_row(damaged, 390, 9.0)
    found = {f.check: f for f in doctor.examine(damaged, generate=False) if f.level != "ok"}
    assert found["kept_rows"].sentence.startswith("the first 387 rows of model.embed_tokens.weight are not those")
    assert found["kept_rows"].level == "error"
    assert "new rows differ from what W.npz says by up to" in found["mixed_rows"].sentence
