"""`eval` against brute force, across tokenizers and batch sizes, and on bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stages.eval_kit import ANSWERS, CHOICE_TASK, TEXTS, context_for, documents, make_model, write_lines

from newtongue.adapters.hf.chat import choose_template, prompt_ids
from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.hf.scoring import BATCH_TOLERANCE_BITS
from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import DataError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("pico"))


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a larger vocabulary, so that the same text is other tokens."""
    return make_model(tmp_path_factory.mktemp("wide"), vocabulary=420, seed=1)


def measure(folder: Path, model: Path, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    config = EvalConfig(model=str(model), window_bytes=64, **settings)
    context = context_for(config, folder)
    evaluate(config, context)
    scores = json.loads((context.payload / "scores.json").read_text("utf-8"))
    return scores, read_items(context.payload / "items.parquet")


def text_set(file: Path, language: str = "urd_Arab") -> dict[str, Any]:
    return {"corpus": str(file), "language": language, "role": "target"}


def bits_by_brute_force(model_path: Path, shown: list[int], scored_from: int) -> float:
    """Ask the model for one token at a time, each time from scratch, without any batching."""
    network = load_model(model_path, "float32").eval()
    bits = 0.0
    with torch.inference_mode():
        for place in range(scored_from, len(shown)):
            logits = network(input_ids=torch.tensor([shown[:place]])).logits[0, -1]
            bits -= torch.log_softmax(logits.double(), -1)[shown[place]].item() / math.log(2)
    return bits


def test_bits_equal_a_token_by_token_forward_pass(tmp_path: Path, model: Path) -> None:
    text = TEXTS["urd_Arab"][:30]
    file = write_lines(tmp_path / "d.jsonl", [{"id": "a", "text": text}])
    scores, _rows = measure(tmp_path / "out", model, text={"t": text_set(file)})
    ids = load_tokenizer(model)(text, add_special_tokens=False)["input_ids"]
    found = scores["sets"]["t"]
    assert found["bits"] == pytest.approx(bits_by_brute_force(model, [0, *ids], 1), abs=1e-2)
    assert (found["tokens"], found["bytes"]) == (len(ids), len(text.encode()))


def test_answers_equal_a_token_by_token_forward_pass_under_the_template(tmp_path: Path, model: Path) -> None:
    row = {"messages": [{"role": "user", "content": "کیا؟"}, {"role": "assistant", "content": "پانی۔"}], "id": "q"}
    file = write_lines(tmp_path / "c.jsonl", [row])
    generation = {"data": str(file), "language": "urd_Arab", "max_new_tokens": 4}
    scores, rows = measure(tmp_path / "out", model, generation={"a": generation})
    tokenizer = load_tokenizer(model)
    choose_template(tokenizer)
    prompt = prompt_ids(tokenizer, row["messages"][:1])
    answer = tokenizer("پانی۔", add_special_tokens=False)["input_ids"]
    expected = bits_by_brute_force(model, [*prompt, *answer], len(prompt))
    assert scores["sets"]["a"]["bits"] == pytest.approx(expected, abs=1e-2)
    assert scores["model"]["chat_template"] == "chatml"
    generated = next(row for row in rows if row["kind"] == "generation")
    assert generated["tokens"] <= 4 and generated["reference"] == "پانی۔"


@pytest.mark.parametrize("language", TEXTS)
def test_windows_are_equal_for_two_tokenizers_in_five_scripts(
    tmp_path: Path, model: Path, other_model: Path, language: str
) -> None:
    file = documents(tmp_path / "d.jsonl", language, 3)
    found = [
        measure(tmp_path / str(n), m, text={"t": text_set(file, language)}) for n, m in enumerate((model, other_model))
    ]
    (first, rows), (second, others) = found
    key = ("set", "item", "group", "bytes", "words")
    assert [[row[k] for k in key] for row in rows] == [[row[k] for k in key] for row in others]
    assert first["sets"]["t"]["tokens"] != second["sets"]["t"]["tokens"]
    assert sum(row["words"] for row in rows) == first["sets"]["t"]["words"]


def test_batch_size_changes_nothing_beyond_the_tolerance(tmp_path: Path, model: Path) -> None:
    file = documents(tmp_path / "d.jsonl", "urd_Arab")
    bits = []
    for batch in (1, 3, 16):
        _scores, rows = measure(tmp_path / str(batch), model, text={"t": text_set(file)}, batch=batch)
        bits.append(np.array([row["bits"] for row in rows]))
        tokens = np.array([row["tokens"] for row in rows])
    assert all(np.abs(bits[0] - other).max() <= BATCH_TOLERANCE_BITS * tokens.max() for other in bits)


def test_a_run_cut_short_seals_the_same_bytes(tmp_path: Path, model: Path) -> None:
    file = documents(tmp_path / "d.jsonl", "hin_Deva", 2)
    settings = {"text": {"a": text_set(file, "hin_Deva"), "b": text_set(file, "hin_Deva")}}
    config = EvalConfig(model=str(model), window_bytes=64, **settings)
    whole, cut = context_for(config, tmp_path / "whole"), context_for(config, tmp_path / "cut")
    evaluate(config, whole)
    for kept in ("000.json", "000.parquet"):
        (cut.scratch / kept).write_bytes((whole.scratch / kept).read_bytes())
    evaluate(config, cut)
    for name in ("scores.json", "items.parquet"):
        assert (whole.payload / name).read_bytes() == (cut.payload / name).read_bytes()


def test_a_control_is_scored_on_the_same_windows(tmp_path: Path, model: Path) -> None:
    held = documents(tmp_path / "d.jsonl", "urd_Arab", 3)
    train = write_lines(tmp_path / "t.jsonl", [{"id": "t", "text": TEXTS["urd_Arab"], "split": "train"}])
    control = {"t": {"corpus": str(train), "order": 3}}
    scores, rows = measure(tmp_path / "out", model, text={"t": text_set(held)}, ngram_control=control)
    windows = {kind: [(r["item"], r["bytes"]) for r in rows if r["kind"] == kind] for kind in ("text", "control")}
    assert windows["text"] == windows["control"]
    found = scores["sets"]["t.3-gram"]
    assert found["control_of"] == "t" and found["bits_per_byte"]["value"] < 3


def test_max_bytes_cuts_between_characters(tmp_path: Path, model: Path) -> None:
    file = documents(tmp_path / "d.jsonl", "tha_Thai", 4)
    scores, _rows = measure(tmp_path / "out", model, text={"t": {**text_set(file, "tha_Thai"), "max_bytes": 200}})
    assert 196 < scores["sets"]["t"]["bytes"] <= 200


@pytest.mark.parametrize("language", TEXTS)
def test_choices_of_every_script_are_scored(tmp_path: Path, model: Path, language: str) -> None:
    choices = [ANSWERS[language], TEXTS[language]]
    file = write_lines(tmp_path / "q.jsonl", [{"question": TEXTS[language], "choices": choices, "answer": 1}])
    scores, (row,) = measure(tmp_path / "out", model, choice={"c": {"path": str(file), "language": language}})
    assert row["correct"] == (row["output"] == TEXTS[language])
    assert scores["sets"]["c"]["correct_fraction"]["n"] == 1


def test_two_equal_choices_and_one_inside_the_other_do_no_harm(tmp_path: Path, model: Path) -> None:
    rows = [
        {"question": "a", "choices": ["b", "b"], "answer": 0},
        {"question": "a", "choices": ["b", "bb"], "answer": 1},
    ]
    file = write_lines(tmp_path / "q.jsonl", rows)
    _scores, found = measure(tmp_path / "out", model, choice={"c": {"path": str(file), "language": "eng_Latn"}})
    assert len(found) == 2 and all(row["bits"] > 0 for row in found)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            '{"question": "a", "choices": ["b", "c"], "answer": 2}',
            "q.jsonl:2: `answer` is 2, out of range for 2 choices\n  expected: an index from 0 to 1",
        ),
        ('{"question": "a", "choices": ["b"], "answer": 0}', "`choices` is not a list of at least two texts"),
        ('{"choices": ["b", "c"], "answer": 0}', "`question` is not a text"),
        ('{"question": "a", "choices": ["b", "c"], "answer": true}', "`answer` is True, out of range"),
        ("{nonsense", "q.jsonl:2: invalid JSON"),
    ],
)
def test_a_bad_question_is_named_with_file_and_line(tmp_path: Path, model: Path, row: str, message: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"question": "a", "choices": ["b", "c"], "answer": 0}\n' + row + "\n", "utf-8")
    with pytest.raises(DataError) as caught:
        measure(tmp_path / "out", model, choice={"c": {"path": str(file), "language": "eng_Latn"}})
    assert message in caught.value.text()


