"""The commands over a cheap stage: exit codes, `--json` alone on its stream, show, gc, stage, explain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def call(tmp_path, command):
    """A function: arguments -> (exit code, standard output, standard error), run in the test's folder."""

    def run(*arguments: object, answer: str | None = None) -> tuple[int, str, str]:
        import subprocess

        process = command(*arguments, cwd=tmp_path, stdin=subprocess.PIPE)
        out, err = process.communicate(answer, timeout=60)
        return process.returncode, out, err

    return run


@pytest.fixture
def recipe(tmp_path):
    """A function: settings of the stage `a`, header -> recipe file."""

    def write(settings: str = "", header: str = "", name: str = "r.yaml") -> Path:
        file = tmp_path / name
        steps = f"  a: {{stage: grow, {settings}}}\n  b: {{stage: grow, corpus: $a}}\n"
        file.write_text(f"newtongue: 1\ntitle: Growing\n{header}\nstages:\n{steps}")
        return file

    return write


@pytest.mark.parametrize(
    ("settings", "header", "code", "last"),
    [
        ("", "", 0, ""),
        ("fault: bug", "", 1, "newtongue: this is a bug, please report it with the lines above"),
        ("chonks: 3", "", 2, "  fix: newtongue explain KEY shows every setting"),
        ("corpus: ./none.txt", "", 3, "  fix: check the path"),
        ("fault: data", "", 3, "  fix: mend it"),
        ("fault: memory", "", 3, "  fix: a smaller `micro_batch` or `batch`, or a larger machine; it resumes"),
        ("usd: 3", "budget: {usd: 1}", 4, "  fix: --set budget.usd=3.00, or make the recipe smaller"),
        ("fault: budget", "", 4, "newtongue: stages.a: too dear"),
        ("fault: provider", "", 5, "newtongue: http://teacher: 401 for "),
        ("gate: true", "", 6, "  fix: the result is sealed and complete; judge it yourself"),
    ],
)  # fmt: skip
def test_exit_codes(call, recipe, settings, header, code, last):
    done = call("run", recipe(settings, header), "--out", "s")
    assert done[0] == code, done
    assert done[2].splitlines()[-1] == last or code == 0
    assert ("Traceback" in done[2]) == (code == 1)


def test_run_prints_the_result_last_and_progress_on_the_other_stream(call, recipe, tmp_path):
    code, out, err = call("run", recipe())
    (place,) = (tmp_path / "runs" / "r").glob("02-b-*")
    assert (code, out) == (0, f"{place}/corpus\n")
    assert err.splitlines()[0].strip() == "a: run, new"
    assert "\x1b" not in err


def test_json_is_one_object_and_nothing_else(call, recipe, tmp_path):
    file = recipe()
    plan = json.loads(call("plan", file, "--json")[1])
    assert [step["action"] for step in plan["steps"]] == ["run", "run"]
    assert (plan["title"], plan["refused"], plan["machine"]) == ("Growing", None, "laptop-cpu")
    done = json.loads(call("run", file, "--json")[1])
    assert set(done) == {"a", "b"}
    shown = json.loads(call("show", "runs/r", "--json")[1])
    assert [row["state"] for row in shown["stages"]] == ["sealed", "sealed"]
    assert json.loads(call("show", done["a"], "--json")[1])["counts"] == {"documents": 3}
    assert json.loads(call("gc", "runs/r", "--json")[1]) == {"store": "runs/r", "unused": []}
    explained = json.loads(call("explain", "grow.teacher", "--json")[1])
    assert [row["key"] for row in explained["settings"]] == [
        "teacher", "teacher.url", "teacher.api_key", "teacher.temperature",
    ]  # fmt: skip


def test_a_refused_plan_is_still_shown_in_both_forms(call, recipe):
    file = recipe("usd: 3", "budget: {usd: 1}")
    code, out, err = call("plan", file)
    assert code == 4
    assert out.splitlines()[0].split() == ["stage", "action", "tokens", "time", "dollars", "memory", "disk", "why"]
    assert out.splitlines()[1].split() == ["a", "run", "2", "s", "$3.00", "(1.50–6.00)", "0.1", "GB", "new"]
    assert out.splitlines()[-1] == "to do on laptop-cpu: 4 s (2 s to 6 s), $3.00 (1.50–6.00); $0.00 of $1.00 spent"
    assert err == (
        "newtongue: budget.usd: the plan costs about $3.00 and $1.00 of $1.00 is left\n"
        "  fix: --set budget.usd=3.00, or make the recipe smaller\n"
    )
    code, out, err = call("plan", file, "--json")
    assert code == 4
    assert json.loads(out)["refused"].startswith("budget.usd: the plan costs about $3.00")


