"""Continued BPE on real tokenizers: brute force, nesting, ids of protected text, special tokens after reload."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer
from newtongue.adapters.hf.bpe_training import learn_merges
from newtongue.adapters.hf.model_files import copy_companions
from newtongue.adapters.hf.pico import write_pico_tokenizer
from newtongue.adapters.hf.tokenizers import (
    FastTokenizer,
    extend,
    load_tokenizer,
    save_tokenizer,
    segment_counts,
    segmentations,
    unreachable,
)
from newtongue.core.errors import DataError
from newtongue.methods.continued_bpe import Merge, adjacent_pairs, apply_merges, filter_merges

TEXTS = {
    "Latin": ["Ìjọba náà ń ṣe àtúnṣe sí ètò ẹ̀kọ́ ní orílẹ̀-èdè yìí.", "Wọ́n ń kọ́ ilé ìwé tuntun ní ìlú náà."],
    "Arabic": ["یہ کتاب بہت اچھی ہے اور کتابیں سب پڑھتے ہیں۔", "کتاب‌ها در کتابخانه هستند؛ کتاب خوب است."],
    "Devanagari": ["यह किताब बहुत अच्छी है और किताबें सब पढ़ते हैं।", "बच्चे किताब पढ़ते हैं, फिर खेलते हैं।"],
    "Thai": ["ภาษาไทยเป็นภาษาที่มีวรรณยุกต์ ภาษาไทยเขียนติดกัน", "เด็กไทยเรียนภาษาไทยที่โรงเรียน"],
    "Han": ["这本书很好，大家都喜欢看这本书。", "学生在学校看书，看书很有意思。"],
}
ENGLISH = ["The quick brown fox; naïve café – 12.5 km (it's “fine”).", "def f(x):\n    return x + 1\n"]


@pytest.fixture(scope="module", params=["byte_level", "sentencepiece"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FastTokenizer:
    folder = tmp_path_factory.mktemp(request.param)
    write_pico_tokenizer(folder, request.param)
    return load_tokenizer(folder)


def continued(old: FastTokenizer, texts: list[str], protected: list[str] = ENGLISH, number: int = 60):
    """Return merges and the tokenizer with them."""
    learned = [Merge(*pair) for pair in learn_merges(segment_counts(old, texts), number, min_count=2)]
    raw = {i for token, i in old.ids.items() if token.startswith("<0x")}
    objection = lambda pieces: "bytes" if raw & set(pieces) and not old.byte_level else None  # noqa: E731
    kept = filter_merges(learned, adjacent_pairs(segmentations(old, protected)), objection).kept
    return kept, extend(old, [], kept, old.last_id + 1)


def slow_learn(counts: Counter[tuple[int, ...]], number: int) -> list[Merge]:
    """Recount every pair after every merge; ties to the pair whose parts came first."""
    words = {word: [(i,) for i in word] for word in counts}
    order = {(i,): i for word in words for i in word}
    learned: list[Merge] = []
    while len(learned) < number:
        pairs: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
        for word, parts in words.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], order[pair[0]], order[pair[1]]))
        order[best[0] + best[1]] = max(order.values()) + 1
        learned.append(Merge(*best))
        ranks = {(m.left, m.right): rank for rank, m in enumerate(learned)}
        words = {word: apply_merges(word, ranks) for word in words}
    return learned


@pytest.mark.parametrize("script", TEXTS)
def test_learning_equals_brute_force(old: FastTokenizer, script: str) -> None:
    counts = segment_counts(old, TEXTS[script])
    assert [Merge(*pair) for pair in learn_merges(counts, 40, 2)] == slow_learn(counts, 40)


@pytest.mark.parametrize("script", TEXTS)
def test_segmentation_equals_brute_force_and_nests_in_the_old_one(old: FastTokenizer, script: str) -> None:
    kept, new = continued(old, TEXTS[script])
    assert kept or not old.byte_level
    ranks = {(merge.left, merge.right): rank for rank, merge in enumerate(kept)}
    pieces = {old.last_id + 1 + k: merge.pieces for k, merge in enumerate(kept)}
    for text in TEXTS[script] + ENGLISH:
        ids = new.backend.encode(text, add_special_tokens=False).ids
        expected = [part for word in segmentations(old, [text]) for part in apply_merges(word, ranks)]
        assert [pieces.get(i, (i,)) for i in ids] == expected
        assert new.backend.decode(ids, skip_special_tokens=False) == text
    assert unreachable(new, [new.names[i] for i in pieces]) == []


def test_protected_texts_keep_their_ids_and_target_text_shrinks(old: FastTokenizer) -> None:
    for texts in TEXTS.values():
        kept, new = continued(old, texts)
        for text in ENGLISH:
            assert old.backend.encode(text).ids == new.backend.encode(text).ids
        if kept:
            before, after = (sum(len(t.backend.encode(text).ids) for text in texts) for t in (old, new))
            assert after < before


@settings(max_examples=40, deadline=None)
@given(protected=st.lists(st.text(alphabet="abcde éñد ی .,'", min_size=1, max_size=20), min_size=1, max_size=5))
def test_any_text_can_be_protected(tmp_path_factory: pytest.TempPathFactory, protected: list[str]) -> None:
    old = byte_level_once(tmp_path_factory)
    _kept, new = continued(old, TEXTS["Arabic"] + ["abc abc bcd bcd cde é é ñ"], protected)
    for text in protected:
        assert old.backend.encode(text).ids == new.backend.encode(text).ids


_ONCE: list[FastTokenizer] = []


def byte_level_once(factory: pytest.TempPathFactory) -> FastTokenizer:
    if not _ONCE:
        folder = factory.mktemp("once")
        write_pico_tokenizer(folder, "byte_level")
        _ONCE.append(load_tokenizer(folder))
    return _ONCE[0]


def twin(folder: Path, **model: object) -> Path:
    """Write a byte-level tokenizer whose special tokens live behind the vocabulary, like Llama-3's and Qwen's."""
    write_pico_tokenizer(folder, "byte_level")
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["model"].update(model)
    for token in content["added_tokens"]:
        content["model"]["vocab"].pop(token["content"], None)
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    return folder


@pytest.mark.parametrize("model", [{"ignore_merges": True}, {"ignore_merges": False}], ids=["llama3", "qwen"])
@pytest.mark.parametrize("legacy", [False, True], ids=["pairs", "strings"])
def test_special_tokens_keep_their_ids_after_save_and_reload(tmp_path: Path, model: dict, legacy: bool) -> None:
    source = twin(tmp_path / "old", **model)
    if legacy:
        content = json.loads((source / "tokenizer.json").read_text("utf-8"))
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        (source / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    old = load_tokenizer(source)
    _kept, new = continued(old, TEXTS["Arabic"])
    save_tokenizer(new, source, tmp_path / "new")
    before, after = load_auto_tokenizer(source), load_auto_tokenizer(tmp_path / "new")
    assert after.added_tokens_encoder == before.added_tokens_encoder
    assert len(after) > len(before)
    turns = [{"role": "user", "content": "Hi <|im_end|>"}, {"role": "assistant", "content": "کتاب"}]
    assert before.apply_chat_template(turns[:1]) == after.apply_chat_template(turns[:1])
    rendered = after.apply_chat_template(turns, tokenize=False)
    assert after.decode(after.apply_chat_template(turns)["input_ids"]) == rendered
    assert load_tokenizer(tmp_path / "new").content["model"]["ignore_merges"] is model["ignore_merges"]
    after.save_pretrained(tmp_path / "again")
    again = load_auto_tokenizer(tmp_path / "again")
    assert again.get_vocab() == after.get_vocab()
    assert again.encode(TEXTS["Arabic"][0]) == after.encode(TEXTS["Arabic"][0])


def test_without_the_care_for_added_tokens_ids_would_move(tmp_path: Path) -> None:
    """The trap itself: growing the vocabulary alone renumbers special tokens on load."""
    from tokenizers import Tokenizer

    source = twin(tmp_path)
    content = json.loads((source / "tokenizer.json").read_text("utf-8"))
    wanted = {token["content"]: token["id"] for token in content["added_tokens"]}
    last = max(wanted.values())
    content["model"]["vocab"]["Øª"] = last + 1
    moved = Tokenizer.from_str(json.dumps(content))
    assert {token: moved.token_to_id(token) for token in wanted} != wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Unigram"}, "the tokenizer is a Unigram model, which cannot be continued yet"),
        ({"continuing_subword_prefix": "##"}, "the tokenizer marks sub-words with continuing_subword_prefix '##'"),
    ],
)
def test_models_that_cannot_be_continued_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    write_pico_tokenizer(tmp_path, "byte_level")
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["model"].update(change)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError) as caught:
        load_tokenizer(tmp_path)
    assert caught.value.problem.startswith(message)


def test_missing_and_slow_only_tokenizers_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the model directory has no tokenizer\n  expected: tokenizer\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(DataError, match=r"only a slow tokenizer \(tokenizer\.model\)"):
        load_tokenizer(tmp_path)


def test_an_unknown_tokenizer_class_with_its_own_code_is_refused(tmp_path: Path) -> None:
    write_pico_tokenizer(tmp_path, "byte_level")
    settings_file = tmp_path / "tokenizer_config.json"
    settings_file.write_text(
        json.dumps({"tokenizer_class": "HomeMade", "auto_map": {"AutoTokenizer": ["code.HomeMade", None]}}), "utf-8"
    )
    with pytest.raises(DataError, match="transformers cannot load the tokenizer"):
        load_auto_tokenizer(tmp_path)


def test_companions_travel_and_stale_spellings_do_not(tmp_path: Path) -> None:
    source, target = tmp_path / "old", tmp_path / "new"
    write_pico_tokenizer(source, "byte_level")
    (source / "vocab.json").write_text("{}")
    target.mkdir()
    copy_companions(source, target)
    assert sorted(path.name for path in target.iterdir()) == ["chat_template.jinja", "tokenizer_config.json"]