def test_nothing_held_out_is_an_error_that_says_what_to_do(tmp_path: Path, model: Path) -> None:
    file = write_lines(tmp_path / "d.jsonl", [{"text": "only training", "split": "train"}])
    with pytest.raises(DataError, match="no held-out text to score"):
        measure(tmp_path / "out", model, text={"t": text_set(file)})


def test_estimate_covers_what_it_is_asked(model: Path) -> None:
    from newtongue.core.budget import Counts, Machine
    from newtongue.stages.eval.estimate import estimate

    config = EvalConfig(model="$m", text={"t": {"corpus": "$c", "language": "urd_Arab", "role": "target"}})
    counts = {"$m": Counts(parameters=3_400_000, rows=5312), "$c": Counts(utf8_bytes=300_000)}
    found = estimate(config, counts, Machine())
    assert 4 < found.seconds[1] < 12 and found.memory_gb < 2


GROUPED = CHOICE_TASK + "metadata: {group_by: passage}\n"


def task_folder(folder: Path, text: str = GROUPED, **extra: Any) -> str:
    rows = [
        {
            "question": f"{TEXTS['urd_Arab'][:20]} {n}؟",
            "choices": ["پانی", "آگ", "ہوا"],
            "answer": n % 3,
            "passage": n // 2,
        }
        for n in range(6)
    ]
    write_lines(folder / "rows.jsonl", [*rows, *extra.get("rows", [])])
    (folder / "capitals.yaml").write_text(text, "utf-8")
    return str(folder)


