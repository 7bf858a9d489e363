"""The chat client against a server that does everything wrong, over real HTTP on loopback."""

from __future__ import annotations

import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running

from newtongue.adapters.llm.endpoints import Endpoint
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Question, Reply
from newtongue.adapters.llm.records import unpacked
from newtongue.adapters.llm.requests import Price, read_completion, read_response, request_key, retry_after_seconds
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.config import Secret
from newtongue.core.errors import BudgetExceeded, ProviderError, RecipeError
from newtongue.core.teacher import Sending, Teacher

PRICE = Price(1.0, 2.0)
COST = PRICE.of(10, 5)
WORST = PRICE.worst_case({"messages": [{"content": "question 0"}], "max_tokens": 50})


def bodies(count: int) -> list[dict[str, Any]]:
    return [
        {"model": "m", "messages": [{"role": "user", "content": f"question {i}"}], "max_tokens": 50, "seed": i}
        for i in range(count)
    ]


def ask(teacher: FaultyTeacher, ledger: Ledger, count: int, api_key: Secret | None = None, **how: Any) -> list[Reply]:
    sending = Sending(**{"timeout_seconds": 5.0, "backoff_seconds": 0.01, **how})
    one = Teacher(
        url=teacher.url, model="m", max_tokens=50, api_key=api_key,
        usd_per_million_input_tokens=PRICE.input, usd_per_million_output_tokens=PRICE.output,
    )  # fmt: skip
    questions = [Question(body["messages"], seed=body["seed"]) for body in bodies(count)]
    with open_teachers({"": one}, ledger.path.parent, "synth", sending=sending) as teachers:
        return teachers.ask(questions)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", 1_000_000)


def test_answers_come_in_request_order_and_are_paid_once(ledger: Ledger) -> None:
    with running(FaultyTeacher(write=lambda body: body["messages"][0]["content"][::-1])) as teacher:
        replies = ask(teacher, ledger, 20)
        again = ask(teacher, ledger, 20)
    assert [r.completion.text for r in replies if r.completion] == [f"question {i}"[::-1] for i in range(20)]
    assert again == replies
    assert set(teacher.attempts.values()) == {1}
    assert ledger.spent() == 20 * COST


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset", "cut", "cut connection", "error object"])
def test_a_passing_fault_is_retried(ledger: Ledger, fault: str) -> None:
    story = lambda body, attempt: fault if body["seed"] % 3 == 0 and attempt == 0 else "answer"  # noqa: E731
    with running(FaultyTeacher(story)) as teacher:
        replies = ask(teacher, ledger, 9)
    assert all(reply.completion for reply in replies)
    assert sorted(teacher.attempts.values()) == [1] * 6 + [2] * 3


def test_a_hanging_request_is_tried_again_and_stays_reserved(ledger: Ledger) -> None:
    with running(FaultyTeacher(lambda body, attempt: "hang" if attempt == 0 else "answer")) as teacher:
        (reply,) = ask(teacher, ledger, 1, timeout_seconds=0.3)
    assert reply.completion
    assert [s.why for s in ledger.stranded()] == ["timeout"]
    assert ledger.spent() == COST + ledger.stranded()[0].micro_usd


def test_errors_cost_nothing_and_unreadable_answers_their_reservation(ledger: Ledger) -> None:
    fault = {0: "500", 1: "cut", 2: "answer"}
    with running(FaultyTeacher(lambda body, attempt: fault[attempt])) as teacher:
        ask(teacher, ledger, 1)
    assert ledger.spent() == 0 + WORST + COST


def test_missing_usage_is_charged_at_the_worst_case(ledger: Ledger) -> None:
    with running(FaultyTeacher(lambda body, attempt: "no usage")) as teacher:
        ask(teacher, ledger, 1)
    assert ledger.spent() == WORST