def test_a_full_disk_here_is_noted_by_plan_and_refused_by_run(call, recipe):
    file = recipe("disk_gb: 600000")
    code, out, _ = call("plan", file)
    assert code == 0
    note = next(line for line in out.splitlines() if line.startswith("note: here `run` would refuse: "))
    assert "needs about 600000.0 GB of disk and " in note
    plan = json.loads(call("plan", file, "--json")[1])
    assert plan["refused"] is None and "GB are free" in plan["here"]
    code, _, err = call("run", file)
    assert code == 2 and "GB of disk and " in err


def test_show_prints_the_card_and_what_is_wrong_with_the_bytes(call, recipe, tmp_path):
    call("run", recipe())
    (place,) = (tmp_path / "runs" / "r").glob("01-a-*")
    code, out, _ = call("show", place)
    assert code == 0
    assert out.splitlines()[0] == "# a"
    assert "A Corpus made by the stage `grow`." in out
    assert "- documents: 3" in out and "- CC0-1.0: 3" in out
    assert "PROBLEM" not in out
    text = place / "corpus" / "chunks.txt"
    text.chmod(0o644)
    text.write_text("edited")
    code, out, err = call("show", place)
    assert "PROBLEM chunks.txt: bytes differ" in out
    assert (code, err.splitlines()[0]) == (3, f"newtongue: {place}: the bytes are not those that were sealed")
    assert call("show", tmp_path)[0] == 3


def test_gc_keeps_what_a_recipe_names_lists_the_rest_and_asks(call, recipe, tmp_path):
    store = tmp_path / "runs" / "r"
    call("run", recipe("chunks: 2"))
    old = {path.name for path in store.glob("0*")}
    call("run", recipe("chunks: 3"))
    assert call("gc", "runs/r")[1] == "nothing to remove: every stage is named by a recipe-*.yaml of the store\n"
    first = min(store.glob("recipe-*.yaml"), key=lambda file: file.stat().st_mtime_ns)
    first.unlink()
    listed = json.loads(call("gc", "runs/r", "--json")[1])
    assert {row["directory"] for row in listed["unused"]} == old
    code, out, _ = call("gc", "runs/r", answer="n\n")
    assert code == 0
    assert "remove these 2 directories? [y/N]: " in out
    assert old <= {path.name for path in store.glob("0*")}
    assert call("gc", "runs/r", answer="y\n")[0] == 0
    assert {path.name for path in store.glob("0*")} & old == set()
    assert len(list(store.glob("0*"))) == 2
    assert json.loads(call("plan", recipe("chunks: 3"), "--json")[1])["steps"][0]["action"] == "reuse"


def test_gc_refuses_a_folder_that_is_no_store(call, tmp_path):
    (tmp_path / "01-mine-12345678").mkdir()
    code, _, err = call("gc", tmp_path, "--yes")
    assert code == 3
    assert err == f"newtongue: {tmp_path}: no recipe was recorded here\n  expected: a store, runs/<recipe>\n"
    assert (tmp_path / "01-mine-12345678").is_dir()


def test_one_stage_alone_with_a_budget(call, tmp_path):
    code, out, _ = call("stage", "grow", "--set", "chunks=2", "--out", "mine")
    assert (code, out) == (0, f"{tmp_path}/mine/corpus\n")
    code, _, err = call("stage", "grow", "--set", "usd=2", "--out", "dear")
    assert (code, err.splitlines()[0]) == (4, "newtongue: budget: the plan costs about $2.00 and there is no budget")
    assert call("stage", "grow", "--set", "usd=2", "--set", "budget.usd=3", "--out", "dear")[0] == 0
    code, _, err = call("stage", "gorw", "--out", "x")
    assert code == 2
    assert err.startswith("newtongue: newtongue stage: stages.gorw: no stage 'gorw'; did you mean 'grow'?")


def test_explain_names_type_default_and_meaning(call):
    code, out, _ = call("explain", "grow.workers")
    assert (code, out.splitlines()[2:]) == (0, ["workers: integer = 1 (operational)", "    Changes nothing."])
    code, _, err = call("explain", "grow.wrkers")
    assert code == 2
    assert err.startswith("newtongue: grow: no setting 'wrkers'; did you mean 'workers'?\n  expected: inputs, corpus, ")


@pytest.mark.parametrize("arguments", [["pln"], ["plan"], ["plan", "demo", "--sett", "x"], ["run", "--out"]])
def test_wrong_usage_is_two_and_one_line(call, arguments):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("newtongue: ")
    assert len(err.splitlines()) == 1


def test_output_that_nobody_reads_is_no_error(call, recipe, tmp_path):
    import subprocess
    import sys

    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m newtongue.cli.main explain grow | head -n 1"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
