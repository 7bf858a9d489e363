"""`translate` by translation services, and held-out items found in training data of another language, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import serving
from stages.synth_kit import context, payload, rejected, sample_documents
from stages.test_translate import TEXT, corpus, sealed

from newtongue.adapters.llm.bed import Bed
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.tables import read_documents, write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Machine
from newtongue.core.rows import Document
from newtongue.methods.protection import change_prose
from newtongue.methods.scenario import Scenario
from newtongue.methods.similarity import Pool
from newtongue.stages.translate.config import TranslateConfig
from newtongue.stages.translate.estimate import estimate
from newtongue.stages.translate.stage import translate
from newtongue.tools import toy_translator
from newtongue.tools.stand_in import fluent


def service(bed: Bed, protocol: str) -> dict[str, Any]:
    if protocol == "chat":
        return {"url": bed.url}
    return {"url": bed.url.removesuffix("/v1"), "protocol": protocol, "usd_per_million_characters": 20.0}


def run(folder: Path, data: Artefact, more: dict[str, Artefact] | None = None, **settings: Any) -> Any:
    chosen = {"data": "data", "source": "eng_Latn", "language": "urd_Arab", **settings}
    return translate(TranslateConfig.model_validate(chosen), context(folder, {"data": data, **(more or {})}, 10**9))


@pytest.mark.parametrize("protocol", ["chat", "libretranslate", "deepl"])
def test_urdu_goes_there_and_back_letter_for_letter(tmp_path: Path, protocol: str) -> None:
    data = corpus(
        tmp_path, Document("a", TEXT, "eng_Latn"), *read_documents(sample_documents(tmp_path, "eng_Latn", 12))
    )
    with serving(Scenario(character_price=20.0)) as bed:
        bed.write = toy_translator.write
        done = run(tmp_path, data, teacher=service(bed, protocol), unit="sentence", round_trip={"fraction": 1.0})
        assert done.costs["usd"] * 1e6 == pytest.approx(bed.meter.billed)
        assert Ledger(tmp_path / "ledger.db").spent() == bed.meter.billed
        before, asked = payload(tmp_path), bed.meter.totals()["requests"]
        run(tmp_path, data, teacher=service(bed, protocol), unit="sentence", round_trip={"fraction": 1.0})
        assert (payload(tmp_path), bed.meter.totals()["requests"]) == (before, asked)
    assert (done.counts["documents"], done.metrics["round_trip_chrf"]) == (13, 100.0)
    rows = {row.id.removesuffix(".urd_Arab"): row.text for row in read_documents(sealed(tmp_path, "Corpus"))}
    assert change_prose(rows["a"], lambda text: toy_translator.translate(text, "urd_Arab", "eng_Latn")) == TEXT
    assert "`open.sh`" in rows["a"] and "never translated" in rows["a"]


def test_a_service_that_changes_numbers_loses_rows_and_no_more(tmp_path: Path) -> None:
    rows = [Document(f"{n}", f"There are {n} boats on the river today.", "eng_Latn") for n in range(10)]
    with serving(Scenario()) as bed:
        exact = bed.translate
        bed.translate = lambda text, source, target: exact(text, source, target).replace("7", "8")
        done = run(tmp_path, corpus(tmp_path, *rows), teacher=service(bed, "deepl"), round_trip={"fraction": 0})
        assert bed.meter.totals()["requests"] == 10, "a service is not asked again"
    assert done.counts["documents"] == 9
    assert [(row["place"], row["reason"]) for row in rejected(tmp_path)] == [("7", "numbers changed")]


def test_two_services_and_a_model_share_the_work(tmp_path: Path) -> None:
    rows = [Document(f"{n}", f"There are {n} boats on the river today.", "eng_Latn") for n in range(40)]
    with serving(Scenario()) as bed:
        bed.write = toy_translator.write
        run(
            tmp_path,
            corpus(tmp_path, *rows),
            teacher=service(bed, "deepl"),
            more_teachers={"free": service(bed, "libretranslate"), "model": {"url": bed.url, "model": "chatty"}},
            routing={"mode": "learned", "window": 4, "explore_fraction": 0.9},
        )
    by = {row.source for row in read_documents(sealed(tmp_path, "Corpus"))}
    assert by == {"translated by deepl", "translated by libretranslate", "translated by chatty"}


def test_planted_items_are_found_across_translations(tmp_path: Path) -> None:
    """A14: training rows that are translations of held-out items, and near-copies of such, are reported."""
    texts = [text for text in dict.fromkeys(fluent("eng_Latn")) if len(text.split()) >= 12]
    items = texts[:60]
    pool = Pool(0.3)
    for text in items:
        pool.add(text, text)
    strangers = [text for text in texts[60:200] if not pool.nearest(text)]
    planted = {n: toy_translator.translate(items[n], "eng_Latn", "urd_Arab") for n in (3, 17, 41)}
    copies = {n: near_copy(toy_translator.translate(items[n], "eng_Latn", "urd_Arab")) for n in (8, 29)}
    held = [Document(f"i{n}", text, "eng_Latn", "heldout") for n, text in enumerate(items)]
    theirs = [toy_translator.translate(text, "eng_Latn", "urd_Arab") for text in strangers]
    train = [Document(f"t{n}", text, "urd_Arab", "train")
             for n, text in enumerate([*planted.values(), *copies.values(), *theirs])]  # fmt: skip
    write_documents(tmp_path / "train", train)
    data = {"train": Artefact("Corpus", tmp_path / "train", sealed=True, name="$train")}
    with serving(Scenario()) as bed:
        how = {"teacher": service(bed, "libretranslate"), "round_trip": {"fraction": 0}}
        done = run(tmp_path, corpus(tmp_path, *held), data, near={"data": "train"}, **how)
        found = {row["id"]: row for row in lines(tmp_path / "payload" / "near.jsonl")}
        dropped = run(tmp_path, corpus(tmp_path, *held), data, near={"data": "train", "drop": True}, **how)
    assert set(found) == {"i3", "i17", "i41", "i8", "i29"}
    assert [found[f"i{n}"]["likeness"] for n in planted] == [1.0] * 3
    assert all(0.5 < found[f"i{n}"]["likeness"] < 0.7 for n in copies)
    assert (done.counts["near"], done.counts["documents"], dropped.counts["documents"]) == (5, 60, 55)
    assert {row["reason"] for row in rejected(tmp_path)} == {"stands in other data"}
    assert len(strangers) > 50


def near_copy(text: str) -> str:
    """The text with two of five words replaced: about 0.6 alike."""
    words = text.split(" ")
    return " ".join(f"لفظ{n}" if n % 5 in (1, 3) else word for n, word in enumerate(words))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_characters_are_foreseen() -> None:
    teacher = {"url": "https://a.b", "protocol": "deepl", "usd_per_million_characters": 25.0}
    chosen = {
        "data": "$x",
        "source": "eng_Latn",
        "language": "urd_Arab",
        "teacher": teacher,
        "round_trip": {"fraction": 0},
    }
    found = estimate(TranslateConfig.model_validate(chosen), {"$x": Counts(1000, 1_200_000)}, Machine())
    assert found.usd == pytest.approx((25.0, 25.0, 30.0))
    with pytest.raises(ValueError, match="`protocol: deepl` cannot stand at `judge`: it is asked by prompts"):
        TranslateConfig.model_validate({**chosen, "quality": {"teacher": teacher}})