def test_retry_after_is_honoured_outside_the_slot(ledger: Ledger) -> None:
    story = lambda body, attempt: "429" if body["seed"] == 0 and attempt == 0 else "answer"  # noqa: E731
    with running(FaultyTeacher(story, latency_seconds=0.01)) as teacher:
        started = time.monotonic()
        ask(teacher, ledger, 3, concurrency=1)
    assert time.monotonic() - started >= 0.2
    assert teacher.order[0] == teacher.order[-1], "the other requests went on while the first one waited"


def test_no_more_requests_in_flight_than_allowed(ledger: Ledger) -> None:
    with running(FaultyTeacher(latency_seconds=0.02)) as teacher:
        ask(teacher, ledger, 20, concurrency=3)
    assert teacher.most_in_flight == 3


def test_a_refused_request_fails_alone(ledger: Ledger) -> None:
    with running(FaultyTeacher(lambda body, attempt: "400" if body["seed"] == 2 else "answer")) as teacher:
        replies = ask(teacher, ledger, 4)
    assert [bool(r.completion) for r in replies] == [True, True, False, True]
    assert replies[2].why == "HTTP 400"
    assert ledger.spent() == 3 * COST


def test_a_request_whose_answers_stay_unusable_fails_alone(ledger: Ledger) -> None:
    with running(FaultyTeacher(lambda body, attempt: "cut" if body["seed"] == 0 else "answer")) as teacher:
        replies = ask(teacher, ledger, 2, max_attempts=2)
    assert (replies[0].completion, replies[0].why) == (None, "unusable JSON")
    assert replies[1].completion


@pytest.mark.parametrize("status", ["401", "402", "403", "404"])
def test_a_wrong_key_or_url_stops_at_once(ledger: Ledger, status: str) -> None:
    with running(FaultyTeacher(lambda body, attempt: status)) as teacher, pytest.raises(ProviderError) as stopped:
        ask(teacher, ledger, 50, concurrency=2)
    assert len(teacher.order) <= 2
    assert str(stopped.value).startswith(f'{teacher.url}: HTTP {status}, beginning with \'{{"error"')
    assert "correct `teacher.url`" in str(stopped.value)


def test_a_web_page_instead_of_json(ledger: Ledger) -> None:
    with running(FaultyTeacher(lambda body, attempt: "html")) as teacher, pytest.raises(ProviderError) as stopped:
        ask(teacher, ledger, 3)
    assert str(stopped.value) == (
        f"{teacher.url}: HTML instead of JSON, beginning with '<!DOCTYPE html> <title>Welcome to nginx</title>'\n"
        "  expected: an OpenAI-compatible endpoint: the base url up to /v1, a model it serves, a valid key\n"
        "  fix: correct `teacher.url`, `teacher.model` or `teacher.api_key` in the recipe, then run again"
    )
    assert ledger.spent() == 0


def test_nobody_at_home(ledger: Ledger) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ProviderError) as stopped:
        ask(FaultyTeacher(url=url), ledger, 2, max_attempts=3)
    assert str(stopped.value) == (
        f"{url}: no usable answer in 3 attempts; the last one: cannot connect\n"
        "  fix: check that the endpoint is up, then run the same command again; answers already paid for are kept"
    )
    assert (ledger.spent(), ledger.stranded()) == (0, [])


def test_a_provider_that_asks_for_a_day_stops_the_run(ledger: Ledger) -> None:
    story = lambda body, attempt: "come back tomorrow"  # noqa: E731
    with running(FaultyTeacher(story)) as teacher, pytest.raises(ProviderError, match="come back in 86400 s"):
        ask(teacher, ledger, 1)


@pytest.mark.parametrize("url", ["127.0.0.1:80/v1", "ftp://host/v1", "http://"])
def test_an_address_that_is_none(ledger: Ledger, url: str) -> None:
    with pytest.raises(RecipeError, match="is no http address"):
        ask(FaultyTeacher(url=url), ledger, 1)


