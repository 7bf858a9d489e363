"""`translate` on the whole engine: several teachers, shards, own prompts, and an estimate before the money is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from adapters.llm.shard_kit import RAY_WORKER, killing
from stages.synth_kit import context, payload
from stages.test_translate import OFFLINE, corpus, run, saying, sealed

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.pilot import UNITS
from newtongue.adapters.llm.shards import WORKER
from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.errors import BudgetExceeded, DataError
from newtongue.core.rows import Document
from newtongue.methods.invented import TAG
from newtongue.stages.translate.config import TranslateConfig
from newtongue.stages.translate.stage import translate

PRICE = {"usd_per_million_input_tokens": 1.0, "usd_per_million_output_tokens": 1.0}


def documents(count: int) -> list[Document]:
    return [Document(f"{i}", f"The old mill of village number {i} stands by the river.", "eng_Latn", license="CC0-1.0")
            for i in range(count)]  # fmt: skip


def test_each_row_names_those_who_translated_it_and_their_terms(tmp_path: Path) -> None:
    with running(saying(lambda good, text: good)) as teacher:
        place = {"url": teacher.url, "max_tokens": 300}
        run(
            tmp_path,
            corpus(tmp_path, *documents(60)),
            teacher={**place, "model": "first", "license": "MIT"},
            more_teachers={
                "second": {**place, "model": "second", "license": "Apache-2.0"},
                "back": {**place, "model": "third", "license": "GPL-3.0-only"},
            },
            routing={"mode": "learned", "window": 4, "explore_fraction": 0.5, "by_task": {"back_translation": "back"}},
            round_trip={"fraction": 0.5},
        )
    rows = list(read_documents(sealed(tmp_path, "Corpus")))
    assert {row.source for row in rows} == {"translated by first", "translated by second"}
    terms = {"first": "CC0-1.0 AND MIT", "second": "Apache-2.0 AND CC0-1.0"}
    assert all(row.license == terms[row.source.removeprefix("translated by ")] for row in rows), "not the way back's"


def test_two_shards_write_the_same_bytes(tmp_path: Path) -> None:
    with running(saying(lambda good, text: good)) as server:
        for name, shards in (("alone", 1), ("together", 2)):
            settings = {"teacher": {"url": server.url}, "shards": shards, "round_trip": {"fraction": 0}}
            run(tmp_path / name, corpus(tmp_path, *documents(30)), **settings)
        assert max(server.attempts.values()) == 2, "once for each store"
    assert payload(tmp_path / "alone") == payload(tmp_path / "together")
    assert not (tmp_path / "together" / ".shards" / "translate").exists()


@pytest.mark.parametrize("ray", [False, True])
def test_a_panel_in_two_shards_one_of_them_killed_writes_the_same_bytes(tmp_path: Path, ray: bool) -> None:
    """Two translators, a judge of answers, the way back and a judge of quality; on Ray where it is installed."""
    library = pytest.importorskip("ray", reason="the extra `scale` is not installed") if ray else None
    grades = {"grader": lambda text: "4" if "12" in text else "2", "qe": lambda text: "80"}
    translating = saying(lambda good, text: good)

    def write(body: dict[str, Any]) -> str:
        grade = grades.get(body["model"])
        return grade(body["messages"][-1]["content"]) if grade else translating.write(body)

    with running(FaultyTeacher(write=write, latency_seconds=0.03)) as server:
        place = {"url": server.url, "max_tokens": 300, **PRICE}
        settings = {
            "teacher": {**place, "model": "first"},
            "more_teachers": {name: {**place, "model": name} for name in ("second", "grader")},
            "routing": {"mode": "best_of_k", "judges": ["grader"]},
            "quality": {"teacher": {**place, "model": "qe"}},
            "round_trip": {"fraction": 0.3},
        }
        run(tmp_path / "alone", corpus(tmp_path, *documents(40)), **settings)
        alone = server.attempts.copy()
        server.attempts.clear()
        try:
            with killing(server.attempts, RAY_WORKER if ray else WORKER):
                run(tmp_path / "together", corpus(tmp_path, *documents(40)), shards=2, ray=ray, **settings)
        finally:
            if library:
                library.shutdown()
        again = (server.attempts - alone).total()
    assert payload(tmp_path / "alone") == payload(tmp_path / "together")
    assert again <= 4 * 8, "more was asked again than one shard had in flight"
    assert len(Ledger(tmp_path / "together" / "ledger.db").stranded()) <= 4 * 8


def test_ones_own_prompt_is_sent(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text('document: "Say it in {target}: {text}"', "utf-8")
    asked: list[str] = []

    def write(body: dict[str, Any]) -> str:
        asked.append(body["messages"][0]["content"])
        return "ⵣⵣⵣ ⵣⵣⵣ ⵣⵣⵣ ⵣⵣⵣ ⵣⵣⵣ 0"

    with running(FaultyTeacher(write=write)) as teacher:
        chosen = {"data": "data", "source": "eng_Latn", "language": TAG, "prompts": "mine.yaml",
                  "teacher": {"url": teacher.url}, "round_trip": {"fraction": 0}}  # fmt: skip
        inputs = {"data": corpus(tmp_path, *documents(1)), "mine.yaml": Artefact("File", tmp_path / "mine.yaml")}
        translate(TranslateConfig.model_validate(chosen), context(tmp_path, inputs, 0))
        assert asked[0].startswith("Say it in ") and asked[0].endswith(f": {documents(1)[0].text}")
        (tmp_path / "mine.yaml").write_text("nothing: x", "utf-8")
        with pytest.raises(DataError, match=r"mine\.yaml"):
            translate(TranslateConfig.model_validate(chosen), context(tmp_path, inputs, 0))


def test_a_budget_that_cannot_reach_is_said_after_the_first_rows(tmp_path: Path) -> None:
    teacher = saying(lambda good, text: good)
    teacher.price = (1000.0, 1000.0)
    with running(teacher) as server:
        dear = {"url": server.url, "max_tokens": 100,
                "usd_per_million_input_tokens": 1000, "usd_per_million_output_tokens": 1000}  # fmt: skip
        with pytest.raises(BudgetExceeded, match=r"rows will cost .*95 % interval.* from the first 32 rows"):
            run(tmp_path, corpus(tmp_path, *documents(400)), 2_000_000, teacher=dear)
        asked = len(server.order)
        assert UNITS <= asked <= 2 * UNITS, "the first rows, there and some of them back"
        assert Ledger(tmp_path / "ledger.db").spent() == server.billed
        run(tmp_path, corpus(tmp_path, *documents(400)), 10**8, teacher=dear)
        assert Ledger(tmp_path / "ledger.db").spent() == server.billed, "nothing was paid twice"


def test_what_an_accepted_row_costs_is_journalled(tmp_path: Path) -> None:
    teacher = saying(lambda good, text: good if int(text.split()[6]) % 2 else "no")
    told: dict[str, Any] = {}
    with running(teacher) as server:
        chosen = {"data": "data", "source": "eng_Latn", "language": TAG, "checks": {"reasks": 0},
                  "round_trip": {"fraction": 0}, "teacher": {"url": server.url, **PRICE}}  # fmt: skip
        place = context(tmp_path, {"data": corpus(tmp_path, *documents(80))}, 10**9)
        object.__setattr__(place, "journal", lambda event, **facts: told.update({event: facts}))
        done = translate(TranslateConfig.model_validate(chosen), place)
    pilot = told["pilot"]
    assert (pilot["rows"], pilot["accepted"], done.counts["documents"]) == (UNITS, UNITS // 2, 40)
    assert pilot["usd_per_row"][0] < 30e-6 == pilot["usd_per_row"][1] < pilot["usd_per_row_high"], "two answers of 15"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"more_teachers": {"judge": OFFLINE}}, "`more_teachers` cannot be called `judge`"),
        ({"routing": {"by_task": {"translation": "nobody"}}}, "names `nobody`; the teachers are teacher"),
        ({"prompts": "./mine.yaml", "prompt_language": "target"}, "leave `prompt_language` out"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TranslateConfig.model_validate(
            {"data": "$x", "source": "eng_Latn", "language": TAG, "teacher": OFFLINE} | settings
        )
