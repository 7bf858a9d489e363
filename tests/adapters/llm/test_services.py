"""Translation services through real HTTP: what is sent, what it costs, what failures lead to, resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import serving

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Passage, Question, Reply
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.adapters.llm.wires import WIRES, service_body
from newtongue.core.errors import BudgetExceeded, ProviderError, RecipeError
from newtongue.core.teacher import Sending, Teacher
from newtongue.methods.scenario import Scenario
from newtongue.tools.toy_translator import translate

PRICE = 20.0
SERVICES = ("libretranslate", "deepl")


def service(url: str, protocol: str, **more: Any) -> Teacher:
    address = url.removesuffix("/v1")
    return Teacher.model_validate({"url": address, "protocol": protocol, "usd_per_million_characters": PRICE, **more})


def questions(count: int, target: str = "urd_Arab") -> list[Question]:
    texts = [f"The mill number {n} stands by the river." for n in range(count)]
    return [Question([{"role": "user", "content": t}], id=t, passage=Passage(t, "eng_Latn", target)) for t in texts]


def ask(store: Path, teacher: Teacher, asked: list[Question], cap: int = 10**9, **sending: Any) -> list[Reply]:
    Ledger(store / "ledger.db", cap).close()
    how = Sending(timeout_seconds=1.0, backoff_seconds=0.02, **sending)
    with open_teachers({"": teacher}, store, "translate", sending=how) as teachers:
        return teachers.ask(asked)


@pytest.mark.parametrize("protocol", SERVICES)
def test_translations_are_paid_by_the_character_and_once(tmp_path: Path, protocol: str) -> None:
    asked = questions(40)
    with serving(Scenario(character_price=PRICE)) as bed:
        replies = ask(tmp_path, service(bed.url, protocol), asked)
        again = ask(tmp_path, service(bed.url, protocol), asked, concurrency=1)
        assert sum(bed.meter.attempts.values()) == 40
    assert [reply.text for reply in replies] == [translate(q.id, "eng_Latn", "urd_Arab") for q in asked]
    assert [(r.text, r.micro_usd, r.key) for r in again] == [(r.text, r.micro_usd, r.key) for r in replies]
    spent = Ledger(tmp_path / "ledger.db").spent()
    assert (
        spent == bed.meter.billed == sum(reply.micro_usd for reply in replies) == PRICE * sum(len(q.id) for q in asked)
    )
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.query("SELECT MIN(told) FROM attempt")[0][0] == 1


@pytest.mark.parametrize("protocol", SERVICES)
def test_the_cap_is_used_to_the_last_request_and_never_passed(tmp_path: Path, protocol: str) -> None:
    asked = questions(10)
    each = int(PRICE * len(asked[0].id))
    with serving(Scenario(character_price=PRICE, latency_seconds=0.02)) as bed, pytest.raises(BudgetExceeded):
        ask(tmp_path, service(bed.url, protocol), asked, cap=4 * each + 10)
    assert bed.meter.billed == 4 * each == Ledger(tmp_path / "ledger.db").spent(), "what it costs is known beforehand"


PASSING = {"429": 0.1, "500": 0.1, "cut": 0.05, "reset": 0.05, "cut json": 0.1, "error object": 0.05, "no usage": 0.1}


@pytest.mark.parametrize("protocol", SERVICES)
def test_faults_change_no_translation(tmp_path: Path, protocol: str) -> None:
    asked = questions(60)
    for name, rates in (("calm", {}), ("stormy", PASSING)):
        (tmp_path / name).mkdir()
        with serving(Scenario(seed=3, rates=rates, character_price=PRICE, retry_after_seconds=0.05)) as bed:
            replies = ask(tmp_path / name, service(bed.url, protocol), asked, max_attempts=8)
            assert [r.text for r in replies] == [translate(q.id, "eng_Latn", "urd_Arab") for q in asked], name
            assert bed.meter.billed <= Ledger(tmp_path / name / "ledger.db").spent()
            assert max(bed.meter.answered.values()) == 1


STOPS: Mapping[str, str] = {"403": "HTTP 403", "404": "HTTP 404", "quota": "HTTP", "html": "HTML instead of JSON"}


@pytest.mark.parametrize("protocol", SERVICES)
@pytest.mark.parametrize("fault", STOPS)
def test_what_no_request_will_survive_stops_the_run(tmp_path: Path, protocol: str, fault: str) -> None:
    with serving(Scenario(rates={fault: 1.0})) as bed, pytest.raises(ProviderError, match=STOPS[fault]) as stopped:
        ask(tmp_path, service(bed.url, protocol), questions(30), max_attempts=2)
    assert sum(bed.meter.attempts.values()) <= 16 * 2
    assert "/translate" in str(stopped.value) or fault == "quota"


@pytest.mark.parametrize("protocol", SERVICES)
def test_a_row_it_refuses_is_one_row(tmp_path: Path, protocol: str) -> None:
    with serving(Scenario(rates={"400": 0.2})) as bed:
        replies = ask(tmp_path, service(bed.url, protocol), questions(40))
        refused = [reply for reply in replies if reply.state == "failed"]
        ask(tmp_path, service(bed.url, protocol), questions(40))
        assert sum(bed.meter.attempts.values()) == 40, "refused for good by that endpoint"
    assert 0 < len(refused) < 20
    assert {reply.why for reply in refused} == {"HTTP 400"}


@pytest.mark.parametrize("protocol", SERVICES)
def test_a_language_it_does_not_know_is_named_at_once(tmp_path: Path, protocol: str) -> None:
    with serving(Scenario()) as bed, pytest.raises(ProviderError, match="not supported"):
        ask(tmp_path, service(bed.url, protocol), questions(30, "amh_Ethi"))
    assert sum(bed.meter.attempts.values()) <= 16


@pytest.mark.parametrize("protocol", SERVICES)
def test_the_key_is_sent_and_written_nowhere(tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", "s3cret-key")
    with serving(Scenario()) as bed:
        bed.api_key = "s3cret-key"
        with pytest.raises(ProviderError, match="HTTP 403"):
            ask(tmp_path, service(bed.url, protocol), questions(2))
        replies = ask(tmp_path, service(bed.url, protocol, api_key="env:SERVICE_KEY"), questions(2))
    assert all(reply.state == "answered" for reply in replies)
    assert not any(b"s3cret" in file.read_bytes() for file in tmp_path.glob("ledger.db*"))


def test_two_services_and_a_model_do_not_share_answers(tmp_path: Path) -> None:
    with serving(Scenario()) as bed:
        for protocol, model in (("deepl", "next"), ("deepl", "classic"), ("libretranslate", "argos")):
            ask(tmp_path, service(bed.url, protocol, model=model), questions(1))
        assert sum(bed.meter.attempts.values()) == 3


def test_requests_are_what_the_services_document() -> None:
    codes = ("en", "pt-BR")
    assert service_body("deepl", "Hi", codes, {"formality": "less", "preserve_formatting": None}) == {
        "text": ["Hi"], "source_lang": "EN", "target_lang": "PT-BR", "show_billed_characters": True,
        "formality": "less",
    }  # fmt: skip
    sent = WIRES["libretranslate"].sent(service_body("libretranslate", "Hi", codes, {}), "k")
    assert json.loads(sent) == {"q": "Hi", "source": "en", "target": "pt-BR", "format": "text", "api_key": "k"}
    assert WIRES["deepl"].headers("k") == {"Authorization": "DeepL-Auth-Key k"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"usd_per_million_input_tokens": 1.0}, "is for `protocol: chat`; give `usd_per_million_characters`"),
        ({"batch_usd_fraction": 0.5}, "is for `protocol: chat`"),
        ({"url": "https://a.example"}, "give `usd_per_million_characters` \\(0 where it is free\\)"),
        ({"url": None, "serve": "offline"}, "`serve: offline` speaks `protocol: chat`"),
        ({"protocol": "chat", "usd_per_million_characters": 1.0}, "are for translation services"),
    ],
)
def test_prices_must_fit_the_protocol(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Teacher.model_validate({"url": "http://127.0.0.1:5000", "protocol": "deepl", **settings})


def test_a_service_cannot_chat(tmp_path: Path) -> None:
    with serving(Scenario()) as bed, pytest.raises(RecipeError, match="`protocol: deepl` only translates"):
        ask(tmp_path, service(bed.url, "deepl"), [Question([{"role": "user", "content": "Hello"}])])
