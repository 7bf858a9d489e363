"""Scorer arithmetic: pairs, splits, ranks, weights; corruptions and what the surface shows of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods import quality
from newtongue.methods.corruption import CORRUPTIONS, Example, repeat, shuffle, spoil, truncate
from newtongue.methods.hashed_embedding import embed_texts
from newtongue.methods.hashed_ngrams import count_characters, ngram_hashes, stream_of
from newtongue.methods.surface import FEATURES, learn_surface, symptoms
from newtongue.methods.unit_grid import ONE, dots
from newtongue.methods.words import words

TEXTS = {
    "urd_Arab": "یہ ایک لمبا جملہ ہے جس میں کئی الفاظ ہیں۔ دوسرا جملہ بھی یہاں موجود ہے۔",
    "hin_Deva": "यह एक लंबा वाक्य है जिसमें कई शब्द हैं। दूसरा वाक्य भी यहाँ है।",
    "swh_Latn": "Hii ni sentensi ndefu yenye maneno mengi. Sentensi ya pili iko hapa.",
    "tha_Thai": "นี่คือประโยคยาวที่มีหลายคำ ประโยคที่สองอยู่ที่นี่ด้วย",
    "eng_Latn": "This is a long sentence with many words. A second sentence is here, too.",
    "jpn_Jpan": "これは多くの言葉を含む長い文です。二番目の文もここにあります。",
}


def test_the_least_revised_pairs_go() -> None:
    distances = [quality.edit_distance(a, b) for a, b in (("ab", "ab"), ("ab", "abcd"), ("اب", "ابج"), ("", "abc"))]
    assert distances == [0, 2, 1, 3]
    assert quality.drop_smallest_changes(distances, 2) == [1, 3]
    draw = np.random.default_rng(0).permutation(3751).tolist()
    kept = quality.drop_smallest_changes(draw, 1211)
    assert len(kept) == 2540
    assert min(draw[place] for place in kept) == 1211


def test_no_pair_is_in_two_splits() -> None:
    parts = quality.three_ways(2540, 42)
    assert [len(part) for part in parts] == [2032, 254, 254]
    assert sorted(place for part in parts for place in part) == list(range(2540))


@given(st.text(max_size=12), st.text(max_size=12))
def test_edit_distance_is_that_of_the_definition(first: str, second: str) -> None:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        row, before = [i], row
        for j, b in enumerate(second, 1):
            row.append(min(row[-1] + 1, before[j] + 1, before[j - 1] + (a != b)))
    assert quality.edit_distance(first, second) == row[-1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), min_size=1, max_size=30), st.integers(-9, 9))
def test_a_constant_added_to_one_language_changes_no_rank(rows: list[tuple[str, int]], constant: int) -> None:
    groups = [group for group, _ in rows]
    scores = np.array([value for _, value in rows], dtype=float)
    moved = scores + constant * np.array([group == "a" for group in groups])
    assert np.array_equal(quality.normalised_ranks(scores, groups), quality.normalised_ranks(moved, groups))


def test_equal_scores_have_the_middle_rank() -> None:
    assert quality.normalised_ranks(np.zeros(7), ["x"] * 7).tolist() == [0.5] * 7


@pytest.mark.parametrize("objective", ["mse", "triplet"])
def test_weights_learn_what_separates_and_keep_what_was_not_shown(objective: quality.Objective) -> None:
    draw = np.random.default_rng(0)
    better, worse = draw.standard_normal((400, 3)), draw.standard_normal((400, 3))
    worse[:, 0] -= 3
    better[:, 2] = worse[:, 2] = 0
    weights = quality.learn_from_pairs(better, worse, np.full(3, 0.15), objective)
    assert weights.symptoms[0] > 2 * weights.symptoms[1]
    assert weights.symptoms[2] == pytest.approx(0.15)
    assert min(weights.symptoms) >= 0.5 * 0.15 - 1e-9
    accuracy = quality.pair_accuracy(quality.score(better, weights), quality.score(worse, weights))
    assert accuracy > 0.95


def test_a_judges_scores_are_fitted() -> None:
    draw = np.random.default_rng(1)
    rows = draw.standard_normal((500, 4))
    said = rows @ np.array([2.0, 0.0, 0.5, 1.0]) + 0.1 * draw.standard_normal(500)
    weights = quality.learn_from_scores(rows, said, np.full(2, 0.15))
    assert np.corrcoef(quality.score(rows, weights), said)[0, 1] > 0.97


def test_one_template_serves_training_and_scoring() -> None:
    assert quality.render("", "جواب") == "Instruction:\n\n\nResponse:\nجواب"
    assert quality.render("q", "جواب").endswith("Response:\nجواب")


@pytest.mark.parametrize("tag", TEXTS)
def test_makers_work_in_every_script(tag: str) -> None:
    text = TEXTS[tag]
    for seed in range(5):
        cut = truncate(text, np.random.default_rng(seed))
        assert cut and text.startswith(cut) and 0.1 < len(cut) / len(text) < 0.9
        again = repeat(text, np.random.default_rng(seed))
        assert again and again != text
        mixed = shuffle(text, np.random.default_rng(seed))
        assert mixed and sorted(words(mixed)) == sorted(words(text)) and mixed != text


def test_spoiled_twins_depend_on_the_row_and_the_seed() -> None:
    rows = [Example(f"q{n}", f"{text} {n}", tag) for n in range(3) for tag, text in TEXTS.items()]
    kinds = [kind for kind in CORRUPTIONS if kind != "back_translated"]
    first, second, other = spoil(rows, kinds, 0), spoil(rows, kinds, 0), spoil(rows, kinds, 1)
    assert first == second != other
    assert all(pair.bad.prompt == pair.good.prompt and pair.bad.answer != pair.good.answer for pair in first)
    assert {pair.kind for pair in first} == set(kinds)
    foreign = [pair for pair in first if pair.kind == "wrong_language"]
    assert all(TEXTS[pair.good.language][:5] not in pair.bad.answer for pair in foreign)
    trips = spoil(rows[:2], ["back_translated"], 0, {0: "something else"})
    assert [(pair.place, pair.bad.answer) for pair in trips] == [(0, "something else")]
    with pytest.raises(ValueError, match="unknown corruption 'rot13'"):
        spoil(rows, ["rot13"], 0)


def test_the_surface_shows_each_fault() -> None:
    rows = [
        Example(f"question {n} {text[:20]}", f"{text} {n}. {text[n : n + 25]}.", tag)
        for n in range(12)
        for tag, text in TEXTS.items()
    ]
    surface = learn_surface(rows)
    column = {name: number for number, name in enumerate(FEATURES)}
    urdu = [row for row in rows if row.language == "urd_Arab"]
    found = symptoms(urdu, surface).mean(axis=0)
    for kind, name in (
        ("truncated", "shortness"),
        ("repeated", "longest_repeat"),
        ("wrong_language", "foreign_script"),
    ):
        bad = [pair.bad for pair in spoil(rows, [kind], 0) if pair.good.language == "urd_Arab"]
        assert symptoms(bad, surface).mean(axis=0)[column[name]] > found[column[name]]
    unknown = symptoms([Example("", "texte", "fra_Latn")], surface)[0]
    assert np.isnan(unknown[column["surprise"]])


def test_an_answer_to_another_question_is_off_topic_in_every_script() -> None:
    column = FEATURES.index("off_topic")
    for tag, text in TEXTS.items():
        length = len(text) // 3
        parts = [text[first : first + length] for first in (0, length, 2 * length)]
        rows = [Example(part[:8], f"{part} {n}", tag) for n, part in enumerate(parts)]
        surface = learn_surface(rows)
        own = symptoms(rows, surface)[:, column]
        swapped = [Example(row.prompt, rows[n - 1].answer, tag) for n, row in enumerate(rows)]
        assert symptoms(swapped, surface)[:, column].mean() > own.mean() + 0.05, tag
        assert symptoms([Example("", rows[0].answer, tag)], surface)[0, column] == 0


def test_shared_rare_words_say_more_than_shared_common_ones() -> None:
    rows = [Example("please tell me about it", f"please tell me about number {n}", "eng_Latn") for n in range(30)]
    surface, column = learn_surface([*rows, Example("volcano", "the volcano", "eng_Latn")]), FEATURES.index("off_topic")
    common = Example("please tell me about volcano", "please tell me about the weather", "eng_Latn")
    rare = Example("please tell me about volcano", "a volcano is a mountain of fire", "eng_Latn")
    found = symptoms([common, rare], surface)[:, column]
    assert found[1] < found[0]


def test_a_character_model_counts_what_it_saw() -> None:
    model = count_characters(stream_of(["abab abab"] * 20), 7, 5, np.zeros(1 << 14, dtype=np.uint32))
    seen, unseen = (model.surprisal(stream_of([text]), 7).mean() for text in ("abab", "zqxw"))
    assert seen < 2 < unseen
    assert model.surprisal(stream_of(["abab"]), 8).mean() > 5


def test_hashes_stay_within_their_text() -> None:
    alone, beside = stream_of(["کتاب"]), stream_of(["xyz", "کتاب"])
    for order in range(1, 6):
        assert np.array_equal(ngram_hashes(alone, order), ngram_hashes(beside, order)[4:])


def test_near_copies_are_near_and_topics_apart() -> None:
    texts = [*TEXTS.values(), TEXTS["urd_Arab"] + " اور", ""]
    rows = embed_texts(texts, 256)
    cosines = dots(rows, rows) / ONE
    assert cosines[0, 6] > 0.85
    assert np.abs(cosines[0, 1:6]).max() < 0.4
    assert not rows[7].any()
    assert embed_texts([], 16).shape == (0, 16)
