"""Acceptance of `self_instruct` in `mode: alif`, through real HTTP on loopback."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.alif_kit import TASKS, Task, alif_teacher, read_prompt, seeds, written
from stages.synth_kit import payload, rejected, rows_of, run

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.prompts import load_prompts
from newtongue.core.errors import BudgetExceeded
from newtongue.methods.prompts import read
from newtongue.methods.task_blocks import parse_blocks, write_blocks
from newtongue.methods.words import words
from newtongue.stages.synth.config import SynthConfig

ALIF: dict[str, Any] = {"kind": "self_instruct", "mode": "alif"}
PRICES = {"usd_per_million_input_tokens": 2.5, "usd_per_million_output_tokens": 10.0}
LONG = 100_000


def synth(folder: Path, teacher: Any, cap: int | None = 10**9, **settings: Any) -> Any:
    chosen = {"generator": ALIF, "rows": 70, "max_answer_characters": LONG, "heldout_fraction": 0.0, **settings}
    more = chosen.pop("price", {})
    return run(folder, cap, documents=False, teacher={"url": teacher.url, **more}, **chosen)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("alif")
    with running(alif_teacher()) as teacher:
        teacher.price = (2.5, 10.0)
        outcome = synth(folder, teacher, rows=420, heldout_fraction=0.2, price=PRICES)
    return folder, teacher, outcome


def test_requests_show_four_seeds_of_their_task_and_two_rows_of_any(ran: Any) -> None:
    """A1, A2: four seeds of the type, two rows of the one pool once there are some, none at the start."""
    known = seeds()
    sizes, crossed = Counter(), 0
    for number, prompt in enumerate(ran[1].prompts):
        task, shown = read_prompt(prompt)
        mine = [known[one["instruction"]]["task"] for one in shown if one["instruction"] in known]
        assert mine == [task] * 4, number
        sizes[len(shown) - 4] += 1
    rows = {row.id: row for row in rows_of(ran[0])}
    for line in (ran[0] / "payload" / "provenance.jsonl").read_text("utf-8").splitlines():
        facts = json.loads(line)
        crossed += any(rows[name].task != rows[facts["id"]].task for name in facts["pool"])
        assert all(rows[name].split == rows[facts["id"]].split for name in facts["pool"])
    assert set(sizes) == {0, 2}
    assert crossed > 0


def test_the_pool_can_be_kept_within_a_task(tmp_path: Path) -> None:
    """A2: pool items cross task types only where the scope is global."""
    with running(alif_teacher()) as teacher:
        synth(tmp_path, teacher, rows=700, generator={**ALIF, "pool_scope": "task"})
    rows = {row.id: row for row in rows_of(tmp_path)}
    facts = [json.loads(line) for line in (tmp_path / "payload" / "provenance.jsonl").read_text("utf-8").splitlines()]
    assert any(one["pool"] for one in facts)
    assert all(rows[name].task == rows[one["id"]].task for one in facts for name in one["pool"])


def test_seeds_and_prompts_of_a_task_stay_with_it_and_the_two_sides_have_their_own(ran: Any) -> None:
    """A2, A14: no seed of another type, and none on both sides."""
    sides: dict[str, set[str]] = {"train": set(), "heldout": set()}
    rows = {row.id: row for row in rows_of(ran[0])}
    for line in (ran[0] / "payload" / "provenance.jsonl").read_text("utf-8").splitlines():
        facts = json.loads(line)
        task = rows[facts["id"]].task
        assert all(seed.startswith(task) for seed in facts["seeds"])
        sides[rows[facts["id"]].split] |= set(facts["seeds"])
    assert sides["heldout"]
    assert not sides["train"] & sides["heldout"]


def test_every_task_ends_at_its_quota_and_the_ledger_at_usage_times_price(ran: Any) -> None:
    """A9: quotas exact, the ledger equal to the meter."""
    folder, teacher, outcome = ran
    assert {outcome.counts[f"accepted: {task}"] for task in TASKS} == {60}
    assert outcome.counts["documents"] == 420
    assert teacher.billed == Ledger(folder / "ledger.db").spent() == outcome.costs["usd"] * 1e6


def test_translations_cover_the_four_directions_alike(ran: Any) -> None:
    """A8: English is right in translations, each direction within five points of its quota."""

    def script(text: str) -> str:
        return "eng" if sum(c.isascii() and c.isalpha() for c in text) > len(text) / 3 else "urd"

    rows = [row for row in rows_of(ran[0]) if row.task == "translation"]
    found = Counter((script(row.messages[0]["content"]), script(row.messages[1]["content"])) for row in rows)
    assert len(found) == 4
    assert max(found.values()) - min(found.values()) <= 0.05 * len(rows)
    assert {row.language for row in rows} == {"urd_Arab", "eng_Latn"}


FIXED = {
    "instruction": "اگر ایک کسان کے پاس بارہ بکریاں ہوں اور وہ تین بیچ دے تو کتنی بچیں گی؟",
    "input": "",
    "output": "اس کے پاس نو بکریاں بچیں گی۔",
}


def test_an_instruction_of_another_task_is_similar_with_its_nearest_id(tmp_path: Path) -> None:
    """A3, A5: accepted under one type, refused under another and twice in one reply, score 1 and nearest id told."""

    def change(task: str, tasks: list[Task], rng: Random) -> list[Task]:
        return [FIXED, FIXED, *tasks[:4]]

    with running(alif_teacher(change)) as teacher:
        synth(tmp_path, teacher, rows=8, tasks={"qa": 1, "reasoning": 1})
    kept = [row for row in rows_of(tmp_path) if row.messages[0]["content"] == FIXED["instruction"]]
    assert [row.task for row in kept] == ["qa"]
    again = [json.loads(r["content"])["note"] for r in rejected(tmp_path) if r["reason"] == "too similar"]
    assert again.count(f"1.000 to {kept[0].id}") >= 2


SPOILT: dict[str, tuple[dict[str, str], str]] = {
    "three words": ({"instruction": "یہ بہت مختصر"}, "instruction too short"),
    "four words": ({"instruction": "پاکستان کا دارالحکومت بتائیں"}, ""),
    "150 words": ({"instruction": " ".join(["کتاب", "اور"] * 75)}, ""),
    "151 words": ({"instruction": " ".join(["لفظ", "اور"] * 75 + ["بس"])}, "instruction too long"),
    "no output": ({"output": ""}, "empty instruction or output"),
    "an Arabic question mark first": ({"instruction": "؟ یہ کیا چیز ہے بتائیں"}, "begins with punctuation"),
    "a blocked word before a comma": ({"instruction": "ایک خوبصورت تصویر، جو رنگین ہو، تیار کریں"}, "blocked word"),
    "how to make": ({"instruction": "گھر پر اچھی چائے بنانے کا طریقہ بنائیں اور لکھیں"}, ""),
    "a program": ({"instruction": "پروگرام لکھیں جو دو عدد جمع کرے"}, "blocked beginning"),
    "an English reply": ({"output": "The capital of the country is a large city."}, "answer: script"),
    "a wrong chain": ({"output": "پہلے 12 + 7 = 20، پھر جواب 20 ہے۔"}, "wrong sum"),
    "a final answer beside the last step": (
        {"output": "پہلے ہم 12 + 7 = 19 لکھتے ہیں، لہٰذا آخری جواب 18 ہے۔"},
        "answer differs from its sums",
    ),
}
QUESTIONS = (
    "گاؤں کا کنواں کس نے کھودا تھا؟",
    "ندی کے پار کون سا شہر آباد ہے؟",
    "سردیوں میں پرندے کہاں جاتے ہیں؟",
    "ریل گاڑی صبح کتنے بجے چلے گی؟",
)


def test_each_filter_at_its_edge(tmp_path: Path) -> None:
    """A7, A8, A13: lengths, blocked words, beginnings, an English reply, sums."""
    given = [{**FIXED, "instruction": f"{name} سوال نمبر", **change} for name, (change, _) in SPOILT.items()]
    for number, task in enumerate(given):
        if "instruction" not in list(SPOILT.values())[number][0]:
            task["instruction"] = QUESTIONS[number % 4]

    with running(alif_teacher(lambda task, tasks, rng: given)) as teacher:
        synth(tmp_path, teacher, rows=20, tasks={"qa": 1}, max_requests=1)
    reasons = {json.loads(r["content"]).get("instruction", ""): r["reason"] for r in rejected(tmp_path)}
    kept = {row.messages[0]["content"] for row in rows_of(tmp_path)}
    for task, (name, (_, reason)) in zip(given, SPOILT.items(), strict=True):
        assert (reasons.get(task["instruction"], ""), task["instruction"] in kept) == (reason, not reason), name


BLOCKS = """ گاؤں کا پرانا کنواں کس نے اور کب کھودا تھا؟
7. Input:
<noinput>
7. Answer:
اسے 20. صدی کے شروع میں، یعنی 1920. کے قریب، گاؤں والوں نے خود کھودا تھا۔
###
8. Instruction: ندی کے پار کون سا بڑا شہر آباد ہے، بتائیے؟
8. Input:
یہ ندی شمال کی طرف بہتی ہے۔
8. Response:
ندی کے پار ایک بڑا اور پرانا شہر آباد ہے۔
###
9. Instruction: اس خانے میں جواب کا نشان ہی نہیں ہے، کیوں؟
9. Input:
<noinput>
###
10. Instruction: سردیوں میں پرندے اڑ کر کہاں چلے جاتے ہیں؟
10. Input:
<noinput>
10. Output:
پرندے سردیوں میں گرم ملکوں کی طرف چلے جاتے ہیں۔"""


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_what_the_reader_of_blocks_keeps(finish: str, tmp_path: Path) -> None:
    """A6: missing labels, `<noinput>`, cut answers, other labels, `20.` in an answer."""

    class Cut(FaultyTeacher):
        def reply(self, body: dict[str, Any]) -> dict[str, Any]:
            reply = super().reply(body)
            reply["choices"][0]["finish_reason"] = finish
            return reply

    with running(Cut(write=lambda body: BLOCKS)) as teacher:
        synth(tmp_path, teacher, rows=20, tasks={"qa": 1}, max_requests=1)
    rows = [[turn["content"] for turn in row.messages] for row in rows_of(tmp_path)]
    assert rows[0][0].startswith("گاؤں")
    assert "<noinput>" not in json.dumps(rows)
    assert "20. صدی" in rows[0][1]
    assert rows[0][1].endswith("کھودا تھا۔")
    assert rows[1][0].endswith("یہ ندی شمال کی طرف بہتی ہے۔")
    assert len(rows) == (3 if finish == "stop" else 2)
    reasons = Counter(row["reason"] for row in rejected(tmp_path))
    assert reasons["a label is missing"] == 1
    assert reasons["answer cut off"] == (finish == "length")


NEIGHBOURING = {
    "urd": "urd_Arab",
    "hin": "hin_Deva",
    "tir": "tir_Ethi",
    "tha": "tha_Thai",
    "rus": "rus_Cyrl",
    "eng": "eng_Latn",
}


@pytest.mark.parametrize("name", NEIGHBOURING)
def test_likeness_of_seven_tenths_is_kept_and_above_dropped_in_every_script(
    name: str, tmp_path: Path, shared_data: Path
) -> None:
    """A4, A5: 0.700 stays, 0.706 and a copy go, in six scripts."""
    text = (shared_data / "udhr" / f"{name}.txt").read_text("utf-8")
    found = [word for word in dict.fromkeys(words(text[400:])) if not word.isdecimal()]
    space = "" if name == "tha" else " "
    ten, seventeen = found[:10], found[20:37]
    asked = [ten, ten[:7] + found[10:13], seventeen, seventeen[:12] + found[37:42], ten]
    answer = text[900:1100].strip()
    tasks = [{"instruction": space.join(one), "input": "", "output": f"{answer} {n}"} for n, one in enumerate(asked)]
    seeds_file = tmp_path / "seeds.jsonl"
    seeds = [{"task": "qa", "instruction": space.join(found[n : n + 8]), "output": answer} for n in range(60, 108, 8)]
    seeds_file.write_text("".join(json.dumps(seed) + "\n" for seed in seeds), "utf-8")
    blocks = write_blocks(tasks, first=7).removeprefix("###\n7. Instruction:")
    with running(FaultyTeacher(write=lambda body: blocks)) as teacher:
        settings = {"language": NEIGHBOURING[name], "seeds_file": seeds_file, "max_requests": 1}
        synth(tmp_path, teacher, rows=9, tasks={"qa": 1}, **settings)
    kept = [row.messages[0]["content"] for row in rows_of(tmp_path)]
    aside = {json.loads(row["content"])["instruction"]: row["reason"] for row in rejected(tmp_path)}
    assert kept == [space.join(one) for one in asked[:3]], aside
    notes = [json.loads(row["content"])["note"][:5] for row in rejected(tmp_path)]
    assert (set(aside.values()), notes) == ({"too similar"}, ["0.706", "1.000"])


def test_a_teacher_that_repeats_itself_saturates(tmp_path: Path) -> None:
    """A10: a bounded number of requests, and the card says what is missing."""
    with running(alif_teacher(lambda task, tasks, rng: [FIXED])) as teacher:
        done = synth(tmp_path, teacher, rows=400, tasks={"qa": 1})
    assert done.counts["documents"] == 1
    assert done.counts["requests"] <= 30
    assert "Fewer rows than asked for: qa (train) 1 of 400." in done.card


def test_a_cap_holds_while_requests_run_side_by_side(tmp_path: Path) -> None:
    """A9: the cap is never passed with sixteen requests in flight."""
    with running(alif_teacher()) as teacher:
        teacher.price = (2.5, 250.0)
        dear = {"usd_per_million_input_tokens": 2.5, "usd_per_million_output_tokens": 250.0, "max_tokens": 100}
        with pytest.raises(BudgetExceeded):
            synth(tmp_path, teacher, 80_000, rows=2000, price=dear, concurrency=16)
        assert 0 < teacher.billed == Ledger(tmp_path / "ledger.db").spent() <= 80_000


def test_neither_concurrency_nor_faults_change_a_byte(tmp_path: Path) -> None:
    """A11, A12: one request at a time or eight, calm or stormy."""

    def story(body: Any, attempt: int) -> str:
        return ("429", "cut", "500", "answer")[min(attempt, 3)] if body["seed"] % 5 == 0 else "answer"

    for name, teacher, lanes in (("calm", alif_teacher(), 1), ("stormy", alif_teacher(story=story), 8)):
        with running(teacher):
            synth(tmp_path / name, teacher, rows=140, concurrency=lanes)
    assert payload(tmp_path / "calm") == payload(tmp_path / "stormy")


def test_alpaca_shows_three_seeds_of_any_type_and_no_row(tmp_path: Path) -> None:
    shown: list[list[str]] = []

    def write(body: Any) -> str:
        prompt = body["messages"][-1]["content"]
        slots = read(load_prompts("alpaca")["frame"], prompt)
        assert slots
        shown.append([i.instruction for i in parse_blocks(slots["blocks"].removeprefix("###\n"), cut_off=False)])
        return write_blocks(written("qa", Random(prompt)), first=4).removeprefix("###\n4. Instruction:")

    with running(FaultyTeacher(write=write)) as teacher:
        synth(tmp_path, teacher, rows=60, generator={"kind": "self_instruct", "mode": "alpaca"})
    known = {row["instruction"]: row["task"] for row in seeds().values()}
    assert {len(one) for one in shown} == {3}
    assert all(text in known for one in shown for text in one)
    assert any(len({known[text] for text in one}) > 1 for one in shown)


def test_numbers_of_the_mode_can_be_changed() -> None:
    config = SynthConfig.model_validate(
        {
            "teacher": {"serve": "offline"},
            "language": "urd_Arab",
            "seeds": "x",
            "generator": {**ALIF, "pool_per_prompt": 0},
        }
    )
    shape = config.generator.shape()
    assert (shape.seeds, shape.pool, shape.tasks, shape.compared) == (4, 0, 20, "instruction")
