"""Log-likelihoods of an endpoint, killed without warning in the middle: nothing is asked twice, scores are equal."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from run.test_synth_killed import KEY, assert_nowhere, complete_keys
from stages.eval_kit import TEXTS, write_lines

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.tables.items import read_items
from newtongue.core.manifest import read_manifest

LANES, KILLS, ITEMS = 5, 2, 40
TASKS = {
    "choice": "output_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: choices\ndoc_to_target: answer\n",
    "cloze": "output_type: loglikelihood\ndoc_to_text: q\ndoc_to_target: '{{choices[1]}}'\n",
    "rolling": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: q\n",
}
RECIPE = """
newtongue: 1
languages: {{target: [urd_Arab]}}
budget: {{usd: 60}}
stages:
  scores:
    stage: eval
    endpoint:
      {{url: {url}, model: pico, api_key: env:TEST_TEACHER_KEY,
        usd_per_million_input_tokens: 100, usd_per_million_output_tokens: 300}}
    batch: {lanes}
    tasks:
"""


class Echoing(FaultyTeacher):
    """Says of every character of a prompt how likely it is: a number made from what stands before it."""

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        said = body["prompt"] + "."
        values = [-1 - sha256(said[: n + 1].encode()).digest()[0] / 64 for n in range(len(said))]
        found = {"tokens": list(said), "token_logprobs": [None, *values[1:]]}
        found["top_logprobs"] = [None, *({"best": max(-2.0, value)} for value in values[1:])]
        usage = {"prompt_tokens": len(said) - 1, "completion_tokens": 1}
        return {"model": body["model"], "choices": [{"text": "", "logprobs": found}], "usage": usage}


def write_recipe(folder: Path, url: str, lanes: int) -> Path:
    """Write three tasks in a folder, and the recipe that asks them."""
    folder.mkdir(exist_ok=True)
    text, lines = TEXTS["urd_Arab"], []
    rows = [
        {"q": f"{n}: {text[n % 20 :]}", "choices": [f"{n}{text[:4]}", text[3:9]], "answer": 0} for n in range(ITEMS)
    ]
    write_lines(folder / "rows.jsonl", rows)
    for name, settings in TASKS.items():
        head = f"task: {name}\ndataset_path: json\ntest_split: test\n"
        (folder / f"{name}.yaml").write_text(head + settings, "utf-8")
        lines.append(f"      {name}: {{path: ./{name}.yaml, data: ./rows.jsonl, language: urd_Arab}}\n")
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(url=url, lanes=lanes) + "".join(lines), "utf-8")
    return file


def start(recipe: Path) -> subprocess.Popen[str]:
    """Start a run in its own process group."""
    command = [sys.executable, "-m", "newtongue.cli.main", "run", str(recipe), "--out", str(recipe.parent / "store")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "TEST_TEACHER_KEY": KEY}
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def kill_after(recipe: Path, server: FaultyTeacher, requests: int) -> None:
    """Run until so many more requests have come, then kill the run and all its processes."""
    before, process, deadline = len(server.order), start(recipe), time.monotonic() + 300
    while len(server.order) < before + requests and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    still_running = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    output, _ = process.communicate()
    assert still_running, output


def finish(recipe: Path) -> tuple[str, list[dict[str, Any]], str]:
    """Run to the end; return digest, rows and what was printed."""
    process = start(recipe)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    (directory,) = (recipe.parent / "store").glob("*-scores-*")
    return str(read_manifest(directory)["digest"]), read_items(directory / "scores" / "items.parquet"), output


@pytest.mark.timeout(900)  # a quarter of a minute on a free core
def test_kill_minus_nine_asks_no_text_twice_and_gives_equal_scores(tmp_path: Path) -> None:
    server, rng = Echoing(latency_seconds=0.03, price=(100, 300)), random.Random(0)
    book = tmp_path / "killed" / "store" / "ledger.db"
    with running(server):
        recipe = write_recipe(tmp_path / "killed", server.url, LANES)
        for _kill in range(KILLS):
            before, had = len(server.order), complete_keys(book) if book.exists() else set()
            kill_after(recipe, server, rng.randint(20, 50))
            assert not had & set(server.order[before:]), "an answer already paid for was asked for again"
        before, had = len(server.order), complete_keys(book)
        killed, rows, output = finish(recipe)
        texts, sent = len(set(server.order)), len(server.order)
        assert not had & set(server.order[before:]) and len(had) >= 20
        assert before < sent <= texts + LANES * KILLS, "more was asked again than could be in flight"
        assert len(Ledger(book).stranded()) <= LANES * KILLS and server.billed <= Ledger(book).spent()
        whole, other_rows, _ = finish(write_recipe(tmp_path / "whole", server.url, 1))
    assert killed == whole and rows == other_rows and len(rows) == 3 * ITEMS
    assert {row["kind"] for row in rows} == {"choice", "cloze", "rolling"}
    assert_nowhere(KEY, tmp_path, output)
