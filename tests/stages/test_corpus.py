"""The corpus stage: every row accounted for, both sides of the split where they belong, bad input explained."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from stages.corpus_kit import run_corpus, write_jsonl

from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import DataError
from newtongue.methods.words import words
from newtongue.stages.corpus.config import CorpusConfig
from newtongue.stages.corpus.estimate import estimate

SCRIPTS = {
    "eng_Latn": "The farmer carried water to the old mill before sunrise, and nobody in the village thanked her.",
    "urd_Arab": "کسان سورج نکلنے سے پہلے پرانی چکی تک پانی لے گیا، اور گاؤں میں کسی نے اس کا شکریہ ادا نہ کیا۔",
    "hin_Deva": "किसान सूरज निकलने से पहले पुरानी चक्की तक पानी ले गया, और गाँव में किसी ने धन्यवाद नहीं दिया।",
    "tha_Thai": "ชาวนานำน้ำไปที่โรงสีเก่าก่อนพระอาทิตย์ขึ้น และไม่มีใครในหมู่บ้านขอบคุณเธอเลยสักคำเดียว",
    "jpn_Jpan": "農夫は夜明け前に古い水車小屋まで水を運んだが、村の誰一人として彼女に礼を言わなかったのである。",
}


def varied(language: str, number: int) -> str:
    """Return a document of its own: the words of a sentence in another order, several times."""
    draw = random.Random(f"{language} {number}")
    base = words(SCRIPTS[language])
    return "\n\n".join(" ".join(draw.sample(base, len(base))) for _ in range(3))


@pytest.mark.parametrize("language", SCRIPTS)
def test_every_row_is_accounted_for(language: str, tmp_path: Path) -> None:
    good = [{"id": f"d{n}", "text": varied(language, n)} for n in range(30)]
    other = SCRIPTS["hin_Deva" if language != "hin_Deva" else "eng_Latn"]
    again = good[3]["text"] + "!"
    nearly = good[4]["text"][:-1]
    bad = [
        {"id": "b0", "text": again},
        {"id": "b1", "text": f"\ufeff{nearly}\r\n"},
        {"id": "b2", "text": "1"},
        {"id": "b3", "text": other * 2},
        {"id": "b4", "text": "1234567890 " * 5},
        {"id": "b5", "text": None},
        {"id": "b6", "text": good[0]["text"], "language": "mar_Deva"},
    ]
    file = write_jsonl(tmp_path / "a.jsonl", [*good, *bad])
    with open(file, "ab") as stream:
        stream.write(b'{"text": "\xff"}\n{broken\n')
    run = run_corpus(tmp_path / "out", [file], language, min_chars=20)
    assert [(r["place"], r["reason"]) for r in run.rejected()] == [
        ("a.jsonl:31", "exact duplicate"),
        ("a.jsonl:33", "too short"),
        ("a.jsonl:34", "other script"),
        ("a.jsonl:35", "no letters"),
        ("a.jsonl:36", "no text"),
        ("a.jsonl:37", "states another language"),
        ("a.jsonl:38", "invalid UTF-8"),
        ("a.jsonl:39", "invalid JSON"),
        ("a.jsonl:32", "near duplicate"),
    ]
    assert run.rejected()[0]["content"] == "same as a.jsonl:4"
    assert run.rejected()[-1]["content"] == "like a.jsonl:5"
    counts = run.outcome.counts
    assert counts["rows_read"] == 39 == counts["documents"] + len(run.rejected())
    assert counts["documents"] == counts["train_documents"] + counts["heldout_documents"] == 30
    assert {d.id: d.text for d in run.documents()} == {row["id"]: row["text"] for row in good}
    assert counts["utf8_bytes"] == sum(len(d.text.encode()) for d in run.documents())


def test_documents_say_where_they_come_from(tmp_path: Path) -> None:
    rows = [
        {"id": "ur/a", "text": varied("urd_Arab", 1), "license": "MIT", "source": "web", "lang": "ur"},
        {"text": varied("urd_Arab", 2), "language": "urd_Arab-x-dakhini", "group": "g"},
        {"id": "ur/a", "text": varied("urd_Arab", 3), "licence": "CC0-1.0", "lang": "und"},
    ]
    source = {"path": write_jsonl(tmp_path / "a.jsonl", rows), "license": "CC-BY-4.0"}
    run = run_corpus(tmp_path / "out", [source], "urd_Arab", heldout_fraction=0.0)
    found = [(d.id, d.language, d.group, d.source, d.license, d.split) for d in run.documents()]
    assert found == [
        ("ur/a", "urd_Arab", "a", "web", "MIT", "train"),
        ("a.jsonl:2", "urd_Arab-x-dakhini", "g", "a.jsonl", "CC-BY-4.0", "train"),
        ("ur/a~2", "urd_Arab", "a", "a.jsonl", "CC0-1.0", "train"),
    ]
    assert run.outcome.licences == {"CC-BY-4.0": 1, "CC0-1.0": 1, "MIT": 1}
    assert run.outcome.languages == ["urd_Arab", "urd_Arab-x-dakhini"]


def test_a_bilingual_pair_stays_on_one_side(tmp_path: Path) -> None:
    sides = {}
    for code, language in (("ur", "urd_Arab"), ("en", "eng_Latn")):
        rows = [{"id": f"{code}/page-{n}", "text": varied(language, n)} for n in range(80)]
        file = write_jsonl(tmp_path / f"{code}.jsonl", rows if code == "ur" else rows[::-1])
        run = run_corpus(tmp_path / code, [file], language, heldout_fraction=0.4)
        sides[code] = {d.id.split("/")[1]: d.split for d in run.documents()}
    assert sides["ur"] == sides["en"]
    assert set(sides["ur"].values()) == {"train", "heldout"}


def test_copies_stay_on_one_side_when_they_are_kept(tmp_path: Path) -> None:
    rows = [{"id": f"{copy}-{n}", "text": varied("urd_Arab", n)} for n in range(40) for copy in "ab"]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    run = run_corpus(
        tmp_path / "out", [file], "urd_Arab", drop_exact_duplicates=False, near_duplicates=None, heldout_fraction=0.5
    )
    sides = {d.id: d.split for d in run.documents()}
    assert len(sides) == 80
    assert all(sides[f"a-{n}"] == sides[f"b-{n}"] for n in range(40))


def test_heldout_text_stays_held_out_in_a_second_corpus(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"id": str(n), "text": varied("urd_Arab", n)} for n in range(60)])
    first = run_corpus(tmp_path / "one", [file], "urd_Arab", heldout_fraction=0.3)
    again = run_corpus(tmp_path / "two", [first.artefact], "urd_Arab", heldout_fraction=0.0)
    assert {d.id: d.split for d in again.documents()} == {d.id: d.split for d in first.documents()}
    stated = [{"id": "t", "text": varied("urd_Arab", 1), "split": "test"}]
    third = run_corpus(
        tmp_path / "three", [write_jsonl(tmp_path / "b.jsonl", stated)], "urd_Arab", heldout_fraction=0.0
    )
    assert [d.split for d in third.documents()] == ["heldout"]


def test_filters_choose_rows_by_column(tmp_path: Path) -> None:
    books = [{"text": varied("eng_Latn", n), "source": f"book-{n % 3}"} for n in range(30)]
    file = write_jsonl(tmp_path / "a.jsonl", books)
    run = run_corpus(tmp_path / "x", [{"path": file, "exclude": {"source": ["book-1"]}}], "eng_Latn")
    assert {d.source for d in run.documents()} == {"book-0", "book-2"}
    assert run.outcome.counts["rows_filtered_out"] == 10
    run = run_corpus(tmp_path / "o", [{"path": file, "only": {"source": ["book-1"]}}], "eng_Latn", max_documents=4)
    assert [d.source for d in run.documents()] == ["book-1"] * 4
    with pytest.raises(DataError, match=r"a.jsonl: no row has `book-7` in the column `source`"):
        run_corpus(tmp_path / "w", [{"path": file, "exclude": {"source": ["book-7"]}}], "eng_Latn")
    with pytest.raises(DataError, match="no column `book`; the columns are source, text"):
        run_corpus(tmp_path / "c", [{"path": file, "only": {"book": ["book-1"]}}], "eng_Latn")


def test_one_side_of_a_bitext_is_a_source(tmp_path: Path) -> None:
    rows = [{"id": f"p#{n}", "en": varied("eng_Latn", n), "ur": varied("urd_Arab", n)} for n in range(8)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    urdu = run_corpus(tmp_path / "u", [{"path": file, "text_column": "ur"}], "urd_Arab", heldout_fraction=0.5)
    english = run_corpus(tmp_path / "e", [{"path": file, "text_column": "en"}], "eng_Latn", heldout_fraction=0.5)
    assert [(d.id, d.split) for d in urdu.documents()] == [(d.id, d.split) for d in english.documents()]


def errors_of(folder: Path, rows: list[dict[str, Any]], language: str, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        run_corpus(folder / "out", [write_jsonl(folder / "a.jsonl", rows)], language, **settings)
    assert caught.value.exit_code == 3
    return caught.value.text()


def test_wrong_language_is_refused_with_its_share(tmp_path: Path) -> None:
    rows = [{"text": varied("eng_Latn", n)} for n in range(8)] + [{"text": varied("urd_Arab", n)} for n in range(2)]
    assert errors_of(tmp_path, rows, "urd_Arab") == (
        "./source-0: 80 % of 10 documents are not Urdu (urd_Arab): 8 × other script\n"
        "  expected: Urdu text in Arabic script\n"
        "  fix: correct `language` in the recipe, or give it other text"
    )


def test_a_mixed_corpus_is_ordinary_input(tmp_path: Path) -> None:
    rows = [{"text": varied(tag, n)} for n in range(5) for tag in ("eng_Latn", "urd_Arab")]
    run = run_corpus(tmp_path / "out", [write_jsonl(tmp_path / "a.jsonl", rows)], "urd_Arab")
    assert run.outcome.counts["rows_other_script"] == 5


@pytest.mark.parametrize("rows", [[], [{"text": "کم"}]])
def test_empty_corpus_is_an_error(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    message = errors_of(tmp_path, rows, "urd_Arab")
    assert message.startswith(
        f"./source-0: no document is left of {len(rows)} rows" + (": 1 × too short" if rows else "")
    )


def test_missing_column_is_an_error(tmp_path: Path) -> None:
    assert "no column `text`; the columns are body, title" in errors_of(
        tmp_path, [{"body": "x", "title": "y"}], "urd_Arab"
    )


def test_licence_gate_says_no_after_the_work(tmp_path: Path) -> None:
    rows = [{"text": varied("urd_Arab", n), **({"license": "MIT"} if n else {})} for n in range(5)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    run = run_corpus(tmp_path / "gate", [file], "urd_Arab", require_licence=True)
    assert run.outcome.gate == "1 of 5 documents state no licence"
    assert run_corpus(tmp_path / "free", [file], "urd_Arab").outcome.gate is None
    named = {"path": file, "license": "CC0-1.0"}
    assert run_corpus(tmp_path / "named", [named], "urd_Arab", require_licence=True).outcome.gate is None


def test_a_truncated_source_is_said(tmp_path: Path) -> None:
    import gzip

    rows = [{"text": varied("urd_Arab", n)} for n in range(40)]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    run = run_corpus(tmp_path / "out", [tmp_path / "a.jsonl.gz"], "urd_Arab")
    assert run.outcome.counts["rows_truncated_file"] == 1
    assert run.outcome.counts["documents"] > 5
    assert any(line.startswith("Warning: a source file is cut") for line in run.outcome.card)


def test_a_kilobyte_of_text_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(varied("urd_Arab", 0), "utf-8")
    run = run_corpus(tmp_path / "out", [tmp_path / "a.txt"], "urd_Arab")
    assert run.outcome.counts["documents"] == 1
    assert any("too few groups" in line for line in run.outcome.card)


def test_workers_change_nothing(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": varied("urd_Arab", n % 270)} for n in range(300)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    payloads = [
        run_corpus(tmp_path / name, [file], "urd_Arab", workers=workers).payload()
        for name, workers in (("one", 1), ("two", 2), ("again", 1))
    ]
    assert payloads[0] == payloads[1] == payloads[2]
    assert set(payloads[0]) == {"train-00000.parquet", "heldout-00000.parquet", "rejected.jsonl"}


def test_decisions_are_frozen(tmp_path: Path) -> None:
    """A change here moves documents of every user: raise the stage's version with it."""
    rows = [{"id": f"{n}", "text": varied(tag, n)[: 60 + n]} for n in range(40) for tag in SCRIPTS]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    run = run_corpus(tmp_path / "out", [file], "urd_Arab", min_script_fraction=0, near_duplicates={"jaccard": 0.6})
    kept = "\n".join(f"{d.id} {d.split} {d.text}" for d in run.documents())
    assert hashlib.sha256(kept.encode()).hexdigest()[:16] == "e392bab8a37a6d4d"


