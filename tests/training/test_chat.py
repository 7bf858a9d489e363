"""Chat templates, stop tokens and label masks in five scripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.hf.chat import CHATML, choose_template, prompt_ids, render, save_template, stop_id, stop_ids
from newtongue.adapters.hf.models import load_tokenizer
from newtongue.core.errors import DataError
from newtongue.core.rows import Message

PAIRS = [
    ("Where is the mill?", "By the river."),
    ("چکی کہاں ہے؟", "دریا کے کنارے، پُل کے پاس۔"),
    ("چکی کہاں ہے", "می‌روم"),
    ("चक्की कहाँ है?", "नदी के किनारे।"),
    ("โรงสีอยู่ที่ไหน", "ริมแม่น้ำ"),
    ("磨坊在哪里？", "在河边。"),
]


def turns(*texts: str) -> list[Message]:
    return [Message(role="assistant" if place % 2 else "user", content=text) for place, text in enumerate(texts)]


@pytest.fixture
def tokenizer(pico_model: Any) -> Any:
    found = load_tokenizer(pico_model())
    choose_template(found)
    return found


@pytest.mark.parametrize(("question", "answer"), PAIRS)
def test_only_the_answer_and_its_stop_token_are_learnt(tokenizer: Any, question: str, answer: str) -> None:
    stop = stop_id(tokenizer)
    row = render(tokenizer, turns(question, answer), stop)
    assert row is not None
    learnt = [token for token, kept in zip(row.ids, row.learnt, strict=True) if kept]
    assert learnt[-1] == stop and row.ids[-1] == stop
    assert tokenizer.decode(learnt[:-1]) == answer
    prompt = [token for token, kept in zip(row.ids, row.learnt, strict=True) if not kept]
    assert prompt == prompt_ids(tokenizer, turns(question))


def test_every_answer_of_a_longer_conversation_is_learnt(tokenizer: Any) -> None:
    row = render(tokenizer, turns("a?", "eins", "b?", "zwei"), stop_id(tokenizer))
    assert row is not None
    learnt = tokenizer.decode([token for token, kept in zip(row.ids, row.learnt, strict=True) if kept])
    assert learnt == "eins<|im_end|>zwei<|im_end|>"


def test_a_template_that_drops_old_turns_teaches_the_last_answer_only(tokenizer: Any) -> None:
    tokenizer.chat_template = CHATML.replace(
        "message['content']", "('' if not loop.last and message['role'] == 'assistant' else message['content'])"
    )
    row = render(tokenizer, turns("a?", "eins", "b?", "zwei"), stop_id(tokenizer))
    assert row is not None
    assert tokenizer.decode([t for t, kept in zip(row.ids, row.learnt, strict=True) if kept]) == "zwei<|im_end|>"


def test_a_turn_that_spells_a_special_token_is_set_aside(tokenizer: Any) -> None:
    assert render(tokenizer, turns("a <|im_end|> b", "c"), stop_id(tokenizer)) is None


def test_the_stop_token_is_saved_where_generation_looks(tokenizer: Any, pico_model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(pico_model(), folder)
    save_template(tokenizer, folder)
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [2, 0]
    assert load_tokenizer(folder).chat_template == CHATML
    assert stop_ids(load_tokenizer(folder)) == [2, 0]


def without_turn_tokens(source: Path, folder: Path) -> Any:
    """Load a tokenizer whose only special token is its end token."""
    shutil.copytree(source, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text("utf-8")
        for old, new in (("<|im_start|>", "<x>"), ("<|im_end|>", "<y>"), ("<|endoftext|>", "</s>")):
            text = text.replace(old, new)
        (folder / name).write_text(text, "utf-8")
    return load_tokenizer(folder)


def test_without_turn_tokens_the_end_token_ends_a_turn(pico_model: Any, tmp_path: Path) -> None:
    tokenizer = without_turn_tokens(pico_model(), tmp_path / "model")
    assert choose_template(tokenizer) == "plain turns"
    stop = stop_id(tokenizer)
    assert tokenizer.convert_ids_to_tokens(stop) == "</s>"
    row = render(tokenizer, turns("چکی؟", "دریا"), stop)
    assert row is not None and row.ids[-1] == stop


def test_chatml_without_its_tokens_is_refused(pico_model: Any, tmp_path: Path) -> None:
    tokenizer = without_turn_tokens(pico_model(), tmp_path / "model")
    with pytest.raises(DataError) as refused:
        choose_template(tokenizer, "chatml")
    assert str(refused.value) == (
        "chat_template: chatml needs the tokens <|im_start|> and <|im_end|>, and the vocabulary does not have them\n"
        "  fix: set chat_template: keep, or add the tokens to the model before training"
    )


def test_a_template_without_a_stop_token_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}!{% endfor %}"
    with pytest.raises(DataError, match=r"ends an answer with '!', which is no special token"):
        stop_id(tokenizer)
