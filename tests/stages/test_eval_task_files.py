"""Task files: merged, checked, refused with the line, and never able to run or write anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import CHOICE_TASK, context_for

from newtongue.adapters.harness.functions import content_hash
from newtongue.adapters.harness.requests import Continuations, Generate
from newtongue.adapters.harness.task_file import read_task
from newtongue.adapters.harness.templates import render
from newtongue.core.errors import DataError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.items import Task, load_task
from newtongue.stages.eval.rows import Wanted
from newtongue.stages.eval.stage import evaluate

ROWS = [{"question": f"سوال {n}؟", "choices": ["ہاں", "نہیں"], "answer": n % 2} for n in range(4)]
PLAIN = CHOICE_TASK


def write(folder: Path, text: str = PLAIN, rows: list[Any] = ROWS, name: str = "task.yaml") -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / name).write_text(text, "utf-8")
    return folder / name


def load(folder: Path, text: str = PLAIN, rows: list[Any] = ROWS, **wanted: Any) -> Task:
    return load_task(read_task(write(folder, text, rows)), Wanted(**wanted))


def problem(folder: Path, text: str, rows: list[Any] = ROWS) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, text, rows)
    return caught.value.text()


def test_a_task_asks_every_choice_after_its_prompt(tmp_path: Path) -> None:
    task = load(tmp_path)
    assert [item.gold for item in task.items] == [(0,), (1,), (0,), (1,)]
    request = task.items[0].request
    assert isinstance(request, Continuations)
    assert request.pairs == (("سوال 0؟", " ہاں"), ("سوال 0؟", " نہیں"))


def test_includes_are_merged_and_the_nearer_key_wins(tmp_path: Path) -> None:
    write(tmp_path, PLAIN + "target_delimiter: '_'\n", name="base.yaml")
    task = load(tmp_path, "include: base.yaml\ntask: mine\n")
    assert task.name == "mine" and task.items[0].request.pairs[0][1] == "_ہاں"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN + "doc_to_txt: x\n", "task.yaml: unknown key `doc_to_txt`"),
        (PLAIN + "doc_to_image: x\n", "`doc_to_image`: images are not supported"),
        (PLAIN + "class: !function module.Task\n", "names Python code, which is never run"),
        (PLAIN.replace("doc_to_choice: choices\n", ""), "a task of type multiple_choice needs `doc_to_choice`"),
        (PLAIN.replace("multiple_choice", "judge"), "output_type is 'judge'"),
        (PLAIN + "metric_list: [{metric: mcc}]\n", "the metric mcc of multiple_choice tasks is not computed here"),
        (PLAIN.replace("dataset_path: json", "dataset_path: org/name"), "the data is on the hub ('org/name')"),
        (PLAIN.replace("rows.jsonl", "../rows.jsonl"), "lies outside the task's folder"),
        (PLAIN + "include: ../other.yaml\n", "lies outside"),
        (PLAIN + "include: task.yaml\n", "the include goes round in a circle"),
        (PLAIN + "include: none.yaml\n", "no such task file"),
        ("- a list", "is not a mapping of keys"),
        ("a: b: c", "cannot be read as YAML"),
        (PLAIN + "num_fewshot: 9\n", "9 few-shot examples are wanted and there are 3"),
        (PLAIN + "filter_list: [{name: f, filter: [{function: magic}]}]\n", "unknown filter `magic`"),
        (PLAIN + "fewshot_config: {sampler: magic}\nnum_fewshot: 1\n", "unknown few-shot sampler 'magic'"),
        (PLAIN.replace("doc_to_text: question", "doc_to_text: '{{nothing}}'"), "'nothing' is undefined"),
        (PLAIN.replace("doc_to_text: question", "doc_to_text: '{{ question'"), "cannot be filled"),
        (PLAIN.replace("doc_to_choice: choices", "doc_to_choice: '{{question}}'"), "is no list of texts"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_task_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    assert message in problem(tmp_path, text)


def test_one_bad_row_never_loses_the_others(tmp_path: Path) -> None:
    bad = [{"question": "x", "choices": ["a", "b"], "answer": 7}, {"question": "x"}, {"question": "x", "choices": "a"}]
    task = load(tmp_path, rows=[*ROWS, *bad])
    assert len(task.items) == 4
    assert [r.place for r in task.rejected] == ["rows.jsonl:5", "rows.jsonl:6", "rows.jsonl:7"]
    assert "the target 7 is none of the 2 choices" in task.rejected[0].reason


def test_an_unknown_function_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text("def fetch(doc):\n    return open('/etc/passwd').read()\n", "utf-8")
    found = problem(tmp_path, PLAIN.replace("doc_to_text: question", "doc_to_text: !function utils.fetch"))
    assert "task.yaml:7: `doc_to_text: !function utils.fetch` names Python code, which is never run" in found
    assert "write it as a template" in found


def test_code_beside_a_task_file_is_read_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "written"
    code = f"open({str(mark)!r}, 'w')\n\ndef doc_to_choice(doc):\n    open({str(mark)!r}, 'w')\n"
    (tmp_path / "utils.py").write_text(code, "utf-8")
    problem(tmp_path, PLAIN.replace("doc_to_choice: choices", "doc_to_choice: !function utils.doc_to_choice"))
    assert not mark.exists()


REACHES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ question.__class__.__base__ }}",
    "{{ self.__init__.__globals__['__builtins__'].open('FILE', 'w') }}",
    "{{ cycler.__init__.__globals__.os.system('touch FILE') }}",
    "{{ lipsum.__globals__['os'].popen('touch FILE').read() }}",
    "{{ open('FILE', 'w') }}",
    "{% set x = choices.append('c') %}{{ choices }}",
    "{{ choices.clear() }}",
    "{% include 'FILE' %}",
    "{% import 'os' as os %}{{ os.system('touch FILE') }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(question) }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ range(10**9)|list }}",
    "{{ 'a' * 10**12 }}",
    "{{ 10**12 * [question] }}",
    "{{ 9**(9**9) }}",
    "{{ 10**7 * 'a' }}",
    "{{ question|center(10**15) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }} of {{ j }}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
]


@pytest.mark.parametrize("template", REACHES)
@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix"])
def test_a_task_file_cannot_write_a_file(tmp_path: Path, template: str, key: str) -> None:
    mark = tmp_path / "written"
    settings = {k: v for k, v in (line.split(": ", 1) for line in PLAIN.strip().splitlines()) if k != key}
    text = (
        "".join(f"{k}: {v}\n" for k, v in settings.items())
        + f"{key}: {json.dumps(template.replace('FILE', str(mark)))}\n"
    )
    before = sorted(tmp_path.iterdir())
    file = write(tmp_path, text)
    with pytest.raises(DataError):
        load_task(read_task(file), Wanted())
    assert not mark.exists() and sorted(set(tmp_path.iterdir()) - set(before)) == [tmp_path / "rows.jsonl", file]


ELSEWHERE = {
    "a metric": "metric_list: [{metric: !function utils.write}]\n",
    "an aggregation": "metric_list: [{metric: acc, aggregation: !function utils.write}]\n",
    "a filter": "filter_list: [{name: f, filter: [{function: !function utils.write}]}]\n",
    "rows": "process_docs: !function utils.write\n",
    "examples": "num_fewshot: 1\nfewshot_config: {sampler: first_n, samples: !function utils.write}\n",
    "the words of examples": "num_fewshot: 1\nfewshot_config: {doc_to_text: \"{{ open('FILE', 'w') }}\"}\n",
    "a data set": "custom_dataset: !function utils.write\n",
    "a script of the hub": "dataset_path: ./writes.py\n",
    "a class": "class: !function utils.Write\n",
    "another user's file": "dataset_kwargs: {data_files: {test: /etc/passwd}}\n",
    "a stop": "unsafe_code: true\ndoc_to_text: !function utils.write\n",
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_no_other_key_of_a_task_file_runs_what_stands_beside_it(tmp_path: Path, what: str) -> None:
    """The whole stage over the folder: it ends with an error of the user's, and nothing has been written."""
    folder, mark = tmp_path / "task", tmp_path / "written"
    folder.mkdir()
    code = f"open({str(mark)!r}, 'w')\n\ndef write(*given):\n    open({str(mark)!r}, 'w')\n\nWrite = write\n"
    for name in ("utils.py", "writes.py"):
        (folder / name).write_text(code, "utf-8")
    text = ELSEWHERE[what].replace("FILE", str(mark))
    plain = "".join(
        x for x in PLAIN.splitlines(True) if x.split(":")[0] not in {y.split(":")[0] for y in text.split("\n")}
    )
    before = {file: file.read_bytes() for file in [write(folder, plain + text), *folder.iterdir()]}
    config = EvalConfig(model=str(tmp_path), tasks={"t": {"path": str(folder), "language": "urd_Arab"}})
    with pytest.raises(DataError):
        evaluate(config, context_for(config, tmp_path / "out"))
    assert not mark.exists() and {file: file.read_bytes() for file in folder.iterdir()} == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "task"]
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


