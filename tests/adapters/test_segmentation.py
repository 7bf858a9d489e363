"""Counting distinct stretches gives what segmenting all text gives, in every script, and is not tried without proof."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapters.tokenizer_twins import BYTE_LEVEL, STYLES, write_twin
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from newtongue.adapters.hf import stretches
from newtongue.adapters.hf.cutting import cutter_of
from newtongue.adapters.hf.fragments import tokenized
from newtongue.adapters.hf.segmentation import segment_counts, segmentations
from newtongue.adapters.hf.stretches import Runs
from newtongue.adapters.hf.tokenizers import BYTE_OF, FastTokenizer, load_tokenizer

WORDS = ["Wọ́n", "kọ́", "don't", "DON'T", "we'll", "x'ſ", "'s", "3.14", "12345", "٣٤٥", "कि", "किताबें", "کتاب", "ہے۔"]
WORDS += [
    "کتاب\u200cها",
    "ภาษาไทย",
    "这本书很好",
    "，",
    "…",
    "naïve",
    "e\u0301",
    "\u0301",
    "q\u0323\u0307",
    "ｆｕｌ",
    "ﬁ",
    "½",
]
WORDS += ["▁", "x▁", "▁▁y", "<s>", "</s>", "<unk>", "<|im_end|>", "a<|endoftext|>b", "<mask>", "[INST]", "\U0001f600"]
WORDS += ["\U0010ffff", "\u200b"]
GAPS = [" ", " ", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\t", "\t ", "\u00a0", "\u00a0 ", "\u3000", " \u3000 "]
GAPS += ["\r\n", "\u2028 ", ""]
PIECES = st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(WORDS)), max_size=12)
LINES = st.tuples(PIECES, st.sampled_from(GAPS)).map(lambda made: "".join(g + w for g, w in made[0]) + made[1])
ANY = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FastTokenizer]:
    return cache(lambda style: load_tokenizer(write_twin(tmp_path_factory.mktemp(style), style)))


@pytest.mark.parametrize("style", STYLES)
def test_counting_stretches_equals_segmenting_everything(twin: Callable[[str], FastTokenizer], style: str) -> None:
    old = twin(style)

    @settings(max_examples=60, deadline=None)
    @given(texts=st.lists(LINES | ANY, max_size=4))
    def equal(texts: list[str]) -> None:
        assert dict(segment_counts(old, texts).items()) == Counter(segmentations(old, texts))

    equal()


def test_blocks_and_threads_leave_the_counts_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"one two{k % 7}  three\u00a0four {k}" for k in range(300)]
    whole = stretches.count_stretches(texts)
    monkeypatch.setattr(stretches, "BLOCK_CHARS", 100)
    monkeypatch.setattr(stretches, "MERGED_AT_ONCE", 3)
    parts = stretches.count_stretches(texts)
    assert parts.runs.strings() == whole.runs.strings()
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.opening.tolist() == whole.opening.tolist()
    assert whole.counts[whole.runs.strings().index("  three\u00a0four")] == 300


def test_what_counts_as_white_space_is_what_the_library_calls_so() -> None:
    every = [chr(point) for point in range(0x10000) if not 0xD800 <= point < 0xE000]
    found = pre_tokenizers.Split(Regex(r"\s"), "removed", invert=True).pre_tokenize_str("".join(every))
    for white in (character for character, _span in found):
        assert len(stretches.count_stretches([f"a{white} b"]).counts) == 1 + (white == " "), hex(ord(white))


def changed(old: FastTokenizer, change: Callable[[dict[str, Any]], None]) -> FastTokenizer:
    content = json.loads(json.dumps(old.content))
    change(content)
    return FastTokenizer(content, old.place)


def split(pattern: str, behaviour: str = "Isolated") -> dict[str, Any]:
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behaviour, "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, BYTE_LEVEL]}


UNPROVED: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("gpt2", lambda made: made.update(pre_tokenizer={**BYTE_LEVEL, "add_prefix_space": True})),
    ("gpt2", lambda made: made.update(pre_tokenizer=BYTE_LEVEL)),
    ("gpt2", lambda made: made.update(pre_tokenizer=split(r"\w+ \w+|\s+|."))),
    ("gpt2", lambda made: made.update(pre_tokenizer=split(r"(?<=a) |\s+|\w+"))),
    ("gpt2", lambda made: made.update(pre_tokenizer=split(r"\w+|\s+", "MergedWithPrevious"))),
    ("gpt2", lambda made: made.update(normalizer={"type": "StripAccents"})),
    ("gpt2", lambda made: made["added_tokens"][0].update(rstrip=True)),
    ("qwen25", lambda made: made["added_tokens"][0].update(normalized=True)),
    ("gemma", lambda made: made["model"].update(ignore_merges=True)),
    ("gemma", lambda made: made["model"]["merges"].append(["e", "▁t"]) or made["model"]["vocab"].update({"e▁t": 600})),
    (
        "mistral",
        lambda made: made["pre_tokenizer"].update(
            type="Split", pattern={"String": "a"}, behavior="Isolated", invert=False
        ),
    ),
    ("unigram", lambda made: made["pre_tokenizer"].update(split=False)),
]


@pytest.mark.parametrize(("style", "change"), UNPROVED)
def test_what_is_not_proved_is_encoded_whole(
    twin: Callable[[str], FastTokenizer], style: str, change: Callable[[dict[str, Any]], None]
) -> None:
    made = changed(twin(style), change)
    assert cutter_of(made) is None
    texts = ["the time then  the time", "a b a b", "<|endoftext|> x", "naïve é"]
    assert dict(segment_counts(made, texts).items()) == Counter(segmentations(made, texts))


@pytest.mark.parametrize("style", ["gpt2", "llama3", "gemma", "unigram"])
def test_words_taken_apart_are_segmented_as_whole(twin: Callable[[str], FastTokenizer], style: str) -> None:
    """Also where a byte is unknown, and where a word that is a token needs no merges."""
    made = twin(style)
    if made.byte_level:
        made = changed(made, lambda content: [content["model"]["vocab"].pop(letter) for letter in "ØÙ"])
        made.content["model"].update(unk_token="!", fuse_unk=True)
    words = Runs.of(["the", "basket", "unbekannt", "کتاب", "کتابیں", "!!", "naïve", "किताब", "x"])
    ids, ends = tokenized(made, words)
    letters = {byte: letter for letter, byte in BYTE_OF.items()}
    spelt = ["".join(letters[b] for b in w.encode()) if made.byte_level else w for w in words.strings()]
    expected = [[token.id for token in made.backend.model.tokenize(word)] for word in spelt]
    assert [part.tolist() for part in np.split(ids, ends[:-1])] == expected


def test_everyday_tokenizers_are_proved(twin: Callable[[str], FastTokenizer]) -> None:
    assert all(cutter_of(twin(style)) is not None for style in STYLES)


def test_a_text_that_opens_with_a_mark_of_its_own_is_counted_like_llama_2_cuts_it(tmp_path: Path) -> None:
    """Single spaces at either end of a text and behind an added token: they were miscounted once."""
    old = load_tokenizer(write_twin(tmp_path, "llama2"))
    for text in (" the", "the ", " ", "the <s> the", "<s>the the"):
        assert dict(segment_counts(old, [text]).items()) == Counter(segmentations(old, [text])), text
