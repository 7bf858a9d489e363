"""`translate` through real HTTP: structure, protected parts, checks, the way back, every kind of rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import context, payload, rejected, sample_documents

from newtongue.adapters.prompts import load_prompts
from newtongue.adapters.tables import (
    read_conversations,
    read_documents,
    read_preferences,
    write_conversations,
    write_documents,
    write_preferences,
)
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import BudgetExceeded, DataError, RecipeError
from newtongue.core.rows import Conversation, Document, Message, Preference
from newtongue.methods.invented import TAG, from_english, to_english
from newtongue.methods.prompts import read
from newtongue.stages.translate.config import TranslateConfig
from newtongue.stages.translate.estimate import estimate
from newtongue.stages.translate.screen import CRITERIA
from newtongue.stages.translate.stage import translate

TEXT = """# Opening hours

The shop `open.sh` is open from 9 to 17, see https://a.b/c for {name}.
- On Fridays it closes at 12.
- On Sundays it stays closed.

```py
print("never translated")
```

Write to <b>Ali</b> at ali@a.org."""
OFFLINE: dict[str, Any] = {"serve": "offline", "license": "Apache-2.0"}


def run(folder: Path, data: Artefact, cap: int | None = 10**9, **settings: Any) -> Any:
    chosen: dict[str, Any] = {"data": "data", "source": "eng_Latn", "language": TAG, "teacher": OFFLINE, **settings}
    return translate(TranslateConfig.model_validate(chosen), context(folder, {"data": data}, cap))


def corpus(folder: Path, *documents: Document) -> Artefact:
    write_documents(folder / "corpus", documents)
    return Artefact("Corpus", folder / "corpus", sealed=True, name="$corpus")


def sealed(folder: Path, kind: str) -> Artefact:
    return Artefact(kind, folder / "payload", sealed=True)


def saying(change: Any) -> FaultyTeacher:
    """A translator into the invented language whose answers are spoilt; the original text is `change`'s second."""
    template = load_prompts("translate")["document"]

    def write(body: dict[str, Any]) -> str:
        slots = read(template, body["messages"][0]["content"])
        assert slots
        other = from_english if slots["target"] != "English" else to_english
        return str(change(other(slots["text"]), slots["text"]))

    return FaultyTeacher(write=write)


@pytest.mark.parametrize("unit", ["document", "sentence"])
def test_structure_code_and_numbers_stay_and_the_way_back_is_exact(tmp_path: Path, unit: str) -> None:
    row = Document("a.eng_Latn", TEXT, "eng_Latn", "heldout", "a", "here", "MIT")
    done = run(tmp_path, corpus(tmp_path, row), unit=unit, round_trip={"fraction": 1.0})
    (other,) = read_documents(sealed(tmp_path, "Corpus"))
    assert to_english(other.text) == TEXT
    for part in ('print("never translated")', "`open.sh`", "https://a.b/c", "{name}", "<b>", "ali@a.org", "\n- "):
        assert part in other.text
    assert (other.id, other.split, other.group) == (f"a.{TAG}", "heldout", "a")
    assert (other.license, other.source) == ("Apache-2.0 AND MIT", "here; translated by offline")
    assert done.metrics["round_trip_chrf"] == 100.0
    assert "offline stand-in" in done.card[1]


def test_a_corpus_of_the_sample_keeps_its_sides(tmp_path: Path) -> None:
    source = sample_documents(tmp_path, "eng_Latn", 40)
    done = run(tmp_path, source)
    before = {d.group: d for d in read_documents(source)}
    after = list(read_documents(sealed(tmp_path, "Corpus")))
    assert done.counts["documents"] == len(after) == 40
    assert all(to_english(d.text) == before[d.group].text and d.split == before[d.group].split for d in after)
    assert 0 < done.counts["round_trips"] < 20


def test_conversations_and_preferences(tmp_path: Path) -> None:
    turns = (Message(role="user", content="How are you?"), Message(role="assistant", content="I am fine."))
    write_conversations(tmp_path / "c", [Conversation("1", turns, "eng_Latn", task="qa")])
    run(
        tmp_path / "1",
        Artefact("Conversations", tmp_path / "c", sealed=True),
        makes_kind="Conversations",
        roles=["user"],
    )
    (row,) = read_conversations(sealed(tmp_path / "1", "Conversations"))
    assert [to_english(row.messages[0]["content"]), row.messages[1]["content"]] == ["How are you?", "I am fine."]
    bad = Message(role="assistant", content="No.")
    write_preferences(tmp_path / "p", [Preference("1", turns[:1], turns[1], bad, "eng_Latn")])
    run(tmp_path / "2", Artefact("Preferences", tmp_path / "p", sealed=True), makes_kind="Preferences")
    (pair,) = read_preferences(sealed(tmp_path / "2", "Preferences"))
    assert (to_english(pair.chosen["content"]), to_english(pair.rejected["content"])) == ("I am fine.", "No.")


