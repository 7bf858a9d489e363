"""Does the chat template render, and does an answer end with a token that generation stops at?"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.model_files import template_of
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.tools.doctor.findings import Finding
from newtongue.tools.doctor.tokenizer_checks import NAMED, as_list, read_json, token_name

ANSWER = "newtongue"


def chat_template(folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Render a short conversation and follow its stop token."""
    template = template_of(folder)
    if template is None:
        return [Finding("chat_template", "ok", "none, as base models have; sft adds a documented one")]
    try:
        text = render_template(template, read_json(folder / "tokenizer_config.json"))
    except Exception as error:  # whatever a template written by others raises
        sentence = (
            f"the chat template does not render ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        )
        return [Finding("chat_template", "error", sentence, "set chat_template: chatml in the sft stage")]
    if ANSWER not in text:
        sentence = "the chat template leaves out the assistant's answer"
        return [Finding("chat_template", "error", sentence, "set chat_template: chatml in the sft stage")]
    return [_stop(text.rpartition(ANSWER)[2], folder, checkpoint, tokenizer)]


def _stop(tail: str, folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> Finding:
    special = {token["content"] for token in tokenizer.content.get("added_tokens", ()) if token.get("special")}
    found = [(tail.find(token), token) for token in special if token in tail]
    if not found:
        sentence = f"the template ends an answer with {tail!r}, which is no special token of the vocabulary"
        return Finding("chat_template", "error", sentence, "set chat_template: chatml in the sft stage")
    stop = min(found)[1]
    generation = read_json(folder / "generation_config.json")
    stops = as_list(generation.get("eos_token_id")) or as_list(checkpoint.text_config.get("eos_token_id"))
    number = tokenizer.ids[stop]
    if number not in stops:
        sentence = f"answers end with {stop!r} ({number:,}), but generation stops at {stops}"
        return Finding("chat_template", "error", sentence, f"add {number} to eos_token_id in generation_config.json")
    return Finding("chat_template", "ok", f"renders; answers end with {stop!r} ({number:,}), where generation stops")


def render_template(template: str, settings: dict[str, Any]) -> str:
    """Render one question and answer in jinja2's immutable sandbox, with what transformers offers a template.

    Args:
        template: The template's text.
        settings: `tokenizer_config.json`, for the special tokens.
    """
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise ValueError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, **_options: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime(2024, 1, 1).strftime(form)
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": ANSWER}]
    names = {name: token_name(settings.get(name)) or "" for name in NAMED}
    return str(environment.from_string(template).render(messages=turns, add_generation_prompt=False, **names))
