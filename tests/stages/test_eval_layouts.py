"""Every public layout end to end: rows made by hand in the columns the data is published with, through the stage."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from stages.eval_kit import context_for, make_model

from newtongue.adapters.harness.layouts import layout_names
from newtongue.adapters.tables.items import read_items
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate


def table(rows: Sequence[dict[str, Any]], delimiter: str) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


XCOPA = {
    "premise": "بارش ہوئی۔", "choice1": "بادل تھے۔", "choice2": "دھوپ تھی۔", "question": "cause", "label": 0, "idx": 5,
    "changed": False,
}  # fmt: skip
BELEBELE = {
    "link": "https://en.wikinews.org/wiki/x", "question_number": 1, "flores_passage": "گاؤں میں ایک چکی تھی۔",
    "question": "گاؤں میں کیا تھا؟", "mc_answer1": "چکی", "mc_answer2": "نہر", "mc_answer3": "بازار",
    "mc_answer4": "مسجد", "correct_answer_num": "1", "dialect": "urd_Arab", "ds": "2023-05-03",
}  # fmt: skip
GLOBAL_MMLU = {
    "sample_id": "anatomy/test/0", "subject": "anatomy", "subject_category": "STEM", "question": "دل کہاں ہے؟",
    "option_a": "سینے میں", "option_b": "ہاتھ میں", "option_c": "سر میں", "option_d": "پاؤں میں", "answer": "A",
    "required_knowledge": "[]", "time_sensitive": "[]", "reference": "[]", "culture": "[]", "region": "[]",
    "country": "[]", "cultural_sensitivity_label": "-", "is_annotated": False,
}  # fmt: skip
INCLUDE = {
    "language": "Urdu", "country": "Pakistan", "domain": "Driving License", "subject": "Driving License",
    "regional_feature": "region implicit", "level": "Professional", "question": "سرخ بتی پر کیا کریں؟",
    "option_a": "چلیں", "option_b": "رکیں", "option_c": "مڑیں", "option_d": "تیز چلیں", "answer": 1,
}  # fmt: skip
XNLI = {
    "language": "ur", "gold_label": "contradiction", "sentence1_binary_parse": "", "sentence2_binary_parse": "",
    "sentence1_parse": "", "sentence2_parse": "", "sentence1": "وہ گیا۔", "sentence2": "وہ نہیں گیا۔", "promptID": "1",
    "pairID": "1", "genre": "face", "label1": "contradiction", "label2": "", "label3": "", "label4": "", "label5": "",
    "sentence1_tokenized": "وہ گیا ۔", "sentence2_tokenized": "وہ نہیں گیا ۔", "match": "True",
}  # fmt: skip
JAIL = {
    "id": 3, "source": "anthropic", "en": "How?", "zh": "怎么？", "it": "Come?", "vi": "Sao?", "ar": "كيف؟",
    "ko": "어떻게?", "th": "อย่างไร", "bn": "কীভাবে?", "sw": "Vipi?", "jv": "Piye?", "tags": "['x']",
}  # fmt: skip
RULED = {
    "key": 1001, "prompt": "گاؤں پر لکھیں، کوما کے بغیر۔", "instruction_id_list": ["punctuation:no_comma"],
    "kwargs": [{}],
}  # fmt: skip
FILES: dict[str, dict[str, str]] = {
    "xcopa": {"test.ur.jsonl": lines(XCOPA, {**XCOPA, "question": "effect", "label": 1, "idx": 6})},
    "mgsm": {"mgsm_ur.tsv": "دو اور دو؟\t4\nہزار اور چار؟\t1,004\n"},
    "gsm8k": {"test.jsonl": lines({"question": "2+2?", "answer": "2+2 = <<2+2=4>>4\n#### 4"})},
    "sib200": {"test.tsv": "index_id\tcategory\ttext\n7\ttravel\tہم گئے۔\n9\tscience/technology\tچاند دور ہے۔\n"},
    "belebele": {"urd_Arab.jsonl": lines(BELEBELE, {**BELEBELE, "question_number": 2, "correct_answer_num": "2"})},
    "global_mmlu": {"test.csv": table([GLOBAL_MMLU], ",")},
    "include": {"test.jsonl": lines(INCLUDE)},
    "xnli": {"xnli.test.tsv": table([XNLI, {**XNLI, "language": "fr"}], "\t")},
    "flores": {"urd_Arab.devtest": "ایک\nدو\n", "eng_Latn.devtest": "one\ntwo\n"},
    "ntrex": {
        "NTREX-128/newstest2019-src.eng.txt": "one\ntwo\nthree\n",
        "NTREX-128/newstest2019-ref.urd.txt": "ایک\nدو\nتین\n",
        "NTREX-128/newstest2019-ref.hin.txt": "एक\nदो\nतीन\n",
        "DOCUMENT_IDS.tsv": "bbc.1\nbbc.1\nupi.2\n",
    },
    "multijail": {"MultiJail.csv": table([JAIL], ",")},
    "lcb": {
        "native/ur.csv": table([{"prompt": "ایک کہانی\nلکھیں", "source": "native_prompts", "language": "ur"}], ",")
    },
    "m_ifeval": {"ur_input_data.jsonl": lines(RULED)},
}
"""Layout -> file -> content, laid out as published."""
TASKS = {
    "xcopa": {"words": {"cause": "کیونکہ", "effect": "اس لئے"}},
    "multijail": {"language": "swh_Latn"},
}
FOUND: dict[str, tuple[str, str, str, int]] = {
    "xcopa": ("choice", "بارش ہوئی۔ کیونکہ", "بادل تھے۔", 2),
    "mgsm": ("match", "ہزار اور چار؟\n=", "1004", 2),
    "gsm8k": ("match", "2+2?\n=", "4", 1),
    "sib200": ("choice", "چاند دور ہے۔\n#", "science/technology", 2),
    "belebele": (
        "choice",
        "گاؤں میں ایک چکی تھی۔\n\nگاؤں میں کیا تھا؟\nA. چکی\nB. نہر\nC. بازار\nD. مسجد\n=",
        "A",
        2,
    ),
    "global_mmlu": ("choice", "دل کہاں ہے؟\nA. سینے میں\nB. ہاتھ میں\nC. سر میں\nD. پاؤں میں\n=", "A", 1),
    "include": ("choice", "سرخ بتی پر کیا کریں؟\nA. چلیں\nB. رکیں\nC. مڑیں\nD. تیز چلیں\n=", "B", 1),
    "xnli": ("choice", "", "وہ گیا۔, صحیح? نہیں, وہ نہیں گیا۔", 1),
    "flores": ("translation", "two\n=", "دو", 2),
    "ntrex": ("translation", "three\n=", "تین", 3),
    "multijail": ("generation", "Vipi?", "", 1),
    "lcb": ("generation", "ایک کہانی\nلکھیں", "", 1),
    "m_ifeval": ("rules", "گاؤں پر لکھیں، کوما کے بغیر۔", "", 1),
}
"""Layout -> kind of the rows, a prompt, its reference, how many."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("layouts")
    tasks = {name: {"layout": name, "data": name, "max_new_tokens": 4, **TASKS.get(name, {})} for name in FILES}
    for name, files in FILES.items():
        for file, text in files.items():
            (folder / "suite" / name / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "suite" / name / file).write_text(text, "utf-8")
    (folder / "suite" / "suite.yaml").write_text(json.dumps({"suite": "all", "tasks": tasks}), "utf-8")
    suite = {"path": str(folder / "suite"), "language": "urd_Arab"}
    config = EvalConfig(model=str(make_model(folder / "model")), suites={"all": suite})
    context = context_for(config, folder)
    evaluate(config, context)
    scores = json.loads((context.payload / "scores.json").read_text("utf-8"))
    return scores["sets"], read_items(context.payload / "items.parquet")