def test_a_task_folder_becomes_rows_and_metrics(tmp_path: Path, model: Path) -> None:
    bad = {"question": "x", "choices": ["a", "b"], "answer": 5}
    path = task_folder(tmp_path / "tasks", rows=[bad])
    tasks = {"capitals": {"path": path, "language": "urd_Arab", "role": "target"}}
    scores, rows = measure(tmp_path / "out", model, tasks=tasks)
    found = scores["sets"]["capitals"]
    assert (found["kind"], found["n"], found["groups"], found["rejected"]) == ("choice", 6, 3, 1)
    assert found["metrics"]["acc"]["value"] == pytest.approx(found["correct_fraction"]["value"], abs=1e-6)
    assert {"acc", "acc_norm"} == set(found["metrics"]) and len(found["task_sha256"]) == 64
    assert all(row["bits"] > 0 and row["correct_norm"] is not None and row["language"] == "urd_Arab" for row in rows)
    (rejected,) = (tmp_path / "out" / "scores" / "rejected.jsonl").read_text("utf-8").splitlines()
    assert json.loads(rejected)["place"] == "rows.jsonl:7"


def test_processes_and_batches_change_no_byte(tmp_path: Path, model: Path) -> None:
    tasks = {"capitals": {"path": task_folder(tmp_path / "tasks"), "language": "urd_Arab"}}
    found = [measure(tmp_path / str(n), model, tasks=tasks, processes=n)[1] for n in (1, 2)]
    assert found[0] == found[1]
    _scores, other = measure(tmp_path / "batch", model, tasks=tasks, batch=1)
    assert [r["bits"] for r in other] == pytest.approx([r["bits"] for r in found[0]], abs=2e-3)


def test_a_cut_run_of_tasks_seals_the_same_bytes(tmp_path: Path, model: Path) -> None:
    tasks = {n: {"path": task_folder(tmp_path / "tasks"), "language": "urd_Arab"} for n in "ab"}
    config = EvalConfig(model=str(model), tasks=tasks)
    whole, cut = context_for(config, tmp_path / "whole"), context_for(config, tmp_path / "cut")
    evaluate(config, whole)
    for kept in ("000.json", "000.parquet"):
        (cut.scratch / kept).write_bytes((whole.scratch / kept).read_bytes())
    evaluate(config, cut)
    for name in ("scores.json", "items.parquet"):
        assert (whole.payload / name).read_bytes() == (cut.payload / name).read_bytes()


@pytest.mark.parametrize("kind", ["loglikelihood", "loglikelihood_rolling", "generate_until"])
def test_other_kinds_of_tasks_become_rows(tmp_path: Path, model: Path, kind: str) -> None:
    text = GROUPED.replace("multiple_choice", kind).replace("doc_to_choice: choices\n", "")
    text = text.replace("doc_to_target: answer", "doc_to_target: '{{choices[0]}}'")
    text += "generation_kwargs: {max_gen_toks: 5, until: ['۔']}\n" if kind == "generate_until" else ""
    path = task_folder(tmp_path / "tasks", text)
    scores, rows = measure(tmp_path / "out", model, tasks={"t": {"path": path, "language": "urd_Arab"}})
    found = scores["sets"]["t"]
    assert found["n"] == 6 and {row["kind"] for row in rows} == {found["kind"]}
    assert found["kind"] in ("cloze", "rolling", "match")
    assert ("bits_per_byte" in found) == (kind != "generate_until")


def test_a_task_under_the_chat_template_shows_its_turns(tmp_path: Path, model: Path) -> None:
    tasks = {"t": {"path": task_folder(tmp_path / "tasks"), "language": "urd_Arab", "chat": True, "num_fewshot": 1}}
    scores, _rows = measure(tmp_path / "out", model, tasks=tasks)
    assert scores["sets"]["t"]["prompt_example"].endswith("<|im_start|>assistant\n")


def test_several_task_files_and_none_named_is_an_error(tmp_path: Path, model: Path) -> None:
    path = task_folder(tmp_path / "tasks")
    (tmp_path / "tasks" / "other.yaml").write_text(GROUPED, "utf-8")
    with pytest.raises(DataError, match="2 task files, and none is named\n  expected: capitals, other"):
        measure(tmp_path / "out", model, tasks={"t": {"path": path, "language": "urd_Arab"}})
