"""`synth` through real HTTP: quotas, sides, filters, faults, money."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import SEEDS, payload, rejected, rows_of, run, sample_documents

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.offline import edition
from newtongue.adapters.llm.requests import Price
from newtongue.adapters.tables import read_documents
from newtongue.core.errors import BudgetExceeded, DataError, ProviderError, RecipeError
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.estimate import estimate
from newtongue.tools.teacher import respond

Written = list[dict[str, str]]
TASK = {
    "instruction": "ایک سے دس تک گنتی میں سب سے بڑا جفت عدد کون سا ہے؟",
    "input": "",
    "output": "ایک سے دس تک سب سے بڑا جفت عدد دس ہے۔",
}


def scripted(tasks: Written) -> FaultyTeacher:
    """A teacher that gives the same tasks whatever it is asked."""
    return FaultyTeacher(write=lambda body: json.dumps(tasks, ensure_ascii=False))


def offline_behind(story: Any) -> FaultyTeacher:
    """The offline teacher's answers behind a faulty server."""
    return FaultyTeacher(story, write=lambda body: respond(body)["choices"][0]["message"]["content"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synth")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Any:
    return run(folder, rows=70, heldout_fraction=0.2, max_answer_characters=300)


def test_quotas_are_met_and_rows_are_conserved(folder: Path, outcome: Any) -> None:
    counts = outcome.counts
    assert counts["documents"] == counts["train"] + counts["heldout"] == 70
    assert counts["received"] == counts["documents"] + counts["rejected"] + counts["failed"]
    rows = rows_of(folder)
    assert set(Counter(row.task for row in rows).values()) == {10}
    assert set(Counter(row.task for row in rows if row.split == "heldout").values()) == {2}
    assert len(rejected(folder)) == counts["rejected"] + counts["failed"]
    assert sum(n for name, n in counts.items() if name.startswith("rejected: ")) == counts["rejected"]
    assert len({row.id for row in rows}) == 70


def test_the_card_says_that_the_teacher_was_a_stand_in(outcome: Any) -> None:
    assert "**The teacher was the offline stand-in.**" in "\n".join(outcome.card)
    assert "no substitute for a teacher" in "\n".join(outcome.card)
    assert outcome.costs == {"usd": 0.0}


def test_grounded_rows_inherit_group_side_and_licence(folder: Path, outcome: Any) -> None:
    from newtongue.core.artefact import Artefact

    sides = {d.group: d.split for d in read_documents(Artefact("Corpus", folder / "urd_Arab" / "corpus", sealed=True))}
    grounded = [row for row in rows_of(folder) if row.group in sides]
    assert len(grounded) > 10
    assert {row.split for row in grounded} == {"train"} == {sides[row.group] for row in grounded}
    assert {row.license for row in grounded} == {"Apache-2.0 AND CC0-1.0"}
    assert {row.license for row in rows_of(folder) if row.group not in sides} == {"Apache-2.0"}
    assert outcome.licences == dict(sorted(Counter(row.license for row in rows_of(folder)).items()))


def test_no_heldout_text_and_no_seed_crosses_the_border(tmp_path: Path) -> None:
    shown: dict[str, set[str]] = {"train": set(), "heldout": set()}
    texts: set[str] = set()

    def write(body: dict[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        texts.add(prompt)
        return str(respond(body)["choices"][0]["message"]["content"])

    with running(FaultyTeacher(write=write)) as teacher:
        run(tmp_path, rows=70, heldout_fraction=0.2, teacher={"url": teacher.url})
    rows = rows_of(tmp_path)
    seeds = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    for seed in seeds:
        if len(seed["output"]) > 60:
            for row in rows:
                if seed["output"] in row.messages[0]["content"] + row.messages[1]["content"]:
                    shown[row.split].add(seed["id"])
    assert not shown["train"] & shown["heldout"]
    hidden = [d.text for d in read_documents(sample_documents(tmp_path / "again", "urd_Arab"), "heldout")]
    assert hidden
    assert not [text for text in hidden for prompt in texts if text in prompt]


def test_concurrency_and_faults_change_no_byte(tmp_path: Path, folder: Path, outcome: Any) -> None:
    story = lambda body, attempt: ("500", "cut", "answer")[min(attempt, 2)] if body["seed"] % 3 == 0 else "answer"  # noqa: E731
    with running(offline_behind(story)) as teacher:
        settings = {"url": teacher.url, "license": "Apache-2.0", "request": {"edition": edition("urd_Arab")}}
        run(tmp_path, rows=70, heldout_fraction=0.2, max_answer_characters=300, teacher=settings, concurrency=1)
    assert payload(tmp_path)["rejected.jsonl"].decode() == payload(folder)["rejected.jsonl"].decode()
    assert payload(tmp_path) == payload(folder)


def test_a_second_run_sends_nothing(folder: Path, outcome: Any) -> None:
    before = payload(folder)
    with running(FaultyTeacher(lambda body, attempt: "500")) as teacher:
        settings = {"url": teacher.url, "license": "Apache-2.0", "request": {"edition": edition("urd_Arab")}}
        run(folder, rows=70, heldout_fraction=0.2, max_answer_characters=300, teacher=settings)
        assert not teacher.order
    assert payload(folder) == before


def test_a_changed_threshold_pays_only_for_what_is_new(tmp_path: Path) -> None:
    with running(offline_behind(lambda body, attempt: "answer")) as teacher:
        settings = {"url": teacher.url, "usd_per_million_output_tokens": 1.0}
        run(tmp_path, 10**9, rows=14, teacher=settings)
        run(tmp_path, 10**9, rows=14, teacher=settings, max_similarity=0.6)
    assert set(teacher.answered.values()) == {1}


PERSIAN = "بزرگ‌ترین عدد زوج از یک تا ده عدد ده است و این را همه می‌دانند."
ENGLISH = "What is the largest even number up to ten?"
BAD: dict[str, tuple[dict[str, str], str]] = {
    "in English": ({"output": "The largest even number is ten, of course."}, "answer: script"),
    "in Persian": ({"output": PERSIAN}, "answer: language"),
    "an English question": ({"instruction": ENGLISH}, "instruction in another language"),
    "an echo": ({"output": TASK["instruction"]}, "answer: echo"),
    "a loop": ({"output": "دس ہے اور " * 6}, "answer: loop"),
    "a wrong sum": ({"output": "سب سے بڑا جفت عدد 4 + 4 = 10 ہے جو دس کہلاتا ہے۔"}, "wrong sum"),
    "too long": ({"output": TASK["output"] * 40}, "answer too long"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_rows_are_kept_with_their_reason_and_an_error_says_why(tmp_path: Path, what: str) -> None:
    change, reason = BAD[what]
    with (
        running(scripted([{**TASK, **change}])) as teacher,
        pytest.raises(DataError, match=f"no row was accepted.*{reason} 3"),
    ):
        run(tmp_path, documents=False, rows=3, max_requests=3, tasks={"qa": 1}, teacher={"url": teacher.url})


def test_a_teacher_that_repeats_itself_ends_with_what_it_has(tmp_path: Path) -> None:
    with running(scripted([TASK])) as teacher:
        done = run(
            tmp_path, documents=False, rows=50, tasks={"qa": 1}, heldout_fraction=0, teacher={"url": teacher.url}
        )
    assert done.counts["documents"] == 1
    assert done.counts["rejected: too similar"] == done.counts["rejected"]
    assert done.counts["requests"] <= 50
    assert "Fewer rows than asked for: qa (train) 1 of 50." in done.card[-1]
    nearest = json.loads(rejected(tmp_path)[0]["content"])["note"]
    assert nearest.startswith("1.000 to ")


def test_short_answers_are_flagged_when_nobody_can_tell(tmp_path: Path) -> None:
    with running(scripted([{"instruction": "جمع: 2 + 3", "input": "", "output": "5"}])) as teacher:
        done = run(tmp_path, documents=False, rows=1, tasks={"qa": 1}, teacher={"url": teacher.url})
    assert done.counts["language_unknown"] == 1
    assert rows_of(tmp_path)[0].flags == ("language unknown",)
    assert "The language of 1 rows could not be told" in "\n".join(done.card)


def test_a_refused_request_is_a_failed_row(tmp_path: Path) -> None:
    with running(offline_behind(lambda body, attempt: "400" if body["seed"] % 4 == 0 else "answer")) as teacher:
        done = run(tmp_path, rows=40, teacher={"url": teacher.url})
    assert done.counts["failed"] == done.counts["rejected: refused: HTTP 400"] > 0
    assert done.counts["documents"] == 40


def test_a_teacher_that_refuses_everything_stops_the_run(tmp_path: Path) -> None:
    with running(FaultyTeacher(lambda body, attempt: "400")) as teacher, pytest.raises(ProviderError) as stopped:
        run(tmp_path, rows=20, teacher={"url": teacher.url})
    assert "the teacher refused all of the first" in str(stopped.value)
    assert '"message": "no,' in str(stopped.value)


def test_another_model_than_asked_for_is_said(tmp_path: Path) -> None:
    with running(offline_behind(lambda body, attempt: "wrong model")) as teacher:
        done = run(tmp_path, rows=7, teacher={"url": teacher.url, "model": "large"})
    assert "Warning: answers came from somebody-else, not from `large`." in done.card


def test_a_budget_too_small_stops_and_goes_on(tmp_path: Path) -> None:
    with running(offline_behind(lambda body, attempt: "answer")) as teacher:
        teacher.price = (0.0, 250.0)
        settings = {"url": teacher.url, "usd_per_million_output_tokens": 250.0, "max_tokens": 400}
        with pytest.raises(BudgetExceeded, match="nothing is paid twice"):
            run(tmp_path, 102_000, rows=40, teacher=settings)
        spent = Ledger(tmp_path / "ledger.db").spent()
        assert 0 < spent == teacher.billed <= 102_000
        done = run(tmp_path, 100_000_000, rows=40, teacher=settings)
    assert set(teacher.answered.values()) == {1}
    assert done.costs["usd"] * 1e6 == teacher.billed == Ledger(tmp_path / "ledger.db").spent()
    free = run(tmp_path / "free", rows=40, teacher={"serve": "offline", "max_tokens": 400})
    assert free.counts["documents"] == done.counts["documents"]


def test_a_store_without_a_budget_pays_nothing(tmp_path: Path) -> None:
    with running(FaultyTeacher()) as teacher, pytest.raises(BudgetExceeded, match="the recipe sets no budget"):
        run(tmp_path, None, teacher={"url": teacher.url, "usd_per_million_input_tokens": 0.1})
    assert not teacher.order


def test_an_unreachable_teacher_names_url_and_next_step(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as stopped:
        run(tmp_path, teacher={"url": "http://127.0.0.1:9/v1"}, max_attempts=1)
    assert stopped.value.exit_code == 5
    assert "http://127.0.0.1:9/v1: no usable answer in 1 attempts; the last one: cannot connect" in str(stopped.value)
    assert "fix: check that the endpoint is up" in str(stopped.value)


def test_a_url_from_the_environment_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="the environment variable TEST_PLACE is not set"):
        run(tmp_path, teacher={"url": "env:TEST_PLACE"})
    monkeypatch.setenv("TEST_PLACE", "http://127.0.0.1:9/secret/v1")
    with pytest.raises(ProviderError) as stopped:
        run(tmp_path, teacher={"url": "env:TEST_PLACE"}, max_attempts=1)
    assert str(stopped.value).startswith("env:TEST_PLACE: ")
    assert "secret" not in str(stopped.value)


def test_a_task_without_seeds_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        run(tmp_path, tasks={"sentimental": 1})
    assert str(refused.value) == (
        "seeds: no seed task of type `sentimental`; the types are classification, ethics, generation, qa, reasoning, "
        "sentiment, translation\n  fix: write `sentiment` in `tasks`"
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "there is no seed task"),
        (b'{"instruction": "a", "output": "b\xff"}', "a seed row cannot be read: invalid UTF-8"),
        (b'{"question": "a"}', "no conversation in the columns question"),
    ],
)
def test_seeds_that_cannot_be_used(tmp_path: Path, line: bytes, problem: str) -> None:
    (tmp_path / "seeds.jsonl").write_bytes(line)
    with pytest.raises(DataError, match=problem):
        run(tmp_path, seeds_file=tmp_path / "seeds.jsonl", documents=False)


def test_seeds_may_be_conversations(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    turns = [
        {
            "id": r["id"],
            "task": r["task"],
            "messages": [{"role": "user", "content": r["instruction"]}, {"role": "assistant", "content": r["output"]}],
        }
        for r in lines
        if r["task"] == "qa" and not r["input"]
    ]
    (tmp_path / "seeds.jsonl").write_text("\n".join(json.dumps(t) for t in turns), "utf-8")
    done = run(tmp_path, seeds_file=tmp_path / "seeds.jsonl", documents=False, rows=8)
    assert done.counts["accepted: qa"] == 8
    assert done.licences == {"unknown": 8}


def test_the_estimate_covers_what_happens(folder: Path, outcome: Any) -> None:
    from newtongue.core.budget import Machine

    paid = {"url": "http://host/v1", "usd_per_million_input_tokens": 0.15, "usd_per_million_output_tokens": 0.6}
    make = lambda teacher: SynthConfig(teacher=teacher, language="urd_Arab", seeds="seeds", rows=1000)  # type: ignore[arg-type]  # noqa: E731
    free, costly = (estimate(make(t), {}, Machine()) for t in ({"serve": "offline"}, paid))
    assert free.usd == (0.0, 0.0, 0.0)
    assert 0 < costly.usd[0] < costly.usd[1] < costly.usd[2] < 5
    assert costly.makes.documents == 1000
    assert 0.5 < outcome.counts["utf8_bytes"] / 70 / (costly.makes.utf8_bytes / 1000) < 1.5
    assert Price(0.15, 0.6).of(1000, 1000) == 750


def test_prices_and_places_are_no_part_of_the_result() -> None:
    from newtongue.core.config import semantic

    base = {"language": "urd_Arab", "seeds": "seeds"}
    free = {"usd_per_million_input_tokens": 0, "usd_per_million_output_tokens": 0}
    one = SynthConfig(teacher={"url": "http://a/v1", **free}, **base)  # type: ignore[arg-type]
    two = SynthConfig(
        teacher={"url": "http://b/v1", **free, "usd_per_million_input_tokens": 1, "api_key": "env:KEY"},  # type: ignore[arg-type]
        concurrency=99, timeout_seconds=1, max_attempts=9, **base,
    )  # fmt: skip
    assert semantic(one) == semantic(two)


def test_a_request_can_be_fitted_to_a_provider(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def write(body: dict[str, Any]) -> str:
        seen.append(body)
        return json.dumps([TASK], ensure_ascii=False)

    changes = {"seed": None, "max_tokens": None, "max_completion_tokens": 99, "top_p": 0.9}
    with running(FaultyTeacher(write=write)) as teacher:
        run(tmp_path, documents=False, rows=1, tasks={"qa": 1}, teacher={"url": teacher.url, "request": changes})
    assert set(seen[0]) == {"model", "messages", "temperature", "max_completion_tokens", "top_p"}


@pytest.mark.parametrize(
    ("request_", "problem"),
    [({"max_tokens": None}, "the price rests on it"), ({"messages": []}, "cannot change `messages` or `model`")],
)
def test_a_request_stays_bounded_and_ours(request_: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SynthConfig(teacher={"serve": "offline", "request": request_}, language="urd_Arab", seeds="seeds")  # type: ignore[arg-type]
