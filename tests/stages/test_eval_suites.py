"""Suites and layouts: every public layout in small by hand, data that is missing, and items known from training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import TEXTS, context_for, make_model, write_lines

from newtongue.adapters.harness.layouts import layout_names, read_layout
from newtongue.adapters.harness.suites import read_suite
from newtongue.adapters.harness.task_file import check_task, read_task
from newtongue.adapters.harness.writing import write_task
from newtongue.adapters.tables.items import read_items
from newtongue.adapters.translation_metrics import corpus_scores
from newtongue.core.errors import DataError
from newtongue.run.sources import asset
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.items import Item, load_task
from newtongue.stages.eval.rows import Wanted
from newtongue.stages.eval.stage import evaluate


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("pico"))


def measure(folder: Path, model: Path, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    config = EvalConfig(model=str(model), **settings)
    context = context_for(config, folder)
    evaluate(config, context)
    scores = json.loads((context.payload / "scores.json").read_text("utf-8"))
    return scores, read_items(context.payload / "items.parquet")


BELEBELE = {
    "link": "https://x/1", "question_number": 1, "flores_passage": "متن", "question": "کیا؟", "mc_answer1": "ا",
    "mc_answer2": "ب", "mc_answer3": "ج", "mc_answer4": "د", "correct_answer_num": "3", "dialect": "urd_Arab",
}  # fmt: skip
MMLU = {
    "sample_id": "anatomy/1", "question": "کیا؟", "option_a": "ا", "option_b": "ب", "option_c": "ج", "option_d": "د",
    "answer": "B", "cultural_sensitivity_label": "-",
}  # fmt: skip
XCOPA = {
    "premise": "بارش ہوئی۔",
    "choice1": "بادل تھے۔",
    "choice2": "دھوپ تھی۔",
    "question": "cause",
    "label": 1,
    "idx": 0,
}
FILES: dict[str, tuple[str, str]] = {
    "xcopa": ("test.jsonl", json.dumps(XCOPA)),
    "mgsm": ("mgsm_ur.tsv", "دو اور دو؟\t1,004\nتین؟\n"),
    "gsm8k": ("test.jsonl", json.dumps({"question": "2+2?", "answer": "It is <<2+2=4>>4\n#### 1,004"})),
    "sib200": ("test.tsv", "index_id\tcategory\ttext\n7\ttravel\tہم گئے۔\n8\tnonsense\tکیا\n"),
    "belebele": ("urd_Arab.jsonl", "\n".join(json.dumps(r) for r in (BELEBELE, {**BELEBELE, "dialect": "eng_Latn"}))),
    "global_mmlu": ("test.csv", ",".join(MMLU) + "\n" + ",".join(MMLU.values())),
    "include": ("test.jsonl", json.dumps({**MMLU, "answer": 1, "domain": "x"})),
    "xnli": (
        "xnli.test.tsv",
        "language\tgold_label\tsentence1\tsentence2\nur\tcontradiction\tوہ گیا\tوہ نہیں گیا\nfr\tneutral\tIl va\tNon\n",
    ),
    "multijail": ("MultiJail.csv", "id,source,en,ur,tags\n0,x,How?,کیسے؟,['a']\n"),
    "lcb": ("ur.csv", "prompt,source,language\nلکھیں,native,ur\nÉcris,native,fr\n"),
    "m_ifeval": (
        "ur_input_data.jsonl",
        json.dumps({"key": 1, "prompt": "لکھیں", "instruction_id_list": ["a"], "kwargs": [{}]}),
    ),
}


def write_layout(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file, text = FILES[name]
    (folder / file).write_text(text, "utf-8")
    return folder / file


def items(folder: Path, name: str, **more: Any) -> list[Item]:
    words = {"cause": "کیونکہ", "effect": "اس لئے"} if name == "xcopa" else None
    path = more.pop("path", None) or write_layout(folder, name)
    found = read_layout(name, path, "urd_Arab", words=words, **more)
    return load_task(check_task(found.settings, folder, name), Wanted(rows=found.rows)).items


@pytest.mark.parametrize(
    ("name", "prompt", "target"),
    [
        ("xcopa", "بارش ہوئی۔ کیونکہ", "دھوپ تھی۔"),
        ("mgsm", "دو اور دو؟\n=", "1004"),
        ("gsm8k", "2+2?\n=", "1004"),
        ("sib200", "ہم گئے۔\n#", "travel"),
        ("belebele", "متن\n\nکیا؟\nA. ا\nB. ب\nC. ج\nD. د\n=", "C"),
        ("global_mmlu", "کیا؟\nA. ا\nB. ب\nC. ج\nD. د\n=", "B"),
        ("include", "کیا؟\nA. ا\nB. ب\nC. ج\nD. د\n=", "B"),
        ("xnli", "", "وہ گیا, صحیح? نہیں, وہ نہیں گیا"),
    ],
)
def test_a_layout_becomes_prompts_and_targets(tmp_path: Path, name: str, prompt: str, target: str) -> None:
    (item,) = items(tmp_path, name)
    assert (item.prompt, item.targets) == (prompt, (target,))


def test_parallel_layouts_pair_the_lines_of_two_languages(tmp_path: Path) -> None:
    (tmp_path / "urd_Arab.devtest").write_text("ایک\nدو\n", "utf-8")
    (tmp_path / "eng_Latn.devtest").write_text("one\ntwo\n", "utf-8")
    assert [(i.prompt, i.targets) for i in items(tmp_path, "flores", path=tmp_path)][1] == ("two\n=", ("دو",))


def test_parallel_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "newstest2019-src.eng.txt").write_text("one\n", "utf-8")
    (tmp_path / "newstest2019-ref.hin.txt").write_text("एक\nदो\n", "utf-8")
    with pytest.raises(DataError, match=r"has 1 lines and newstest2019-ref\.hin\.txt has 2"):
        read_layout("ntrex", tmp_path, "hin_Deva")
    with pytest.raises(DataError, match="no file of swh_Latn"):
        read_layout("ntrex", tmp_path, "swh_Latn")


@pytest.mark.parametrize("name", ["multijail", "lcb"])
def test_prompts_without_a_right_answer_are_kept_as_prompts(tmp_path: Path, name: str) -> None:
    found = read_layout(name, write_layout(tmp_path, name), "urd_Arab")
    (row,) = [placed.row for placed in found.rows]
    assert found.kind == "prompts" and row is not None and row["prompt"] in ("کیسے؟", "لکھیں")


def test_every_layout_is_tested_here() -> None:
    assert set(layout_names()) == set(FILES) | {"flores", "ntrex"}


def test_a_row_of_another_layout_is_set_aside_and_a_whole_file_refused(tmp_path: Path) -> None:
    found = read_layout("sib200", write_layout(tmp_path, "sib200"), "urd_Arab")
    assert [p.reason for p in found.rows if p.row is None] == ["not of this layout: unknown category 'nonsense'"]
    file = write_lines(tmp_path / "x.jsonl", [{"a": 1}])
    with pytest.raises(DataError, match="not of this layout: no column 'category'"):
        read_layout("sib200", file, "urd_Arab")
    with pytest.raises(DataError, match="unknown layout 'xcop'"):
        read_layout("xcop", file, "urd_Arab")


def test_a_word_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the prompt of xcopa needs the word `cause` in wol_Latn"):
        read_layout("xcopa", write_layout(tmp_path, "xcopa"), "wol_Latn")


@pytest.mark.parametrize("name", ["xcopa", "mgsm"])
def test_real_files_are_read_whole(shared_data: Path, name: str) -> None:
    path = shared_data / "eval" / ("xcopa/test.sw.jsonl" if name == "xcopa" else "mgsm/mgsm_sw.tsv")
    found = read_layout(name, path, "swh_Latn")
    task = load_task(check_task(found.settings, path, name), Wanted(rows=found.rows))
    assert (len(task.items), task.rejected) == (500 if name == "xcopa" else 250, [])


SHIPPED = ["target-core", "english-retention", "icl-probe", "fidelity"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_suites_name_layouts_there_are(name: str) -> None:
    suite = read_suite(asset(f"asset:suites/{name}.yaml"))
    assert suite.name == name and all(task.layout in layout_names() for task in suite.tasks)


def test_a_suite_measures_the_tasks_whose_data_is_there_and_names_the_others(tmp_path: Path, model: Path) -> None:
    data = {n: str(write_layout(tmp_path / n, n)) for n in ("sib200", "belebele")}
    path = str(asset("asset:suites/target-core.yaml"))
    suite = {"core": {"path": path, "data": data, "language": "urd_Arab"}}
    scores, rows = measure(tmp_path / "out", model, suites=suite)
    assert list(scores["sets"]) == ["core.sib200", "core.belebele"]
    first = scores["sets"]["core.sib200"]
    assert all(row["choice"] is not None for row in rows), "which answer was chosen, for agreement between languages"
    assert (first["suite"], first["role"], first["language"]) == ("target-core", "target", "urd_Arab")
    assert first["suite_tasks_without_data"] == ["xcopa", "xnli", "global_mmlu", "include", "mgsm", "flores", "ntrex"]
    assert {row["set"] for row in rows} == set(scores["sets"]) and first["rejected"] == 1


def test_prompts_of_a_suite_are_answered_and_judged(tmp_path: Path, model: Path) -> None:
    (tmp_path / "suite.yaml").write_text("tasks: {lcb: {layout: lcb, data: ur.csv, max_new_tokens: 4}}\n", "utf-8")
    write_layout(tmp_path, "lcb")
    suite = {"fidelity": {"path": str(tmp_path), "language": "urd_Arab"}}
    scores, (row,) = measure(tmp_path / "out", model, suites=suite)
    assert scores["sets"]["fidelity.lcb"]["kind"] == row["kind"] == "generation" and row["prompt"] == "لکھیں"


def test_parallel_layouts_are_scored_by_chrf_and_bleu_with_their_signatures(tmp_path: Path, model: Path) -> None:
    for tag, lines in {"urd_Arab": "ایک\nدو\nتین\n", "eng_Latn": "one\ntwo\nthree\n"}.items():
        (tmp_path / f"{tag}.devtest").write_text(lines, "utf-8")
    task = "{layout: flores, data: ., num_fewshot: 1, max_new_tokens: 4}"
    (tmp_path / "suite.yaml").write_text(f"tasks: {{flores: {task}}}\n", "utf-8")
    suite = {"s": {"path": str(tmp_path), "language": "urd_Arab", "limit": 2}}
    known = write_lines(tmp_path / "known" / "train.jsonl", [{"text": "nothing of it"}])
    scores, rows = measure(tmp_path / "out", model, suites=suite, contamination=[str(known)])
    found = scores["sets"]["s.flores"]
    direction = found["directions"]["eng_Latn-urd_Arab"]
    assert found["kind"] == "translation" and "metrics" not in found and direction["n"] == len(rows) == 2
    assert "nw:2" in direction["chrf_signature"] and "tok:13a" in direction["bleu_signature"]
    assert direction["chrf"] == corpus_scores([r["output"] for r in rows], ["ایک", "دو"], spaces=True)["chrf"]
    assert all(row["kind"] == "translation" and row["chrf"] is not None for row in rows) and "chrf_mean" in found
    assert found["contamination"]["directions_without"]["eng_Latn-urd_Arab"]["chrf"] == direction["chrf"]


def test_rules_of_a_suite_are_checked(tmp_path: Path, model: Path) -> None:
    good = {
        "key": 7, "prompt": "لکھیں", "instruction_id_list": ["punctuation:no_comma", "change_case:english_capital"],
        "kwargs": [{}, {}],
    }  # fmt: skip
    bad = [{**good, "instruction_id_list": ["special:tilde"], "kwargs": [{}]}, {"prompt": "x"}]
    write_lines(tmp_path / "rules.jsonl", [good, *bad])
    task = "{layout: m_ifeval, data: rules.jsonl, max_new_tokens: 4}"
    (tmp_path / "suite.yaml").write_text(f"tasks: {{m_ifeval: {task}}}\n", "utf-8")
    scores, (row,) = measure(tmp_path / "out", model, suites={"f": {"path": str(tmp_path), "language": "urd_Arab"}})
    found = scores["sets"]["f.m_ifeval"]
    assert (found["kind"], found["rejected"], row["item"], row["prompt"]) == ("rules", 2, "7", "لکھیں")
    assert row["score"] == row["correct"] and row["loose"] is not None, "capitals are not asked of Urdu"
    said = (tmp_path / "out" / "scores" / "rejected.jsonl").read_text("utf-8")
    assert "unknown rule special:tilde" in said and "no column 'key'" in said


def test_a_suite_without_any_data_says_what_it_needs(tmp_path: Path, model: Path) -> None:
    suite = {"s": {"path": str(asset("asset:suites/fidelity.yaml")), "language": "urd_Arab"}}
    with pytest.raises(DataError) as caught:
        measure(tmp_path, model, suites=suite)
    assert "no task of the suite fidelity has its data\n  expected: lcb: Language Confusion" in caught.value.text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: {a: {layot: xcopa}}", "unknown key `layot`"),
        ("tasks: {a: {}}", "needs either `path` or `layout`"),
        ("tasks: {a: {layout: xcopa, data: ../x}}", "lies outside the suite's folder"),
        ("tasks: []", "`tasks` is no mapping of names"),
        ("role: judge\ntasks: {a: {layout: xcopa}}", "role is 'judge'"),
        ("tusks: {}", "did you mean `tasks`?"),
        (": :", "the suite cannot be read"),
    ],
)
def test_what_is_wrong_with_a_suite_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "suite.yaml").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read_suite(tmp_path)
    assert message in caught.value.text()


def test_data_for_no_task_of_the_suite_is_an_error(tmp_path: Path, model: Path) -> None:
    data = {"xcopas": str(write_layout(tmp_path, "xcopa"))}
    suite = {"s": {"path": str(asset("asset:suites/target-core.yaml")), "data": data, "language": "swh_Latn"}}
    with pytest.raises(DataError, match="data is given for 'xcopas'"):
        measure(tmp_path, model, suites=suite)


def test_items_known_from_training_are_marked_and_left_out_of_a_second_score(tmp_path: Path, model: Path) -> None:
    known, new = TEXTS["urd_Arab"], TEXTS["urd_Arab"][::-1]
    rows = [{"question": q, "choices": ["پانی", "آگ"], "answer": n} for n, q in enumerate((known, new, known[:8]))]
    write_lines(tmp_path / "task" / "rows.jsonl", [{**row, "answer": row["answer"] % 2} for row in rows])
    (tmp_path / "task" / "t.yaml").write_text(
        "output_type: multiple_choice\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\n"
        "test_split: test\ndoc_to_text: question\ndoc_to_choice: choices\ndoc_to_target: answer\n",
        "utf-8",
    )
    texts = write_lines(tmp_path / "train.jsonl", [{"messages": [{"role": "user", "content": f"کہا: {known}"}]}])
    tasks = {"t": {"path": str(tmp_path / "task"), "language": "urd_Arab"}}
    scores, found = measure(tmp_path / "out", model, tasks=tasks, contamination=[str(texts)])
    assert [row["contaminated"] for row in found] == [True, False, None]
    facts = scores["sets"]["t"]["contamination"]
    assert (facts["items"], facts["too_short_to_tell"]) == (1, 1)
    assert facts["metrics_without"]["acc"]["n"] == 2 and scores["sets"]["t"]["metrics"]["acc"]["n"] == 3


@pytest.mark.parametrize("name", ["xcopa", "mgsm", "sib200", "belebele", "global_mmlu", "include", "xnli"])
def test_a_layout_written_as_a_task_file_asks_the_same(tmp_path: Path, name: str) -> None:
    words = {"cause": "کیونکہ", "effect": "اس لئے"} if name == "xcopa" else None
    found = read_layout(name, write_layout(tmp_path / "raw", name), "urd_Arab", words=words)
    rows = [placed.row for placed in found.rows if placed.row is not None]
    file = write_task(name, found.settings, rows, tmp_path / "task")
    again = load_task(read_task(file), Wanted()).items
    expected = items(tmp_path / "raw", name)
    assert [(i.prompt, i.request, i.gold, i.targets) for i in again] == [
        (i.prompt, i.request, i.gold, i.targets) for i in expected
    ]


def test_a_function_of_ours_is_not_written(tmp_path: Path) -> None:
    settings = {"doc_to_text": len, "doc_to_target": "x", "output_type": "generate_until"}
    with pytest.raises(DataError, match="`doc_to_text` is a function of ours"):
        write_task("t", settings, [], tmp_path)
