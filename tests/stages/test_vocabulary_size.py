"""`new_tokens: auto` at three sizes of text."""

from __future__ import annotations

import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.hf.tokenizers import load_tokenizer
from newtongue.methods.vocabulary_size import ModelSize
from newtongue.stages.tokenizer.config import SizeSettings, TokenizerConfig
from newtongue.stages.tokenizer.grow import Room, grow_bpe
from newtongue.stages.tokenizer.protect import Protection
from newtongue.stages.tokenizer.size import choose_size

LARGE = ModelSize(1_200_000_000, 128_256, 2048, tied=True)
BENCH = Path(__file__).resolve().parents[2] / "bench" / "vocabulary"


def chosen(texts: list[str], settings: SizeSettings | None = None, model: ModelSize = LARGE) -> dict[str, Any]:
    old = load_tokenizer(Path(str(files("newtongue").joinpath("assets/nano-en"))))
    config = TokenizerConfig(model="./model", corpus="./corpus")
    known = Protection(frozenset(), frozenset(range(128)))

    def grow(some: Any, tokens: int, least: int) -> Any:
        return grow_bpe(config, old, some, known, Room(tokens, old.last_id + 1, max(least, 2)))

    return choose_size(settings or SizeSettings(), old, texts, grow, model)


def urdu(folder: Path, size: int) -> list[str]:
    lines = (folder / "corpus" / "ur.docs.jsonl").read_text("utf-8").splitlines()
    text = "\n\n".join(json.loads(line)["text"] for line in lines)
    return [text.encode()[:size].decode("utf-8", "ignore")]


def test_little_text_gets_few_tokens_and_more_text_more(shared_data: Path) -> None:
    small, medium = (chosen(urdu(shared_data, size)) for size in (20_000, 1_000_000))
    assert 16 <= small["new_tokens"] <= 256 < medium["new_tokens"] <= 4096
    for found in (small, medium):
        tokens = [point["tokens"] for point in found["curve"]]
        assert tokens == sorted(tokens, reverse=True)
        assert found["curve"][0]["new_tokens"] == 0
        assert "met too rarely" in found["reason"]


def test_a_small_model_gets_fewer_and_a_covered_text_none(shared_data: Path) -> None:
    text = urdu(shared_data, 80_000)
    rare = SizeSettings(min_updates=12)
    small = chosen(text, rare, ModelSize(1_000_000, 4096, 200, tied=True))
    assert 0 < small["new_tokens"] < chosen(text, rare)["new_tokens"]
    english = files("newtongue").joinpath("assets/protected/english.txt").read_text("utf-8")
    covered = chosen([english])
    assert covered["new_tokens"] == 0
    assert covered["reason"]


@pytest.mark.skipif(not os.environ.get("NEWTONGUE_NIGHTLY"), reason="50 MB of text take a minute: make nightly")
def test_much_text_is_bounded_by_what_rows_save(shared_data: Path) -> None:
    sys.path.insert(0, str(BENCH))
    from continued_bpe import make_text

    found = chosen(make_text(shared_data / "corpus" / "ur.docs.jsonl", 50_000_000))
    assert 4096 < found["new_tokens"] < 32_768
    assert "hardly more" in found["reason"] or "every token costs more" in found["reason"]