def test_real_documents(shared_data: Path, tmp_path: Path) -> None:
    splits = {}
    for code, language, documents in (("ur", "urd_Arab", 147), ("hi", "hin_Deva", 148), ("en", "eng_Latn", 149)):
        run = run_corpus(tmp_path / code, [shared_data / "corpus" / f"{code}.docs.jsonl"], language)
        assert run.outcome.counts["documents"] == documents
        assert run.outcome.licences == {"MIT": documents}
        assert 0.02 < run.outcome.metrics["heldout_byte_fraction"] < 0.1
        splits[code] = {d.id: d.split for d in run.documents()}
    for code in ("hi", "en"):
        shared = splits["ur"].keys() & splits[code].keys()
        assert len(shared) > 130
        assert all(splits["ur"][name] == splits[code][name] for name in shared)


def test_real_text_in_the_wrong_language_is_refused(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="100 % of 153 documents are not Urdu"):
        run_corpus(tmp_path / "out", [shared_data / "corpus" / "hi.docs.jsonl"], "urd_Arab")


def test_another_language_of_the_same_script_is_refused(shared_data: Path, tmp_path: Path) -> None:
    english = [{"text": text} for text in texts_of(shared_data / "corpus" / "en.docs.jsonl", 40)]
    swahili = [{"text": text} for text in texts_of(shared_data / "corpus" / "sw.docs.jsonl", 40)]
    message = errors_of(tmp_path / "e", english, "swh_Latn")
    assert message.startswith("./source-0: 88 % of 40 sampled documents are not Swahili (swh_Latn): 35 ×")
    run = run_corpus(tmp_path / "s", [write_jsonl(tmp_path / "s.jsonl", swahili)], "swh_Latn")
    assert run.outcome.counts["documents"] == 40
    file = write_jsonl(tmp_path / "e.jsonl", english)
    assert run_corpus(tmp_path / "w", [file], "wol_Latn").outcome.counts["documents"] == 40  # cannot be told
    assert run_corpus(tmp_path / "off", [file], "swh_Latn", identify=False).outcome.counts["documents"] == 40