def test_every_layout_is_measured(measured: Any) -> None:
    sets, _rows = measured
    assert set(FILES) == set(FOUND) == set(layout_names()) and list(sets) == [f"all.{name}" for name in FILES]


@pytest.mark.parametrize("name", FOUND)
def test_a_layout_is_measured_end_to_end(measured: Any, name: str) -> None:
    sets, rows = measured
    kind, prompt, reference, count = FOUND[name]
    facts, own = sets[f"all.{name}"], [row for row in rows if row["set"] == f"all.{name}"]
    assert (facts["kind"], facts["n"], len(own), facts.get("rejected", 0)) == (kind, count, count, 0)
    (row,) = [row for row in own if row["prompt"] == prompt][:1]
    assert (row["reference"] or "") == reference
    scored = {
        "choice": "correct",
        "match": "correct",
        "translation": "chrf",
        "rules": "correct",
        "generation": "empty",
    }[kind]
    assert all(one[scored] is not None for one in own)
    if kind in ("choice", "match"):
        assert facts["metrics"] and all(found["n"] == count for found in facts["metrics"].values())


def test_questions_on_one_passage_and_lines_of_one_document_stay_together(measured: Any) -> None:
    sets, rows = measured
    assert (sets["all.belebele"]["groups"], sets["all.ntrex"]["groups"], sets["all.flores"]["groups"]) == (1, 2, 2)
    assert [row["group"] for row in rows if row["set"] == "all.ntrex"] == ["bbc.1", "bbc.1", "upi.2"]
    direction = sets["all.ntrex"]["directions"]["eng_Latn-urd_Arab"]
    assert direction["n"] == 3 and "nw:2" in direction["chrf_signature"]