@pytest.mark.parametrize("answer", [-1, 2, 10**30, 0.5, True, None, "none of them", [0, 7], [0, "no"], [], {"a": 0}])
def test_a_right_answer_that_is_none_of_the_choices_is_counted(tmp_path: Path, answer: Any) -> None:
    task = load(tmp_path, rows=[*ROWS, {"question": "x", "choices": ["a", "b"], "answer": answer}])
    assert len(task.items) == 4 and [r.place for r in task.rejected] == ["rows.jsonl:5"]
    assert "is none of the 2 choices" in task.rejected[0].reason


def test_python_tags_of_yaml_are_refused(tmp_path: Path) -> None:
    mark = tmp_path / "written"
    assert "cannot be read as YAML" in problem(tmp_path, f"task: !!python/object/apply:os.system ['touch {mark}']\n")
    assert not mark.exists()


def test_templates_know_the_filter_of_the_harness() -> None:
    assert render("{{ t | regex_replace('a+', 'b') }}\n", {"t": "caat"}, "x") == "cbt\n"


XCOPA = """
from functools import partial


def convert_choice(choice):
    return choice[0].lower() + choice[1:]


def doc_to_text(doc, connector):
    # Drop the period
    conn = connector[doc["question"]]
    return doc["premise"].strip()[:-1] + f" {conn}"


def doc_to_choice(doc):
    return [convert_choice(doc["choice1"]), convert_choice(doc["choice2"])]


doc_to_text_sw = partial(
    doc_to_text,
    connector={
        "cause": "kwa sababu",
        "effect": "kwa hiyo",
    },
)
"""


