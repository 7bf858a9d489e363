"""The page a reader sees beside written rows."""

from __future__ import annotations

import re
from pathlib import Path

from stages.synth_kit import OFFLINE, run

from newtongue.core.rows import Conversation, Message
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.facts import synthesis_facts
from newtongue.stages.synth.summary import summary


def test_the_page_has_figures_reasons_fidelity_dollars_likeness_and_samples(tmp_path: Path) -> None:
    priced = {**OFFLINE, "usd_per_million_input_tokens": 0.15, "usd_per_million_output_tokens": 0.6}
    done = run(tmp_path, 10**9, rows=70, heldout_fraction=0, teacher=priced)
    page = (tmp_path / "payload" / "summary.md").read_text("utf-8")
    assert f"{done.counts['received']:,} rows came back from {done.counts['requests']:,} questions; 70 (" in page
    assert f"They cost ${done.costs['usd']:,.4f}" in page
    assert done.costs["usd"] > 0
    for name, number in done.counts.items():
        if name.startswith("rejected: "):
            assert f"| {name.removeprefix('rejected: ')} | {number:,} |" in page
    table = page.split("by teacher and task:\n\n")[1].split("\n\n")[0].splitlines()[2:]
    assert len(table) == 7
    assert all(row.endswith("| 100.0% |") for row in table)
    bars = re.findall(r"^\d\.\d to \d\.\d +(\d+)", page, re.MULTILINE)
    assert sum(map(int, bars)) == 70
    assert page.count('<p dir="rtl" lang="urd">') == 14
    assert done.volatile == ["summary.md"]


def test_heldout_questions_near_training_ones_are_counted() -> None:
    turns = lambda text: (Message(role="user", content=text), Message(role="assistant", content="x"))  # noqa: E731
    books = Books()
    for name, split, text in (
        ("a", "train", "one two three four five six"),
        ("b", "heldout", "one two three four eight nine"),
        ("c", "heldout", "something else altogether here"),
    ):
        books.accept(Conversation(name, turns(text), "eng_Latn", split), {})
    page = summary(synthesis_facts(books), "title", 0.0)
    assert "1 of 2 held-out questions are more than 0.5 alike to a training question." in page
