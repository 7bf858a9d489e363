"""`compare` reads two eval directories and says what changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from stages.eval_kit import context_for, documents, make_model, write_lines

from newtongue.adapters.tables.items import read_items, write_items
from newtongue.cli.compare import command
from newtongue.core.errors import DataError, GateFailed, RecipeError
from newtongue.run.compare import compare, render, write_page
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compare")
    turns = [{"role": "user", "content": "کیا؟"}, {"role": "assistant", "content": "پانی۔"}]
    asked = write_lines(folder / "c.jsonl", [{"messages": turns, "id": str(n)} for n in range(3)])
    text = documents(folder / "d.jsonl", "urd_Arab", 3)
    for seed in (0, 1):
        config = EvalConfig(
            model=str(make_model(folder / f"model-{seed}", seed=seed)),
            text={"urdu": {"corpus": str(text), "language": "urd_Arab", "role": "target"}},
            generation={"answers": {"data": str(asked), "language": "urd_Arab", "max_new_tokens": 4}},
        )
        evaluate(config, context_for(config, folder / f"eval-{seed}"))
    return [folder / "eval-0", folder / "eval-1"]


def test_two_directories_give_figures_and_verdicts(measured: list[Path]) -> None:
    result = compare(*measured)
    assert set(result["sets"]) == {"urdu", "answers", "answers.generated"}
    assert result["sets"]["urdu"]["change"]["changed_windows"] == 0
    assert result["verdicts"]["retention"] is None
    json.dumps(result, allow_nan=False)


def test_the_scores_folder_itself_is_accepted(measured: list[Path]) -> None:
    assert compare(measured[0] / "scores", measured[1]) == compare(*measured)


def test_text_names_sets_and_verdicts(measured: list[Path]) -> None:
    text = render(compare(*measured))
    assert "urdu" in text and "answers.generated stopped" in text and "overall: " in text


def test_another_directory_is_refused(tmp_path: Path, measured: list[Path]) -> None:
    with pytest.raises(DataError, match=r"holds no scores\.json"):
        compare(tmp_path, measured[1])


def test_a_store_stands_for_the_final_model_of_its_newest_report(tmp_path: Path, measured: list[Path]) -> None:
    store = tmp_path / "store"
    shutil.copytree(measured[1], store / "02-after-bbbb")
    seal(store / "02-after-bbbb", fingerprint="b" * 64)
    (store / "03-report-cccc" / "report").mkdir(parents=True)
    seal(store / "03-report-cccc", fingerprint="c" * 64, inputs={"after": {"fingerprint": "b" * 64}})
    assert compare(measured[0], store)["sets"] == compare(*measured)["sets"]


def seal(folder: Path, **facts: object) -> None:
    (folder / "manifest.json").write_text(json.dumps({"payload": "scores", **facts}), "utf-8")


def test_pages_are_those_of_the_report(tmp_path: Path, measured: list[Path]) -> None:
    for name in ("c.html", "c.md", "c.json"):
        write_page(*measured, tmp_path / name)
    html = (tmp_path / "c.html").read_text("utf-8")
    assert html.startswith("<!doctype html>") and '<h2 id="results">' in html
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["sets"]["urdu"]["change"]
    with pytest.raises(RecipeError, match=r"cannot write `c\.pdf`"):
        write_page(*measured, tmp_path / "c.pdf")


def test_different_prompt_formats_and_unmatched_sets_are_said(tmp_path: Path, measured: list[Path]) -> None:
    other = tmp_path / "other"
    shutil.copytree(measured[1], other)
    file = other / "scores" / "scores.json"
    scores = json.loads(file.read_text("utf-8"))
    scores["model"] |= {"prompt_sha256": "another", "chat_template": "headers"}
    scores["sets"]["extra"] = {"kind": "text", "role": "target"}
    file.write_text(json.dumps(scores), "utf-8")
    text = render(compare(measured[0], other))
    assert "different prompt formats (chatml and headers)" in text or "and headers" in text
    assert "measured on one side only: extra" in text


def test_two_models_with_different_chat_templates_are_told_apart(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "کیا؟"}, {"role": "assistant", "content": "پانی۔"}]
    asked = write_lines(tmp_path / "c.jsonl", [{"messages": turns, "id": str(n)} for n in range(2)])
    for name in ("first", "second"):
        model = make_model(tmp_path / f"model-{name}")
        if name == "second":
            template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|im_end|>{% endfor %}"
            (model / "chat_template.jinja").write_text(
                template + "{% if add_generation_prompt %}[me] {% endif %}", "utf-8"
            )
        answers = {"answers": {"data": str(asked), "language": "urd_Arab", "max_new_tokens": 2}}
        config = EvalConfig(model=str(model), generation=answers)
        evaluate(config, context_for(config, tmp_path / name))
    pair = tmp_path / "first", tmp_path / "second"
    models = compare(*pair)["models"]
    assert models["before"]["prompt_sha256"] != models["after"]["prompt_sha256"]
    assert "asked in different prompt formats" in render(compare(*pair))
    for page in ("c.html", "c.json"):
        write_page(*pair, tmp_path / page)
        assert "asked in different prompt formats" in (tmp_path / page).read_text("utf-8"), page
    assert "prompt formats" not in render(compare(pair[0], pair[0]))


@pytest.mark.parametrize(("after", "moved"), [(-0.4, "fell from 8.0 % to −40.0 %"), (0.1, "rose from 8.0 % to 10.0 %")])
def test_a_probe_that_is_not_judged_is_told_plainly(tmp_path: Path, after: float, moved: str) -> None:
    model = {"parameters": 1, "vocabulary": 9, "tokenizer_sha256": "t", "chat_template": "kept", "prompt_sha256": "p"}
    for name, saved in (("before", 0.08), ("after", after)):
        about = {"set": "in context", "kind": "probe", "task": "copy", "bytes": 9, "tokens": 3, "bits_alone": 100.0}
        rows = [{**about, "item": str(n), "group": str(n), "bits": 100 * (1 - saved)} for n in range(20)]
        (tmp_path / name / "scores").mkdir(parents=True)
        write_items(tmp_path / name / "scores" / "items.parquet", rows)
        sets = {"in context": {"kind": "probe", "role": "retention", "language": "eng_Latn",
                               "saving": {"value": saved, "low": saved, "high": saved, "n": 20}}}  # fmt: skip
        facts = {"format": 1, "model": model, "settings": {"window_bytes": 1024}, "sets": sets}
        (tmp_path / name / "scores" / "scores.json").write_text(json.dumps(facts), "utf-8")
    pair = tmp_path / "before", tmp_path / "after"
    said = "not judged: the base hardly uses context (it saves 8.0 % of the bits"
    texts = [render(compare(*pair))]
    for page in ("c.html", "c.md"):
        write_page(*pair, tmp_path / page)
        texts.append((tmp_path / page).read_text("utf-8"))
    for text in texts:
        assert said in text and f"The share saved {moved}." in text


def test_nothing_in_common_is_an_error_that_names_the_sets(tmp_path: Path, measured: list[Path]) -> None:
    other = tmp_path / "other"
    shutil.copytree(measured[1], other)
    rows = [{**row, "set": f"other {row['set']}"} for row in read_items(other / "scores" / "items.parquet")]
    write_items(other / "scores" / "items.parquet", rows)
    with pytest.raises(DataError, match="no set in common") as caught:
        compare(measured[0], other)
    assert "urdu" in caught.value.expected


def test_the_command_can_be_a_gate(tmp_path: Path, measured: list[Path]) -> None:
    worse = tmp_path / "worse"
    shutil.copytree(measured[0], worse)
    for folder, factor in ((tmp_path / "kept", 1.0), (worse, 1.2)):
        if not folder.exists():
            shutil.copytree(measured[0], folder)
        file = folder / "scores" / "scores.json"
        scores = json.loads(file.read_text("utf-8"))
        scores["sets"]["urdu"]["role"] = "retention"
        file.write_text(json.dumps(scores), "utf-8")
        items = folder / "scores" / "items.parquet"
        rows = read_items(items)
        write_items(items, [{**row, "bits": row["bits"] and row["bits"] * factor} for row in rows])
    assert command(tmp_path / "kept", tmp_path / "kept", gate=True) is None
    with pytest.raises(GateFailed) as caught:
        command(tmp_path / "kept", worse, gate=True)
    assert caught.value.exit_code == 6
    assert caught.value.text() == "set urdu: lost more than the limit (bits_per_byte)"