def test_only_what_the_screen_scores_0_is_translated(tmp_path: Path) -> None:
    """UltraLink's rule: what is bound to a culture is not sent to the translator at all."""
    texts = ["Wash your hands.", "Ali Khan works in Lahore.", "Is 7 a prime number?", "No answer for this one."]
    translated: list[str] = []

    def write(body: dict[str, Any]) -> str:
        (text,) = [text for text in texts if text in body["messages"][0]["content"]]
        if "organisations" not in body["messages"][0]["content"]:
            translated.append(text)
            return from_english(text)
        found = {"names": int("Khan" in text), "places": int("Lahore" in text), "code": int("7" in text)}
        return "hm" if "No answer" in text else json.dumps({**dict.fromkeys(CRITERIA, 0), **found})

    def screened(folder: str, **screen: Any) -> Any:
        translated.clear()
        rows = [Document(str(n), text, "eng_Latn") for n, text in enumerate(texts)]
        place = {"url": teacher.url, "license": "Apache-2.0"}
        return run(tmp_path / folder, corpus(tmp_path, *rows), teacher=place, round_trip={"fraction": 0}, screen=screen)

    with running(FaultyTeacher(write=write)) as teacher:
        done = screened("strict")
        assert translated == texts[:1]
        rest = rejected(tmp_path / "strict")
        screened("one", max_score=1)
        assert sorted(translated) == sorted([texts[0], texts[2]])
    assert done.counts["documents"] == 1
    notes = {row["place"]: (row["reason"], json.loads(row["content"])["note"]) for row in rest}
    assert notes["1"] == ("not language-agnostic", "score 2: names, places")
    assert notes["2"] == ("not language-agnostic", "score 1: code")
    assert notes["3"][0] == "no readable screening"


def test_a_service_cannot_screen() -> None:
    service = {"url": "http://127.0.0.1:1", "protocol": "libretranslate"}
    with pytest.raises(ValueError, match=r"only translates: give `screen\.teacher`"):
        TranslateConfig(data="d", source="eng_Latn", language=TAG, teacher=service, screen={})  # type: ignore[arg-type]


def test_benchmark_items_keep_their_other_columns(tmp_path: Path) -> None:
    item = {"id": 7, "question": "Which animal barks?", "choices": ["the dog", "the cat"], "answer": 0}
    (tmp_path / "items.jsonl").write_text(json.dumps(item), "utf-8")
    data = Artefact("Corpus", tmp_path / "items.jsonl", name="items")
    run(tmp_path, data, makes_kind="Suite", item_columns=["question", "choices"])
    (other,) = [json.loads(line) for line in (tmp_path / "payload" / "items.jsonl").read_text("utf-8").splitlines()]
    assert (other["id"], other["answer"]) == (7, 0)
    assert [to_english(text) for text in (other["question"], *other["choices"])] == [item["question"], *item["choices"]]
    with pytest.raises(DataError, match="`questions` is no text"):
        run(tmp_path, data, makes_kind="Suite", item_columns=["questions"])


SPOILT = {
    "protected parts changed": lambda good, text: good.replace("⟦1⟧", ""),
    "numbers changed": lambda good, text: good.replace("17", "18"),
    "structure changed": lambda good, text: good.replace("\n- ", "\n"),
    "translation: script": lambda good, text: text.upper(),
    "empty translation": lambda good, text: "",
}


@pytest.mark.parametrize("reason", SPOILT)
def test_what_does_not_hold_is_asked_again_and_then_refused(tmp_path: Path, reason: str) -> None:
    rows = [Document("a", TEXT, "eng_Latn"), Document("b", "A plain sentence without anything.", "eng_Latn")]
    spoil = SPOILT[reason]
    with running(saying(lambda good, text: spoil(good, text) if "⟦0⟧" in text else good)) as teacher:
        done = run(tmp_path, corpus(tmp_path, *rows), teacher={"url": teacher.url}, max_piece_characters=5000)
        asked_again = [body for body in teacher.attempts.values()]
    assert done.counts["documents"] == 1
    (row,) = rejected(tmp_path)
    wanted = "protected parts changed" if reason == "empty translation" else reason
    assert row["reason"] == wanted
    assert len(asked_again) >= 3