def test_a_known_function_is_ours_by_name_and_content(tmp_path: Path) -> None:
    text = PLAIN.replace("question\n", "!function utils.doc_to_text_sw\n").replace("answer", "label")
    text = text.replace("choices", "!function utils.doc_to_choice")
    row = {"premise": "Kifaa.", "question": "cause", "choice1": "Kikuwa.", "choice2": "Kilikuwa.", "label": 1}
    (tmp_path / "utils.py").write_text(XCOPA, "utf-8")
    item = load(tmp_path, text, [row]).items[0]
    assert (item.prompt, item.choices) == ("Kifaa kwa sababu", ("kikuwa.", "kilikuwa."))
    (tmp_path / "utils.py").write_text(XCOPA.replace("kwa hiyo", "x"), "utf-8")
    assert "it is none we have our own for" in problem(tmp_path, text, [row])


def test_comments_and_layout_do_not_count_as_content_and_helpers_do() -> None:
    source = "def f(a):\n    return g(a)\n\ndef g(a):\n    return a\n"
    same = 'def f(a: int) -> int:\n    """Say."""\n    return g(a)  # why\n\n\ndef g(a):\n    return a\n'
    assert content_hash(source, "f") == content_hash(same, "f")
    assert content_hash(source, "f") != content_hash(source.replace("return a\n", "return 1\n"), "f")
    assert content_hash(source, "h") is None and content_hash("def f(:", "f") is None


def test_generation_settings_are_read_and_others_refused(tmp_path: Path) -> None:
    base = PLAIN.replace("multiple_choice", "generate_until").replace("doc_to_choice: choices\n", "")
    task = load(
        tmp_path, base + "generation_kwargs: {until: ['۔'], max_gen_toks: 7, do_sample: false, temperature: 0.7}\n"
    )
    request = task.items[0].request
    assert isinstance(request, Generate)
    assert (request.until, request.max_tokens, request.temperature) == (("۔",), 7, 0.0)
    assert "`generation_kwargs.num_beams` is not supported" in problem(
        tmp_path, base + "generation_kwargs: {num_beams: 2}\n"
    )


def test_rows_given_in_the_recipe_replace_those_of_the_hub(tmp_path: Path) -> None:
    rows = tmp_path / "mine.csv"
    rows.write_text("question,a,b,answer\nکیا؟,ہاں,نہیں,1\n", "utf-8")
    text = PLAIN.replace("dataset_path: json", "dataset_path: org/name").replace("choices\n", "'{{[a, b]}}'\n")
    task = load(tmp_path, text, data=rows)
    assert task.items[0].gold == (1,) and task.items[0].choices == ("ہاں", "نہیں")
