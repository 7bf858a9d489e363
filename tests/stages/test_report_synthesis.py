"""The report's section on rows a teacher wrote, from the facts a `synth` stage writes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from stages.synth_kit import OFFLINE, run

from newtongue.core.rows import Message, Preference
from newtongue.stages.report.synthesis import synthesis
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.facts import synthesis_facts


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("written")
    priced = {**OFFLINE, "usd_per_million_input_tokens": 0.15, "usd_per_million_output_tokens": 0.6}
    outcome = run(folder, 10**9, documents=False, rows=42, heldout_fraction=0.2, teacher=priced)
    return outcome, json.loads((folder / "payload" / "synthesis.json").read_text("utf-8"))


def page_of(facts: Any, usd: float | None = None) -> str:
    stages = [{"name": "mine<", "synthesis": facts}, {"name": "elsewhere"}]
    return synthesis({"stages": stages}, {"stages": [{"name": "mine<", "usd": usd}]} if usd is not None else {})


def test_it_shows_acceptance_reasons_fidelity_dollars_likeness_and_samples(done: Any) -> None:
    outcome, facts = done
    page = page_of(facts, outcome.costs["usd"])
    assert "mine&lt;" in page
    assert "elsewhere" not in page
    assert f"{outcome.counts['received']:,} rows came back from {outcome.counts['requests']:,} questions: 42" in page
    assert f"They cost ${outcome.costs['usd']:,.4f}" in page
    for name, rows in outcome.counts.items():
        if name.startswith("rejected: "):
            reason = name.removeprefix("rejected: ")
            assert f'<th scope="row">{reason}</th><td class="figure">{rows:,}</td>' in page
    told = re.findall(r'<th scope="row">offline</th><td>(\w+)</td>', page)
    assert len(told) == 7
    assert sum(map(int, re.findall(r": (\d+) rows</title>", page))) == 42
    assert page.count('dir="rtl"') >= 14
    assert page.count('<article class="sample">') == 7
    assert "held-out questions are more than 0.5 alike" in page
    assert not re.search(r"nan|None", page)


def test_the_facts_add_up_and_name_no_dollars(done: Any) -> None:
    _, facts = done
    assert facts["received"] == facts["accepted"] + facts["rejected"] + facts["failed"]
    assert sum(why["rows"] for why in facts["reasons"]) == facts["rejected"] + facts["failed"]
    assert sum(facts["likeness"]["counts"]) == facts["accepted"]
    assert "usd" not in json.dumps(facts)


def test_pairs_are_shown_each_text_in_its_own_direction_and_nothing_forges_the_page() -> None:
    books = Books()
    prompt = (Message(role="user", content="What is <b>this</b> \u202e?"),)
    answers = [Message(role="assistant", content=text) for text in ("یہ ایک کتاب ہے۔", "یہ قلم ہے۔")]
    books.accept(Preference("a", prompt, *answers, "urd_Arab", "train", task="preference"), {})
    page = page_of(synthesis_facts(books))
    assert "Better answer" in page
    assert "Worse answer" in page
    assert "&lt;b&gt;" in page
    assert "\u202e" not in page
    assert page.count('dir="rtl"') == 2
    assert page.count('dir="auto"') == 1
    assert "They cost" not in page


def test_a_report_without_written_rows_has_no_section() -> None:
    assert synthesis({"stages": [{"name": "corpus"}]}, {}) == ""