def test_a_bad_way_back_is_refused(tmp_path: Path) -> None:
    rows = [Document("a", "The quiet river runs behind the old village school.", "eng_Latn"),
            Document("b", "Many children walked along it.", "eng_Latn")]  # fmt: skip

    def lossy(good: str, text: str) -> str:
        return "Something else entirely, quite unlike." if good.isascii() and "river" in good else good

    with running(saying(lossy)) as teacher:
        run(tmp_path, corpus(tmp_path, *rows), teacher={"url": teacher.url}, round_trip={"fraction": 1})
    assert [row["reason"] for row in rejected(tmp_path)] == ["lost on the way back"]


def test_a_judge_of_quality_can_refuse(tmp_path: Path) -> None:
    rows = [Document("a", "The first sentence is good.", "eng_Latn"), Document("b", "The second is not.", "eng_Latn")]
    with running(
        FaultyTeacher(write=lambda body: "30" if "second" in body["messages"][0]["content"] else "80")
    ) as judge:
        run(tmp_path, corpus(tmp_path, *rows), quality={"teacher": {"url": judge.url}}, round_trip={"fraction": 0})
    (row,) = rejected(tmp_path)
    assert (row["reason"], json.loads(row["content"])["note"]) == ("quality too low", "score 30")


def test_a_translation_model_gets_its_own_template(tmp_path: Path) -> None:
    prompts: list[str] = []

    def write(body: dict[str, Any]) -> str:
        prompts.append(body["messages"][0]["content"])
        return from_english(prompts[-1].removeprefix("<2qaa> "))

    with running(FaultyTeacher(write=write)) as teacher:
        row = Document("a", "One here. Two there!", "eng_Latn")
        settings = {"unit": "sentence", "template": "<2qaa> {text}", "round_trip": {"fraction": 0}}
        run(tmp_path, corpus(tmp_path, row), teacher={"url": teacher.url}, **settings)
    assert sorted(prompts) == ["<2qaa> One here.", "<2qaa> Two there!"]


def test_a_second_run_pays_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    data = corpus(tmp_path, Document("a", TEXT, "eng_Latn"))
    with running(saying(lambda good, text: good)) as teacher:
        teacher.price = (1.0, 1.0)
        dear = {"url": teacher.url, "usd_per_million_input_tokens": 1.0, "usd_per_million_output_tokens": 1.0}
        first = run(tmp_path, data, teacher=dear)
        before, sent = payload(tmp_path), len(teacher.order)
        again = run(tmp_path, data, teacher=dear, checks={"max_length_fraction": 9.0}, concurrency=1)
        assert (payload(tmp_path), len(teacher.order)) == (before, sent)
        assert first.costs["usd"] * 1e6 == again.costs["usd"] * 1e6 == teacher.billed > 0
        with pytest.raises(BudgetExceeded):
            run(tmp_path / "poor", data, 10, teacher=dear)


def test_rows_of_another_language_or_kind_are_refused_by_name(tmp_path: Path) -> None:
    data = corpus(tmp_path, Document("a", "متن", "urd_Arab"))
    with pytest.raises(DataError, match="row a is stated to be in urd_Arab, not in eng_Latn"):
        run(tmp_path, data)
    with pytest.raises(RecipeError, match="the rows are Corpus, and makes_kind says Preferences"):
        run(tmp_path, data, makes_kind="Preferences")


def test_dollars_are_foreseen(tmp_path: Path) -> None:
    dear = {"url": "https://a.b/v1", "usd_per_million_input_tokens": 1.0, "usd_per_million_output_tokens": 4.0}
    chosen = {"data": "$x", "source": "eng_Latn", "language": "urd_Arab", "teacher": dear}
    found = estimate(TranslateConfig.model_validate(chosen), {"$x": Counts(1000, 4_000_000)}, Machine())
    assert found.usd[0] < found.usd[1] < found.usd[2]
    assert found.usd[1] == pytest.approx(1.1 * (1.0 + 0.09 * 1.6667 + 8.0), rel=0.02)
    assert found.makes.documents == 1000


def test_every_shipped_prompt_has_the_slots_of_the_english_one() -> None:
    slots = re.compile(r"\{[a-z_]+\}")
    for name, text in load_prompts("translate").items():
        assert set(slots.findall(load_prompts("translate", "urd_Arab")[name])) == set(slots.findall(text))
