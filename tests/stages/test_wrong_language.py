"""One answer in five in another language, sister languages too: none is exported, 99 % of the right ones are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import SAMPLE, rows_of, run

from newtongue.methods.stand_in_material import sentences
from newtongue.methods.words import words

MARKS = "۔।؟!?."
SHARE = 0.2


def declaration(folder: Path, name: str) -> list[str]:
    """Sentences of the Universal Declaration in one language."""
    lines = (folder / "udhr" / f"{name}.txt").read_text("utf-8").splitlines()
    return [s for line in lines for s in sentences(line.strip(), MARKS) if len(words(s)) >= 6]


def sample(tag: str) -> list[str]:
    """Sentences of the shipped sample in one language."""
    rows = [json.loads(line) for line in (SAMPLE / f"{tag}.jsonl").read_text("utf-8").splitlines()]
    return [s for row in rows for s in sentences(row["text"], MARKS) if len(words(s)) >= 6]


@dataclass
class Injected:
    """What a teacher gave and what was exported, each row by its question, which no other row has.

    Attributes:
        right: Questions whose answer was in the language asked for.
        wrong: Questions whose answer was not.
        exported: Questions of all rows that were written, those flagged as unknown too.
        counts: Counts of the stage.
    """

    right: set[str]
    wrong: set[str]
    exported: set[str]
    counts: dict[str, int]

    def check(self) -> None:
        """Nothing wrong was exported, 99 % of what was right was, and one in five was wrong indeed."""
        assert not self.exported & self.wrong, "a wrong one was exported"
        assert self.exported <= self.right
        assert len(self.exported) >= 0.99 * len(self.right)
        assert len(self.right) + len(self.wrong) == self.counts["received"] > 400
        assert abs(len(self.wrong) - SHARE * self.counts["received"]) < 0.25 * SHARE * self.counts["received"]


def inject(folder: Path, tag: str, right: Sequence[str], wrong: Sequence[str]) -> Injected:
    """Run with a teacher, behind HTTP, that answers wrongly one time in five."""
    given: dict[bool, set[str]] = {True: set(), False: set()}

    def write(body: dict[str, Any]) -> str:
        rng = Random(body["seed"])
        tasks = []
        for _ in range(4):
            question, answer = rng.sample(list(right), 2)
            fine = rng.random() >= SHARE
            question = f"{question} {rng.randrange(10**9)}"
            given[fine].add(question)
            tasks.append({"instruction": question, "input": "", "output": answer if fine else rng.choice(list(wrong))})
        return json.dumps(tasks, ensure_ascii=False)

    seeds = folder / "seeds.jsonl"
    rows = [
        {"task": "qa", "instruction": q, "input": "", "output": a} for q, a in zip(right[:8], right[8:], strict=False)
    ]
    seeds.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    with running(FaultyTeacher(write=write)) as teacher:
        done = run(
            folder, documents=False, rows=10_000, language=tag, seeds_file=seeds, max_similarity=1.0,
            heldout_fraction=0, max_answer_characters=5000, teacher={"url": teacher.url}, max_requests=120,
        )  # fmt: skip
    return Injected(given[True], given[False], {row.messages[0]["content"] for row in rows_of(folder)}, done.counts)


CASES = {
    "Persian for Urdu": ("urd_Arab", "urd", "pes_1"),
    "Arabic for Urdu": ("urd_Arab", "urd", "arb"),
    "Hindi for Marathi": ("mar_Deva", "mar", "hin"),
    "Marathi for Hindi": ("hin_Deva", "hin", "mar"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sister_language_does_not_pass(case: str, tmp_path: Path, shared_data: Path) -> None:
    tag, right, wrong = CASES[case]
    foreign = declaration(shared_data, wrong)
    own = sample("urd_Arab") if tag == "urd_Arab" else declaration(shared_data, right)
    inject(tmp_path, tag, own, foreign).check()


def test_english_and_romanised_answers_do_not_pass(tmp_path: Path) -> None:
    wrong = [*sample("eng_Latn"), "Yeh kitab mere bhai ki hai aur bohat purani hai, is liye ise sambhal kar rakhna."]
    inject(tmp_path, "urd_Arab", sample("urd_Arab"), wrong).check()