def test_the_budget_holds_by_the_servers_own_meter_and_is_used_up(tmp_path: Path) -> None:
    cap = 2 * WORST + 3 * COST
    ledger = Ledger(tmp_path / "ledger.db", cap)
    with running(FaultyTeacher(latency_seconds=0.01, price=(PRICE.input, PRICE.output))) as teacher:
        with pytest.raises(BudgetExceeded, match="raise `budget"):
            ask(teacher, ledger, 60, concurrency=16)
        assert teacher.billed == ledger.spent() <= cap
        assert ledger.spent() > cap - WORST, "money was left for another request"
        Ledger(tmp_path / "ledger.db", 100 * WORST).close()
        ask(teacher, ledger, 60, concurrency=16)
    assert set(teacher.answered.values()) == {1}


def test_a_budget_too_small_for_one_request_sends_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", WORST - 1)
    with running(FaultyTeacher()) as teacher, pytest.raises(BudgetExceeded):
        ask(teacher, ledger, 3)
    assert not teacher.order


def test_the_key_is_sent_and_kept_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TEACHER_KEY", "sk-very-secret-123")
    ledger = Ledger(tmp_path / "ledger.db", 10**6)
    story = lambda body, attempt: "500" if attempt == 0 else "400" if body["seed"] else "answer"  # noqa: E731
    with running(FaultyTeacher(story)) as teacher:
        replies = ask(teacher, ledger, 2, api_key=Secret("env:TEST_TEACHER_KEY"))
        teacher.story = lambda body, attempt: "401"
        with pytest.raises(ProviderError) as stopped:
            ask(teacher, ledger, 5, api_key=Secret("env:TEST_TEACHER_KEY"))
    assert teacher.keys_seen == {"Bearer sk-very-secret-123"}
    assert "[redacted]" in replies[1].detail
    kept = ledger.answer(replies[0].key).body  # type: ignore[union-attr]
    database = sqlite3.connect(tmp_path / "ledger.db")
    bodies_kept = [unpacked(row[0]) for row in database.execute("SELECT body FROM attempt WHERE body NOT NULL")]
    text = b"".join([kept, *bodies_kept, *(file.read_bytes() for file in tmp_path.iterdir())])
    assert b"very-secret" not in text
    assert "very-secret" not in f"{stopped.value} {replies}"


def test_a_key_with_a_line_end_is_refused_without_being_shown(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TEACHER_KEY", "sk-abc\ndef")
    with pytest.raises(RecipeError, match="TEST_TEACHER_KEY holds characters") as refused:
        ask(FaultyTeacher(url="http://127.0.0.1:1/v1"), ledger, 1, api_key=Secret("env:TEST_TEACHER_KEY"))
    assert "abc" not in str(refused.value)


def test_a_url_with_a_password_is_shown_without_it() -> None:
    assert Endpoint("https://user:pass@host/v1?token=x").name == "https://host/v1"
    assert Endpoint("https://host/v1?token=x", shown_url="env:PLACE").name == "env:PLACE"


def test_a_key_covers_all_that_shapes_an_answer() -> None:
    (body,) = bodies(1)
    others = [{**body, "temperature": 0.5}, {**body, "model": "n"}, {**body, "seed": 9}, {**body, "max_tokens": 51}]
    assert len({request_key(b) for b in [body, *others]}) == 5
    assert request_key(dict(reversed(body.items()))) == request_key(body)


@pytest.mark.parametrize(
    ("status", "raw", "verdict"),
    [
        (200, b'{"choices": [{"message": {"content": null}}]}', "answer"),
        (200, b'{"choices": []}', "retry"),
        (200, b"[1]", "retry"),
        (302, b"", "stop"),
        (400, b"<html>", "stop"),
        (422, b"{}", "refused"),
        (529, b"", "retry"),
        (408, b"", "retry"),
    ],
)
def test_what_responses_mean(status: int, raw: bytes, verdict: str) -> None:
    assert read_response(status, raw).verdict == verdict


def test_odd_usage_counts_as_missing() -> None:
    completion = read_completion(b'{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": -1}}')
    assert completion is not None
    assert (completion.input_tokens, completion.output_tokens) == (None, None)


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("", None), ("soon", None), ("-3", 0.0), ("7", 7.0)])
def test_retry_after_headers(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, 0.0) == seconds
