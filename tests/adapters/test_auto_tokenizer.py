"""Conversations as the model will meet them."""

from __future__ import annotations

import json
from pathlib import Path

from newtongue.adapters.hf.auto_tokenizer import has_template, load_auto_tokenizer, render
from newtongue.adapters.hf.pico import write_pico_tokenizer

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]


def test_a_base_model_is_rendered_with_the_template_it_would_get_and_stays_a_base_model(tmp_path: Path) -> None:
    write_pico_tokenizer(tmp_path, "byte_level", chat_template=False)
    tokenizer = load_auto_tokenizer(tmp_path)
    assert "<|im_start|>user\nHi<|im_end|>" in render(tokenizer, TURNS)
    assert not has_template(tokenizer)


def test_a_base_model_without_any_end_token_is_rendered_as_chatml(tmp_path: Path) -> None:
    write_pico_tokenizer(tmp_path, "byte_level", chat_template=False)
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}), "utf-8")
    assert "<|im_start|>user\nHi<|im_end|>" in render(load_auto_tokenizer(tmp_path), TURNS)


def test_a_template_that_refuses_system_turns_gets_them_in_the_question(tmp_path: Path) -> None:
    write_pico_tokenizer(tmp_path, "byte_level")
    template = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template += "[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(template, "utf-8")
    assert render(load_auto_tokenizer(tmp_path), TURNS) == "[user] Be brief.\n\nHi\n[assistant] Hello\n"
