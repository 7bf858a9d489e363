"""Several teachers, wanted forms, re-asking, streams: what a stage sees, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running

from newtongue.adapters.llm.journal import Tally, verdicts
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Objection, Question, Reply
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded, ProviderError, RecipeError
from newtongue.core.teacher import Routing, Sending, Teacher

PRICES = {"usd_per_million_input_tokens": 1.0, "usd_per_million_output_tokens": 2.0}
FORM = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def teacher(server: FaultyTeacher, **settings: Any) -> Teacher:
    return Teacher.model_validate({"url": server.url, "model": "m", "max_tokens": 50, **PRICES, **settings})


def questions(count: int, **settings: Any) -> Iterator[Question]:
    for i in range(count):
        yield Question([{"role": "user", "content": f"question {i}"}], id=str(i), seed=i, **settings)


def ask(store: Path, server: FaultyTeacher, count: int, **settings: Any) -> list[Reply]:
    sending = Sending(concurrency=settings.pop("concurrency", 8), max_attempts=settings.pop("max_attempts", 5))
    with open_teachers({"": teacher(server)}, store, "synth", sending=sending) as teachers:
        return teachers.ask(questions(count, **settings))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Ledger(tmp_path / "ledger.db", 10**9).close()
    return tmp_path


def echo(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])[::-1]


def test_replies_come_in_order_and_a_second_run_sends_nothing(store: Path) -> None:
    slow = lambda body, attempt: "500" if body["seed"] % 7 == 0 and attempt == 0 else "answer"  # noqa: E731
    with running(FaultyTeacher(slow, write=echo)) as server:
        first = ask(store, server, 300)
        sent = len(server.order)
        again = ask(store, server, 300)
    assert [reply.text for reply in first] == [f"question {i}"[::-1] for i in range(300)]
    assert again == first
    assert len(server.order) == sent


def test_questions_are_read_no_faster_than_they_are_answered(store: Path) -> None:
    read = 0

    def lazily() -> Iterator[Question]:
        nonlocal read
        for question in questions(2000):
            read += 1
            yield question

    with (
        running(FaultyTeacher(latency_seconds=0.01)) as server,
        open_teachers({"": teacher(server)}, store, "synth", sending=Sending(concurrency=4)) as teachers,
    ):
        stream = teachers.stream(lazily())
        for _ in range(5):
            next(stream)
        assert read <= 400


def test_one_bad_request_costs_one_row(store: Path) -> None:
    story = lambda body, attempt: "500" if body["seed"] == 7 else "answer"  # noqa: E731
    with running(FaultyTeacher(story)) as server:
        replies = ask(store, server, 40, max_attempts=3)
    assert Counter(reply.state for reply in replies) == {"answered": 39, "failed": 1}
    assert replies[7].why == "HTTP 500, 3 attempts"


def test_a_refusal_for_good_is_remembered_for_that_endpoint_alone(store: Path) -> None:
    story = lambda body, attempt: "400" if body["seed"] == 3 else "answer"  # noqa: E731
    with running(FaultyTeacher(story)) as server:
        first, again = ask(store, server, 9), ask(store, server, 9)
        assert server.attempts.total() == 9
    assert (first[3].state, first[3].why) == (again[3].state, again[3].why) == ("failed", "HTTP 400")
    with running(FaultyTeacher()) as other:
        elsewhere = ask(store, other, 9)
        assert other.attempts.total() == 1
    assert elsewhere[3].state == "answered"


def test_a_cut_answer_is_asked_for_once_with_twice_the_room(store: Path) -> None:
    with running(FaultyTeacher()) as server:
        server.reply = lambda body: {  # type: ignore[method-assign]
            "model": "m",
            "choices": [
                {"message": {"content": "long"}, "finish_reason": "stop" if body["max_tokens"] >= 100 else "length"}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }
        raised = ask(store, server, 2)
        kept = ask(store, server, 2, on_length="keep")
        failed = ask(store, server, 1, on_length="fail")
        assert server.attempts.total() == 4, "what was cut off is paid, kept, and not paid again"
    assert [(r.state, r.flags, len(r.keys)) for r in raised] == [("answered", ("max_tokens raised",), 2)] * 2
    assert [r.state for r in kept] == ["answered"] * 2
    assert (failed[0].state, failed[0].why, failed[0].text) == ("rejected", "answer cut off", "long")


@pytest.mark.parametrize(
    ("first", "state", "flags", "requests"),
    [
        ('{"n": 3}', "answered", (), 1),
        ('```json\n{"n": 3,}\n```', "answered", ("JSON repaired",), 1),
        ("{'n': 3}", "answered", ("JSON repaired",), 1),
        ('{"n": "three"}', "answered", (), 2),
        ("three", "answered", (), 2),
        ('{"n": 3', "answered", (), 2),
    ],
)
def test_a_wanted_form_is_told_checked_mended_and_asked_for_again(
    store: Path, first: str, state: str, flags: tuple[str, ...], requests: int
) -> None:
    seen: list[dict[str, Any]] = []

    def write(body: dict[str, Any]) -> str:
        seen.append(body)
        return first if len(body["messages"]) == 1 else '{"n": 3}'

    with running(FaultyTeacher(write=write)) as server:
        (reply,) = ask(store, server, 1, form=FORM)
    assert (reply.state, reply.value, reply.flags, len(seen)) == (state, {"n": 3}, flags, requests)
    assert seen[0]["response_format"]["json_schema"]["schema"] == FORM
    if requests == 2:
        assert seen[1]["messages"][1] == {"role": "assistant", "content": first}
        assert "Give the whole answer again" in seen[1]["messages"][2]["content"]


def test_an_answer_that_keeps_breaking_its_form_is_rejected_with_the_reason(store: Path) -> None:
    with running(FaultyTeacher(write=lambda body: '{"m": 1}')) as server:
        (reply,) = ask(store, server, 1, form=FORM, reasks=2)
        assert server.attempts.total() == 3
    assert (reply.state, reply.why) == ("rejected", "form: answer lacks n")


def test_a_check_may_have_the_teacher_asked_again_in_its_own_words(store: Path) -> None:
    check = lambda text, value: Objection("language", "اردو میں لکھیں۔") if text.isascii() else None  # noqa: E731
    write = lambda body: "English" if len(body["messages"]) == 1 else "اردو"  # noqa: E731
    with running(FaultyTeacher(write=write)) as server:
        (reply,) = ask(store, server, 1, check=check)
        stubborn = ask(store, server, 1, check=lambda text, value: Objection("never", "again"), sample=1)
    assert (reply.state, reply.text, len(reply.keys)) == ("answered", "اردو", 2)
    assert (stubborn[0].state, stubborn[0].why, stubborn[0].text) == ("rejected", "never", "اردو")


def test_samples_and_teachers_names_tell_equal_requests_apart(store: Path) -> None:
    with running(FaultyTeacher()) as server:
        with open_teachers({"a": teacher(server), "b": teacher(server)}, store, "s") as teachers:
            teachers.ask([*questions(1), *questions(1), *questions(1, sample=1)])
        assert server.attempts.total() == 2
        with open_teachers({"b": teacher(server)}, store, "s") as teachers:
            teachers.ask(questions(1))
        assert server.attempts.total() == 3


def test_two_stages_that_want_the_same_at_the_same_moment_pay_once(store: Path) -> None:
    replies: dict[str, list[Reply]] = {}
    with running(FaultyTeacher(latency_seconds=0.2)) as server:

        def work(stage: str) -> None:
            sending = Sending(backoff_seconds=0.01)
            with open_teachers({"": teacher(server)}, store, stage, sending=sending) as teachers:
                replies[stage] = teachers.ask(questions(12))

        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert replies["one"] == replies["two"]
    assert set(server.attempts.values()) == {1}


def test_what_an_interrupted_run_left_in_flight_does_not_hold_up_the_next(store: Path) -> None:
    def wait(stream: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            next(stream)

    with running(FaultyTeacher(lambda body, attempt: "hang" if attempt == 0 else "answer")) as server:
        with open_teachers({"": teacher(server)}, store, "s") as teachers:
            waiting = threading.Thread(target=wait, args=(teachers.stream(questions(2)),))
            waiting.start()
            while len(server.order) < 2:
                time.sleep(0.01)
        waiting.join()
        assert [s.why for s in Ledger(store / "ledger.db").stranded()] == ["interrupted"] * 2
        assert [reply.state for reply in ask(store, server, 2)] == ["answered"] * 2


def test_the_best_of_two_is_kept_and_both_are_paid(store: Path) -> None:
    def write(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if body["model"] == "judge":
            return "5" if "from good" in text else "2" if "from poor" in text else "no idea"
        return f"from {body['model']}"

    with running(FaultyTeacher(write=write)) as server:
        team = {name: teacher(server, model=name) for name in ("poor", "good", "judge")}
        routing = Routing(mode="best_of_k", k=2, judges=["judge"])
        with open_teachers(team, store, "s", routing=routing) as teachers:
            replies = teachers.ask(questions(5))
            cost = teachers.cost_of(key for reply in replies for key in reply.keys)
        assert {(r.teacher, r.text, r.scores) for r in replies} == {("good", "from good", (1.0,))}
        assert server.attempts.total() == 20
    assert cost == Ledger(store / "ledger.db").spent()


NOBODY_LEFT = "every teacher is a judge or has tasks of its own; none is left to answer"


def team_of(server: FaultyTeacher) -> dict[str, Teacher]:
    dear = {"usd_per_million_input_tokens": 9.0, "usd_per_million_output_tokens": 9.0}
    return {
        "weak": teacher(server, model="weak"),
        "fit": teacher(server, model="fit"),
        "dear": teacher(server, model="dear", **dear),
    }


@pytest.mark.parametrize("concurrency", [1, 16])
def test_routing_learns_the_most_good_rows_per_dollar_and_replays_exactly(store: Path, concurrency: int) -> None:
    chance = {"weak": 3, "fit": 8, "dear": 9}
    write = lambda body: "good" if body["seed"] * 7919 % 10 < chance[body["model"]] else "bad"  # noqa: E731
    routing = Routing(mode="learned", window=8)
    with running(FaultyTeacher(write=write, latency_seconds=0.001)) as server:
        with open_teachers(team_of(server), store, "s", routing=routing, sending=Sending(concurrency=concurrency)) as t:
            good = lambda question, reply: reply.text == "good"  # noqa: E731
            first = [reply for _, reply in t.stream(questions(400, task="qa"), good)]
            sent = len(server.order)
        with open_teachers(team_of(server), store, "s", routing=routing) as t:
            again = [reply for _, reply in t.stream(questions(400, task="qa"), good)]
        assert len(server.order) == sent
    assert again == first
    shares = Counter(reply.teacher for reply in first[200:])
    assert shares["fit"] > 150
    assert shares["weak"] < 25 > shares["dear"] > 0
    EARLIER.setdefault("learned", [reply.teacher for reply in first])
    assert EARLIER["learned"] == [reply.teacher for reply in first], "the concurrency changed who was asked"


EARLIER: dict[str, list[str]] = {}


def test_what_was_learnt_in_one_round_counts_in_the_next(store: Path) -> None:
    """A stage asks in rounds, each a stream of its own and few of them a whole number of windows."""
    write = lambda body: "bad" if body["model"] == "weak" else "good"  # noqa: E731
    routing, asked = Routing(mode="learned", window=8, explore_fraction=0.0), list(questions(120, task="qa"))
    with running(FaultyTeacher(write=write)) as server:
        team = {name: one for name, one in team_of(server).items() if name != "dear"}
        with open_teachers(team, store, "s", routing=routing) as teachers:
            rounds = [
                [reply.teacher for _, reply in teachers.stream(asked[at : at + 12], lambda _, r: r.text == "good")]
                for at in range(0, 120, 12)
            ]
    assert Counter(name for names in rounds[5:] for name in names)["weak"] <= 12


def test_a_decision_stands_when_a_price_changes(store: Path) -> None:
    routing = Routing(mode="learned", window=4, explore_fraction=0.0)
    with running(FaultyTeacher()) as server:
        team = team_of(server)
        with open_teachers(team, store, "s", routing=routing) as teachers:
            first = [reply.teacher for reply in teachers.ask(questions(60))]
        team["weak"] = teacher(server, model="weak", usd_per_million_input_tokens=90.0)
        with open_teachers(team, store, "s", routing=routing) as teachers:
            assert [reply.teacher for reply in teachers.ask(questions(60))] == first


def test_tasks_may_have_their_own_teacher(store: Path) -> None:
    with running(FaultyTeacher()) as server:
        routing = Routing(by_task={"reasoning": "dear"})
        with open_teachers(team_of(server), store, "s", routing=routing) as teachers:
            replies = teachers.ask([*questions(2, task="qa"), *questions(2, task="reasoning")])
    assert [reply.teacher for reply in replies] == ["weak", "weak", "dear", "dear"]


@pytest.mark.parametrize("mode", ["best_of_k", "learned"])
def test_a_teacher_with_tasks_of_its_own_answers_nothing_else(store: Path, mode: Any) -> None:
    with running(FaultyTeacher()) as server:
        routing = Routing(mode=mode, by_task={"reasoning": "dear"}, window=4)
        with open_teachers(team_of(server), store, "s", routing=routing) as teachers:
            replies = teachers.ask([*questions(30, task="qa"), *questions(9, task="reasoning")])
    assert "dear" not in {reply.teacher for reply in replies[:30]}
    assert {reply.teacher for reply in replies[30:]} == {"dear"}


@pytest.mark.parametrize(
    ("routing", "problem"),
    [
        (Routing(judges=["x"]), "`routing.judges` names `x`; the teachers are weak, fit, dear"),
        (Routing(by_task={"qa": "x"}), "`routing.by_task.qa` names `x`; the teachers are weak, fit, dear"),
        (
            Routing(judges=["weak", "fit", "dear"]),
            "every teacher is a judge or has tasks of its own; none is left to answer",
        ),
        (Routing(mode="best_of_k", k=4), "`routing.k` is 4; 3 teachers answer"),
    ],
)
def test_a_routing_that_names_nobody(store: Path, routing: Routing, problem: str) -> None:
    with (
        pytest.raises(RecipeError) as refused,
        open_teachers(team_of(FaultyTeacher(url="http://localhost:9/v1")), store, "s", routing=routing),
    ):
        pass
    assert str(refused.value) == f"routing: {problem}"


def test_a_spent_budget_gives_what_there_is_and_goes_on_later(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 1500).close()
    got: list[Reply] = []
    with running(FaultyTeacher(price=(1.0, 2.0))) as server:
        with pytest.raises(BudgetExceeded), open_teachers({"": teacher(server)}, tmp_path, "s") as teachers:
            for _, reply in teachers.stream(questions(200)):
                got.append(reply)
        assert 50 < len(got) < 80
        assert server.billed == Ledger(tmp_path / "ledger.db").spent() <= 1500
        Ledger(tmp_path / "ledger.db", 10**6).close()
        everything = {reply.key: reply for reply in ask(tmp_path, server, 200)}
    assert all(everything[reply.key] == reply for reply in got)
    assert set(server.answered.values()) == {1}


def test_a_dead_endpoint_ends_the_run_after_it_has_answered_before(store: Path) -> None:
    story = lambda body, attempt: "answer" if body["seed"] < 20 else "503"  # noqa: E731
    with running(FaultyTeacher(story)) as server:
        with pytest.raises(ProviderError, match="no usable answer in 2 attempts; the last one: HTTP 503"):
            ask(store, server, 400, max_attempts=2, concurrency=2)
        assert len(server.order) < 60


def test_a_remote_teacher_needs_a_price() -> None:
    with pytest.raises(ValueError, match="0 where it is free"):
        Teacher.model_validate({"url": "https://api.example.com/v1"})
    assert Teacher.model_validate({"url": "http://127.0.0.1:8000/v1"}).prices == (0.0, 0.0)


def test_a_remote_teacher_from_the_environment_needs_a_price(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PLACE", "https://api.example.com/v1")
    with (
        pytest.raises(RecipeError, match="env:TEST_PLACE is another machine and has no price"),
        open_teachers({"": Teacher(url="env:TEST_PLACE")}, store, "s"),
    ):
        pass


def test_questions_are_conserved_each_with_its_reason(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 2000).close()
    story = lambda body, attempt: "400" if body["seed"] == 3 else "answer"  # noqa: E731
    check = lambda text, value: Objection("too dull")  # noqa: E731
    with running(FaultyTeacher(story)) as server:
        asked = [*questions(20), *(one._replace(check=check) for one in questions(22))]
        with open_teachers({"": teacher(server)}, tmp_path, "s") as teachers:
            teachers.ask(asked)
            assert teachers.tally.counts() == {
                "received": 42, "answered": 19, "rejected": 21, "failed": 2, "pending": 0,
            }  # fmt: skip
            assert teachers.tally.reasons == {"rejected: too dull": 21, "failed: HTTP 400": 2}
        with pytest.raises(BudgetExceeded), open_teachers({"": teacher(server)}, tmp_path, "s") as teachers:
            teachers.ask(questions(400))
        counts = teachers.tally.counts()
    assert counts["pending"] > 0
    assert counts["received"] == sum(counts[name] for name in ("answered", "rejected", "failed", "pending"))
    why = {one.item: (one.state, one.reason) for one in verdicts(Ledger(tmp_path / "ledger.db"), "s")}
    assert why["3"] == ("failed", "HTTP 400")
    assert Counter(state for state, _ in why.values())["pending"] == counts["pending"]


def test_a_lost_question_is_an_error(store: Path) -> None:
    tally = Tally(Ledger(store / "ledger.db"), "s")
    tally.received = 1
    with pytest.raises(RuntimeError, match="questions were lost: 1 asked, 0 have an outcome"):
        tally.close()


def test_the_offline_teacher_answers_questions_of_a_language(store: Path) -> None:
    with open_teachers({"": Teacher(serve="offline")}, store, "s") as teachers:
        (reply,) = teachers.ask([Question([{"role": "user", "content": "سلام"}], language="urd_Arab")])
    assert reply.completion
    assert reply.completion.stand_in
    assert json.dumps(reply.text)
