"""`select`: what it keeps, what passes through, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from stages.synth_kit import context

from newtongue.adapters.tables import read_conversations, read_documents, write_conversations, write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Machine
from newtongue.core.context import Outcome
from newtongue.core.errors import DataError, NewtongueError, RecipeError
from newtongue.core.rows import Conversation, Document
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.estimate import estimate
from newtongue.stages.select.stage import select

NAN = float("nan")


def turn(number: int, split: str = "train", score: float = NAN) -> Conversation:
    answer = "جواب " * (number % 7 + 1)
    messages = ({"role": "user", "content": f"سوال {number}"}, {"role": "assistant", "content": answer})
    return Conversation(f"row-{number}", messages, "urd_Arab", split, license="MIT", score=score)  # type: ignore[arg-type]


def sealed(folder: Path, rows: list[Conversation]) -> Artefact:
    write_conversations(folder / "candidates", rows)
    return Artefact("Conversations", folder / "candidates", sealed=True, name="$synth")


def run(folder: Path, source: Artefact, **settings: Any) -> Outcome:
    config = SelectConfig.model_validate({"candidates": "$synth", **settings})
    return select(config, context(folder, {"$synth": source}))


def kept(folder: Path, split: str = "train") -> list[str]:
    source = Artefact("Conversations", folder / "payload", sealed=True)
    return [row.id for row in read_conversations(source, split)]


@pytest.fixture
def rows() -> list[Conversation]:
    return [turn(n, "heldout" if n % 5 == 0 else "train", score=n % 10) for n in range(50)]


@pytest.mark.parametrize("method", ["random", "length", "topk"])
def test_heldout_rows_pass_through_and_the_rest_is_counted(
    tmp_path: Path, rows: list[Conversation], method: str
) -> None:
    done = run(tmp_path, sealed(tmp_path, rows), method=method, keep=12)
    assert kept(tmp_path, "heldout") == [row.id for row in rows if row.split == "heldout"]
    assert (len(kept(tmp_path)), done.counts["train"], done.counts["not_selected"]) == (12, 12, 28)
    assert done.licences == {"MIT": 22}
    order = [row.id for row in rows]
    assert kept(tmp_path) == sorted(kept(tmp_path), key=order.index)
    lines = [json.loads(line) for line in (tmp_path / "payload" / "rejected.jsonl").read_text().splitlines()]
    assert {row["place"] for row in lines} == {r.id for r in rows if r.split == "train"} - set(kept(tmp_path))


def test_topk_takes_the_highest(tmp_path: Path, rows: list[Conversation]) -> None:
    run(tmp_path, sealed(tmp_path, rows), method="topk", keep=5)
    assert kept(tmp_path) == [f"row-{n}" for n in (9, 19, 29, 39, 49)]


def test_length_takes_the_longest_answers(tmp_path: Path, rows: list[Conversation]) -> None:
    run(tmp_path, sealed(tmp_path, rows), method="length", keep=6)
    assert {int(name.split("-")[1]) % 7 for name in kept(tmp_path)} == {6}


def test_equal_calls_give_equal_bytes_and_seeds_differ(tmp_path: Path, rows: list[Conversation]) -> None:
    source = sealed(tmp_path, rows)
    names = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / folder, source, keep_fraction=0.3, seed=seed)
        names.append(kept(tmp_path / folder))
    assert names[0] == names[1] != names[2]
    files = [(tmp_path / name / "payload" / "train-00000.parquet").read_bytes() for name in "ab"]
    assert files[0] == files[1]
    assert len(names[0]) == 12


def test_a_quota_above_what_exists_takes_all_and_says_so(tmp_path: Path, rows: list[Conversation]) -> None:
    done = run(tmp_path, sealed(tmp_path, rows), keep=1000)
    assert len(kept(tmp_path)) == 40
    assert done.card[0].startswith("40 of 40 training rows (1,000 were asked for), drawn at random")


def test_a_row_without_score_is_named(tmp_path: Path, rows: list[Conversation]) -> None:
    source = sealed(tmp_path, [*rows, turn(51), turn(52)])
    with pytest.raises(DataError) as refused:
        run(tmp_path, source, method="topk", keep=3)
    assert str(refused.value) == (
        "$synth: 2 of 42 training rows have no number in the column `score`, the first is `row-51`\n"
        "  fix: give `scorer`, or choose by `random` or `length`"
    )


def test_a_missing_column_lists_the_numeric_ones(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "a", "completion": "b", "quality": 1, "stars": 5}\n')
    with pytest.raises(DataError, match="no numeric column `score2`; there are: quality, stars"):
        run(tmp_path, Artefact("Conversations", file), method="topk", score_column="score2")


def test_any_numeric_column_of_the_users_files_will_do(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = [{"id": f"r{n}", "prompt": "a", "completion": "b", "stars": n % 4} for n in range(8)]
    file.write_text("\n".join(map(json.dumps, lines)))
    run(tmp_path, Artefact("Conversations", file), method="topk", score_column="stars", keep=2)
    assert kept(tmp_path) == ["r3", "r7"]


def test_a_corpus_is_selected_as_a_corpus(tmp_path: Path) -> None:
    documents = [Document(f"d{n}", "متن " * (n + 1), "urd_Arab", "heldout" if n == 3 else "train") for n in range(8)]
    write_documents(tmp_path / "corpus", documents)
    source = Artefact("Corpus", tmp_path / "corpus", sealed=True, name="$corpus")
    with pytest.raises(RecipeError, match="the rows are Corpus, and makes_kind says Conversations"):
        run(tmp_path, source, keep=2)
    run(tmp_path, source, keep=2, method="length", makes_kind="Corpus")
    found = [d.id for d in read_documents(Artefact("Corpus", tmp_path / "payload", sealed=True))]
    assert sorted(found) == ["d3", "d6", "d7"]


def test_nothing_to_choose_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no training row to choose from"):
        run(tmp_path, sealed(tmp_path, [turn(1, "heldout")]))


def test_the_estimate_predicts_the_size(tmp_path: Path) -> None:
    config = SelectConfig(candidates="$synth", keep=30)  # type: ignore[arg-type]
    made = estimate(config, {"$synth": Counts(documents=60, utf8_bytes=6000)}, Machine()).makes
    assert (made.documents, made.utf8_bytes) == (30, 3000)


EMBEDDED = ("car", "mdaq_cluster", "mdaq_mmr", "k_center", "facility_location")
TAGS = ("urd_Arab", "hin_Deva", "swh_Latn")
LINES = {
    "urd_Arab": "پانی ہوا کتاب گھر شہر دریا پہاڑ درخت پھول سورج چاند بارش کھیت بازار سڑک بچہ استاد کھانا",
    "hin_Deva": "पानी हवा किताब घर शहर नदी पहाड़ पेड़ फूल सूरज चाँद बारिश खेत बाज़ार सड़क बच्चा शिक्षक खाना समय दिन",
    "swh_Latn": "maji hewa kitabu nyumba mji mto mlima mti ua jua mwezi mvua shamba soko njia mtoto mwalimu chakula",
}


def sentence(tag: str, number: int) -> str:
    """A sentence of its own in three scripts: words by a congruence, a full stop of the script."""
    mark = {"urd_Arab": "۔", "hin_Deva": "।", "swh_Latn": "."}[tag]
    words = LINES[tag].split()
    return " ".join(words[(number * 7 + k * k + 3 * k) % len(words)] for k in range(9 + number % 4)) + mark


def many(count: int = 40, languages: tuple[str, ...] = TAGS) -> list[Conversation]:
    """Rows in several languages with tasks, sources, groups and scores."""
    return [
        Conversation(
            f"{tag[:3]}-{n}",
            (
                {"role": "user", "content": f"{sentence(tag, n + 50)}"},
                {"role": "assistant", "content": " ".join(sentence(tag, n + k) for k in range(3))},
            ),
            tag,
            "heldout" if n % 10 == 9 else "train",
            group=f"g{n}",
            source="a" if n % 2 else "b",
            task="qa" if n % 3 else "story",
            score=(n * 37 % 40) / 40 + number,
        )
        for number, tag in enumerate(languages)
        for n in range(count)
    ]


def explained(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "payload" / "explained.jsonl").read_text().splitlines()]


def counts(folder: Path, key: str) -> dict[str, int]:
    source = Artefact("Conversations", folder / "payload", sealed=True)
    found: dict[str, int] = {}
    for row in read_conversations(source, "train"):
        found[getattr(row, key)] = found.get(getattr(row, key), 0) + 1
    return found


@pytest.mark.parametrize("scope", ["global", "language"])
@pytest.mark.parametrize("method", ["random", "length", "topk", *EMBEDDED])
def test_every_method_keeps_its_numbers_and_explains_every_row(tmp_path: Path, method: str, scope: str) -> None:
    source = sealed(tmp_path, many())
    settings = {
        "keep": 20,
        "quotas": {"language": {"urd_Arab": 10}},
        "protect": ["hin-3"],
        "diversity": {"per_cluster": 0},
    }
    run(tmp_path, source, method=method, scope=scope, **settings)
    assert counts(tmp_path, "language")["urd_Arab"] == 10
    assert sum(counts(tmp_path, "language").values()) == 20
    rows = explained(tmp_path)
    assert len(rows) == 108
    assert {row["id"] for row in rows if row["kept"]} == set(kept(tmp_path))
    assert next(row["why"] for row in rows if row["id"] == "hin-3") == "protected"
    assert all(row["why"] and 1 <= row["rank_in_language"] <= row["rows_in_language"] == 36 for row in rows)
    if method in EMBEDDED:
        assert all(row["nearest_kept"] in kept(tmp_path) and row["nearest_kept"] != row["id"] for row in rows)
        assert all(-1 <= row["nearest_kept_cosine"] <= 1.001 and row["cluster"] >= 0 for row in rows)
    facts = json.loads((tmp_path / "payload" / "selection.json").read_text())
    assert facts["kept"] == 20 and sum(facts["languages"]["urd_Arab"]["scores"]["kept"]) == 10


@pytest.mark.parametrize("method", ["mdaq_cluster", "mdaq_mmr"])
def test_a_constant_on_one_languages_scores_changes_nothing(tmp_path: Path, method: str) -> None:
    rows = many()
    moved = [replace(row, score=row.score + 100 * (row.language == "hin_Deva")) for row in rows]
    for folder, given in (("a", rows), ("b", moved)):
        run(tmp_path / folder, sealed(tmp_path / folder, given), method=method, keep=15)
    assert kept(tmp_path / "a") == kept(tmp_path / "b")


def test_equal_scores_leave_the_choice_to_difference(tmp_path: Path) -> None:
    source = sealed(tmp_path, [replace(row, score=1.0) for row in many()])
    run(tmp_path / "a", source, method="mdaq_mmr", keep=15)
    run(tmp_path / "b", source, method="k_center", keep=15)
    assert kept(tmp_path / "a") == kept(tmp_path / "b")


@pytest.mark.parametrize("method", ["topk", "car", "mdaq_cluster", "mdaq_mmr"])
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_score_that_is_no_number_is_refused_where_scores_decide(tmp_path: Path, method: str, value: float) -> None:
    rows = many(20)
    rows[3] = replace(rows[3], score=value)
    with pytest.raises(DataError, match=r"1 of 54 training rows have no number in the column `score`.* `urd-3`"):
        run(tmp_path, sealed(tmp_path, rows), method=method, keep=5)
    run(tmp_path, sealed(tmp_path, rows), method="k_center", keep=5)
    assert len(kept(tmp_path)) == 5


@pytest.mark.parametrize("method", ["topk", "mdaq_cluster", "car"])
def test_equal_scores_fall_by_the_seed(tmp_path: Path, method: str) -> None:
    source = sealed(tmp_path, [replace(row, score=1.0) for row in many()])
    names = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / folder, source, method=method, keep=15, seed=seed)
        names.append(kept(tmp_path / folder))
    assert names[0] == names[1] != names[2]
    facts = json.loads((tmp_path / "a" / "payload" / "selection.json").read_text())
    assert facts["languages"]["urd_Arab"]["scores"]["mean_kept"] == 1.0


def test_car_adds_the_best_of_every_cluster(tmp_path: Path) -> None:
    source = sealed(tmp_path, many())
    run(tmp_path, source, method="car", keep=5, diversity={"clusters": 9})
    rows = explained(tmp_path)
    best = sorted(rows, key=lambda row: -row["score"])[:5]
    uncovered = {row["cluster"] for row in rows} - {row["cluster"] for row in best}
    assert len(kept(tmp_path)) == 5 + len(uncovered)
    assert {row["cluster"] for row in rows if row["kept"]} == {row["cluster"] for row in rows}


def test_quotas_of_tasks_and_sources(tmp_path: Path) -> None:
    source = sealed(tmp_path, many())
    run(tmp_path, source, keep=30, quotas={"task": {"qa": 0.2, "story": 24}})
    assert counts(tmp_path, "task") == {"qa": 6, "story": 24}
    run(tmp_path, source, method="mdaq_mmr", keep=30, scope="language", quotas={"source": {"a": 6}})
    assert counts(tmp_path, "source") == {"a": 6, "b": 24}
    assert counts(tmp_path, "language") == dict.fromkeys(TAGS, 10)


def test_a_quota_above_what_a_language_has_takes_all_of_it_and_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, sealed(tmp_path, many()), keep=60, quotas={"language": {"urd_Arab": 50}})
    assert counts(tmp_path, "language")["urd_Arab"] == 36
    assert done.card[1] == "36 of 50 rows wanted for language urd_Arab (36 there are)."


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"quotas": {"language": {"fra_Latn": 5}}}, "no training row has the language `fra_Latn`; there are: hin_Deva"),
        ({"quotas": {"language": {"urd_Arab": 9}}, "keep": 8}, "the quotas ask for 9 rows and keep is 8"),
        ({"protect": ["nobody"]}, "1 protected ids are on no training row, the first is `nobody`"),
        ({"protect": ["hin-1", "hin-2"], "keep": 1}, "2 rows are protected and keep is 1"),
    ],
)
def test_what_cannot_be_met_is_refused(tmp_path: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(NewtongueError) as refused:
        run(tmp_path, sealed(tmp_path, many()), **{"keep": 10, **settings})
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"keep": 0}, "greater than or equal to 1"),
        ({"keep_fraction": 0}, "greater than 0"),
        ({"shard_rows": 1}, "greater than or equal to 2"),
        ({"quotas": {"task": {"qa": 2.5}}}, "a quota is a whole number of rows, or a share below 1, not qa: 2.5"),
        ({"method": "new_token_coverage"}, "`new_token_coverage` needs `vocabulary`"),
        ({"train": {"surprise": True}}, "`surprise` needs `encoder`"),
        ({"train": {"corruptions": []}}, "nothing to learn from"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SelectConfig.model_validate({"candidates": "$synth", **settings})


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    rows = many()
    with pytest.raises(
        DataError, match="1 ids stand on more than one training row of a language, the first is `urd-2`"
    ):
        run(tmp_path, sealed(tmp_path, [*rows, rows[2]]))


def test_rows_without_language_are_one_group(tmp_path: Path) -> None:
    rows = [replace(row, language="") for row in many(20, ("urd_Arab",))] + many(20, ("hin_Deva",))
    run(tmp_path, sealed(tmp_path, rows), keep=10, scope="language")
    assert counts(tmp_path, "language") == {"": 5, "hin_Deva": 5}


def test_vectors_are_found_again_by_content(tmp_path: Path) -> None:
    source = sealed(tmp_path, many())
    for seed in (0, 1):
        run(tmp_path, source, method="k_center", keep=5, seed=seed)
    assert len(list((tmp_path / ".cache" / "embeddings").glob("*.npy"))) == 1
    before = kept(tmp_path)
    run(tmp_path, sealed(tmp_path / "other", many(38)), method="k_center", keep=5, seed=1)
    assert len(list((tmp_path / ".cache" / "embeddings").glob("*.npy"))) == 2
    run(tmp_path, source, method="k_center", keep=5, seed=1)
    assert kept(tmp_path) == before
