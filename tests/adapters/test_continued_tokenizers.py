"""Growing twins of real tokenizers: learning, round trips, ids of protected text, nesting, special tokens on reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from adapters.tokenizer_twins import BYTE_LEVEL_STYLES, SENTENCEPIECE_STYLES, STYLES, UNIGRAM_STYLES, write_twin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer

from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer
from newtongue.adapters.hf.model_files import copy_companions
from newtongue.adapters.hf.pico import write_pico_tokenizer
from newtongue.adapters.hf.segmentation import segment_counts
from newtongue.adapters.hf.tokenizer_editing import save_tokenizer, unreachable
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer, refuse_holes
from newtongue.core.errors import DataError
from newtongue.methods.bpe_learning import learn_merges
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.grow import Growth, Room, grow_bpe
from newtongue.stages.tokenizer.protect import ProtectedSet, protection
from newtongue.stages.tokenizer.unigram import grow_unigram

TEXTS = {
    "Latin": ["Ìjọba náà ń ṣe àtúnṣe sí ètò ẹ̀kọ́ ní orílẹ̀-èdè yìí.", "Wọ́n ń kọ́ ilé ìwé tuntun ní ìlú náà."],
    "Swahili": [
        "Habari ya asubuhi, watoto wanasoma vitabu shuleni.",
        "Wazazi wanafanya kazi shambani, watoto wanasoma.",
    ],
    "Arabic": ["یہ کتاب بہت اچھی ہے اور کتابیں سب پڑھتے ہیں۔", "کتاب‌ها در کتابخانه هستند؛ کتاب خوب است."],
    "Devanagari": ["यह किताब बहुत अच्छी है और किताबें सब पढ़ते हैं।", "बच्चे किताब पढ़ते हैं, फिर खेलते हैं।"],
    "Thai": ["ภาษาไทยเป็นภาษาที่มีวรรณยุกต์ ภาษาไทยเขียนติดกัน", "เด็กไทยเรียนภาษาไทยที่โรงเรียน"],
    "Han": ["这本书很好，大家都喜欢看这本书。", "学生在学校看书，看书很有意思。"],
}
ALL = [text for texts in TEXTS.values() for text in texts]
ENGLISH = [
    "The quick brown fox; naïve café – 12.5 km (it's “fine”).",
    "def f(x):\n    return x + 1\n\n\n  # spaces   and\ttabs",
    "∫ f(x) dx = 3.14159 ± 0.5, \\frac{a}{b}",
    "Children read books at school; habits and shambles, was a basket.",
]
TURNS = [{"role": "user", "content": "Hi there <|im_end|>"}, {"role": "assistant", "content": "Hello"}]


@dataclass(frozen=True)
class Grown:
    folder: Path
    old: FastTokenizer
    growth: Growth
    new: FastTokenizer


def grow(old: FastTokenizer, texts: list[str], protected: list[str], tokens: int = 60) -> Growth:
    sets = [ProtectedSet("some", "", lambda: iter(protected))]
    config = TokenizerConfig(model="./model", corpus="./corpus")
    room = Room(tokens, old.last_id + 1, 2)
    known = protection([old], sets)
    if old.kind == "Unigram":
        return grow_unigram(config, old, texts * 2, (known, sets), room)
    return grow_bpe(config, old, texts, known, room)


@pytest.fixture(scope="session", params=STYLES)
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    folder = tmp_path_factory.mktemp(request.param)
    old = load_tokenizer(write_twin(folder / "old", request.param))
    chat = load_auto_tokenizer(folder / "old").apply_chat_template(TURNS, tokenize=False)
    growth = grow(old, ALL, [*ENGLISH, chat], 120)
    new = growth.at(len(growth.tokens))
    save_tokenizer(new, folder / "old", folder / "new")
    return Grown(folder, old, growth, load_tokenizer(folder / "new"))


def test_twins_are_what_they_are_called() -> None:
    assert {*BYTE_LEVEL_STYLES, *SENTENCEPIECE_STYLES, *UNIGRAM_STYLES} == set(STYLES)


def test_tokens_are_added_behind_the_old_ones_and_all_can_be_reached(grown: Grown) -> None:
    assert len(grown.growth.tokens) > 40
    first = grown.old.last_id + 1
    assert [grown.new.ids[token] for token in grown.growth.tokens] == [
        first + k for k in range(len(grown.growth.tokens))
    ]
    assert {token: grown.new.ids[token] for token in grown.old.ids} == grown.old.ids
    assert unreachable(grown.new, grown.growth.tokens) == []
    refuse_holes(grown.new)
    pairs = [tuple(t.backend.encode(text).ids for t in (grown.old, grown.new)) for text in ALL]
    if "<0x00>" in grown.old.ids or grown.old.byte_level:
        assert sum(len(after) for _before, after in pairs) < 0.8 * sum(len(before) for before, _after in pairs)
    else:  # a run of unknown letters is one token
        assert sum(after.count(0) for _before, after in pairs) < sum(before.count(0) for before, _after in pairs)


def test_protected_texts_keep_their_ids_as_the_file_says_and_as_transformers_loads_it(grown: Grown) -> None:
    old, new = load_auto_tokenizer(grown.folder / "old"), load_auto_tokenizer(grown.folder / "new")
    for text in ENGLISH:
        assert grown.old.backend.encode(text).ids == grown.new.backend.encode(text).ids
        assert old(text)["input_ids"] == new(text)["input_ids"]


def test_special_tokens_and_rendered_chats_are_as_they_were_after_reload(grown: Grown) -> None:
    before, after = load_auto_tokenizer(grown.folder / "old"), load_auto_tokenizer(grown.folder / "new")
    assert after.added_tokens_encoder == before.added_tokens_encoder
    assert after.all_special_ids == before.all_special_ids
    assert before.apply_chat_template(TURNS)["input_ids"] == after.apply_chat_template(TURNS)["input_ids"]
    assert before.apply_chat_template(TURNS, tokenize=False) == after.apply_chat_template(TURNS, tokenize=False)


def test_saving_with_transformers_and_loading_again_changes_nothing(grown: Grown) -> None:
    once = load_auto_tokenizer(grown.folder / "new")
    once.save_pretrained(grown.folder / "again")
    twice = load_auto_tokenizer(grown.folder / "again")
    assert twice.get_vocab() == once.get_vocab()
    assert twice.added_tokens_encoder == once.added_tokens_encoder
    for text in ALL + ENGLISH:
        assert twice(text)["input_ids"] == once(text)["input_ids"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=40))
def test_every_string_comes_back_as_before(grown: Grown, text: str) -> None:
    """Where the old tokenizer gives a text back, so does the new one; byte-level ones always do, up to NFC."""
    old, new = (
        t.backend.decode(t.backend.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
        for t in (grown.old, grown.new)
    )
    assert new in (old, text) or "<unk>" in old


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(sorted({w for text in ALL + ENGLISH for w in text.split()})), max_size=8))
def test_new_tokens_nest_in_old_ones(grown: Grown, words: list[str]) -> None:
    """Each new token stands for the run of old tokens that stood there before (merges; pieces may move borders)."""
    if grown.old.kind == "Unigram":
        return
    spelt = dict(zip(range(grown.old.last_id + 1, grown.new.last_id + 1), grown.growth.pieces, strict=True))
    text = " ".join(words)
    new = grown.new.backend.encode(text, add_special_tokens=False).ids
    old = grown.old.backend.encode(text, add_special_tokens=False).ids
    assert [i for number in new for i in spelt.get(number, (number,))] == old


@pytest.mark.parametrize("style", ["llama3", "qwen25", "llama2", "unigram"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(protected=st.lists(st.text(alphabet="abcde éñد یwatos .,'", min_size=1, max_size=20), min_size=1, max_size=5))
def test_any_text_can_be_protected(tmp_path_factory: pytest.TempPathFactory, style: str, protected: list[str]) -> None:
    old = once(style, lambda: load_tokenizer(write_twin(tmp_path_factory.mktemp(style), style)))
    growth = grow(old, [*TEXTS["Swahili"], *TEXTS["Arabic"], "abc abc bcd bcd cde é é ñ"], protected)
    new = growth.at(len(growth.tokens))
    for text in protected:
        assert old.backend.encode(text).ids == new.backend.encode(text).ids


_MADE: dict[str, Any] = {}


def once(key: str, make: Callable[[], Any]) -> Any:
    if key not in _MADE:
        _MADE[key] = make()
    return _MADE[key]


@pytest.mark.parametrize("style", ["gpt2", "llama3", "gemma", "llama2"])
@pytest.mark.parametrize("script", TEXTS)
def test_learning_equals_the_library_s_trainer(tmp_path: Path, style: str, script: str) -> None:
    """Old ids written as characters, an ordinary trainer learns the merges that come next: the same ones."""
    counts = dict(segment_counts(load_tokenizer(write_twin(tmp_path, style)), TEXTS[script]).items())
    assert [tuple(merge) for merge in learn_merges(counts, 40, 2).merges] == trained(counts, 40)


def trained(counts: dict[tuple[int, ...], int], number: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    words = {ids: count for ids, count in counts.items() if len(ids) > 1}
    alphabet = sorted({i for ids in words for i in ids})
    first = 0x10000
    characters = [chr(first + i) for i in alphabet]
    trainer = BpeTrainer(
        vocab_size=len(alphabet) + number, min_frequency=2, initial_alphabet=characters, show_progress=False
    )
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = WhitespaceSplit()
    lines = (" ".join(["".join(chr(first + i) for i in ids)] * count) for ids, count in words.items())
    tokenizer.train_from_iterator(lines, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(tuple(ord(c) - first for c in part) for part in pair) for pair in merges]


def test_without_the_care_for_added_tokens_ids_would_move(tmp_path: Path) -> None:
    """The trap itself: growing the vocabulary alone renumbers special tokens on load."""
    source = write_twin(tmp_path, "llama3")
    content = json.loads((source / "tokenizer.json").read_text("utf-8"))
    wanted = {token["content"]: token["id"] for token in content["added_tokens"]}
    content["model"]["vocab"]["Øª"] = max(wanted.values()) + 1
    moved = Tokenizer.from_str(json.dumps(content))
    assert {token: moved.token_to_id(token) for token in wanted} != wanted


def damaged(folder: Path, style: str, change: Callable[[dict[str, Any]], None]) -> Path:
    source = write_twin(folder, style)
    content = json.loads((source / "tokenizer.json").read_text("utf-8"))
    change(content)
    (source / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    return source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "WordPiece"}, "the tokenizer is a WordPiece model, whose vocabulary cannot be changed"),
        ({"continuing_subword_prefix": "##"}, "the tokenizer marks sub-words with continuing_subword_prefix '##'"),
    ],
)
def test_models_that_cannot_be_continued_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    source = damaged(tmp_path, "gpt2", lambda content: content["model"].update(change))
    with pytest.raises(DataError) as caught:
        load_tokenizer(source)
    assert caught.value.problem.startswith(message)
    assert caught.value.fix


def test_holes_and_doubled_ids_are_refused(tmp_path: Path) -> None:
    def hole(content: dict[str, Any]) -> None:
        vocab = content["model"]["vocab"]
        vocab["zebra"] = max(vocab.values()) + 3

    with pytest.raises(DataError, match=r"the vocabulary of 514 tokens has holes: id 513 has no token"):
        refuse_holes(load_tokenizer(damaged(tmp_path / "hole", "gpt2", hole)))
    double = damaged(tmp_path / "double", "gpt2", lambda content: content["model"]["vocab"].update(zebra=7))
    with pytest.raises(DataError, match="has holes: id 7 has two tokens"):
        refuse_holes(load_tokenizer(double))


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