def texts_of(file: Path, count: int) -> list[str]:
    with open(file, encoding="utf-8") as stream:
        return [json.loads(next(stream))["text"] for _ in range(count)]


def test_a_source_in_another_language_is_a_recipe_error() -> None:
    sources = [{"path": "./a.jsonl", "language": "hin_Deva"}]
    with pytest.raises(ValueError, match="a source is in hin_Deva, the stage in urd_Arab"):
        CorpusConfig.model_validate({"sources": sources, "language": "urd_Arab"})


def test_estimate_follows_the_size_of_the_sources() -> None:
    config = CorpusConfig.model_validate({"sources": [{"path": "./a.jsonl"}], "language": "urd_Arab"})
    counts = {"./a.jsonl": Counts(documents=1000, utf8_bytes=40_000_000)}
    whole = estimate(config, counts, Machine())
    some = estimate(config.model_copy(update={"max_documents": 100}), counts, Machine())
    assert 5 < whole.seconds[1] < 20
    assert whole.seconds[0] <= whole.seconds[1] <= whole.seconds[2]
    assert some.makes.documents == 100
    assert some.makes.utf8_bytes == pytest.approx(whole.makes.utf8_bytes / 10, rel=0.01)
    assert whole.makes.extra["heldout_utf8_bytes"] == pytest.approx(0.05 * whole.makes.utf8_bytes, rel=0.01)
