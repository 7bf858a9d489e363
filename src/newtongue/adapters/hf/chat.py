"""Chat templates: which one a model gets, what a conversation looks like in tokens, and where an answer stops.

A model's own template is kept. A base model without one gets the first of the documented templates
below whose turn tokens are all in its vocabulary; its stop token therefore always exists. Templates
are rendered in transformers' immutable jinja2 sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.hf.models import end_of_text_id
from newtongue.core.errors import DataError
from newtongue.core.rows import Message

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""OpenAI's chat markup language; stops at `<|im_end|>`."""
HEADERS = (
    "{{ bos_token if bos_token else '' }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
"""Llama 3's headers; stops at `<|eot_id|>`."""
PLAIN_TURNS = (
    "{{ bos_token if bos_token else '' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""Zephyr's turns (Tunstall et al. 2023, arXiv 2310.16944); stops at the tokenizer's own end token."""
TEMPLATES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("chatml", CHATML, ("<|im_start|>", "<|im_end|>")),
    ("headers", HEADERS, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One conversation in tokens.

    Attributes:
        ids: Token ids of the whole conversation, up to and with the last stop token.
        learnt: For each id, whether it carries loss: tokens of answers and their stop tokens.
    """

    ids: list[int]
    learnt: list[bool]


def choose_template(tokenizer: Any, wanted: str = "keep") -> str:
    """Set the tokenizer's chat template as a recipe asks and return its name.

    Args:
        tokenizer: A fast tokenizer; its `chat_template` is set in place.
        wanted: `keep` the model's own (a documented one where it has none), `chatml`, or a template's text.

    Raises:
        DataError: `chatml` was asked for and its tokens are not in the vocabulary, or no template fits.
    """
    if wanted == "keep" and tokenizer.chat_template:
        return "kept"
    if wanted not in ("keep", "chatml"):
        tokenizer.chat_template = wanted
        return "file"
    known = tokenizer.get_vocab()
    for name, text, tokens in TEMPLATES:
        if all(token in known for token in tokens) and wanted in ("keep", name):
            tokenizer.chat_template = text
            return name
    if wanted == "chatml":
        raise DataError(
            "chatml needs the tokens <|im_start|> and <|im_end|>, and the vocabulary does not have them",
            place="chat_template",
            fix="set chat_template: keep, or add the tokens to the model before training",
        )
    if tokenizer.eos_token is None:
        raise DataError("the model has neither a chat template nor an end token to build one on", place="chat_template")
    tokenizer.chat_template = PLAIN_TURNS
    return "plain turns"


def stop_id(tokenizer: Any) -> int:
    """Return the token with which the chat template ends an answer.

    Raises:
        DataError: The template ends an answer with text that is not one special token.
    """
    marker = "newtongue"
    turns = [Message(role="user", content="x"), Message(role="assistant", content=marker)]
    tail = _text(tokenizer, turns).rpartition(marker)[2]
    special = set(tokenizer.all_special_ids) | set(_added_special_ids(tokenizer))
    for token in tokenizer(tail, add_special_tokens=False)["input_ids"]:
        if token in special:
            return int(token)
    raise DataError(
        f"the chat template ends an answer with {tail!r}, which is no special token of the vocabulary",
        place="chat_template",
        expected="a stop token after every answer",
        fix="set chat_template: chatml or give a template whose stop token exists",
    )


def stop_ids(tokenizer: Any) -> list[int]:
    """Return every token at which generation should stop: the template's stop token and the end of text."""
    stops = [stop_id(tokenizer)] if tokenizer.chat_template else []
    return list(dict.fromkeys([*stops, end_of_text_id(tokenizer)]))


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens a model is shown when it is to answer `messages`."""
    text = _text(tokenizer, messages, answer_next=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def render(tokenizer: Any, messages: Sequence[Message], stop: int) -> Rendered | None:
    """Return a conversation in tokens, with loss on answers and their stop tokens only.

    Each answer is found by rendering the turns before it as a prompt and the turns up to it as text, and
    is tokenised apart from its prompt, exactly as the model will meet it. Where an earlier turn changes
    when later ones follow (templates that drop old reasoning), only the last answer is learnt.

    Args:
        tokenizer: Its template is set.
        messages: Turns; the last one is an answer.
        stop: The template's stop token.

    Returns:
        Tokens and which are learnt, or None when a turn spells a special token or no answer ends with `stop`.
    """
    if any(token in turn["content"] for turn in messages for token in _special_texts(tokenizer)):
        return None
    answers = [place for place, turn in enumerate(messages) if turn["role"] == "assistant"]
    pieces = _pieces(tokenizer, messages, answers) or _pieces(tokenizer, messages, answers[-1:])
    if not pieces:
        return None
    ids: list[int] = []
    learnt: list[bool] = []
    for text, answer in pieces:
        found = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if answer and stop not in found:
            return None
        kept = found.index(stop) + 1 if answer else 0
        ids += found
        learnt += [True] * kept + [False] * (len(found) - kept)
    last = len(learnt) - learnt[::-1].index(True)
    return Rendered(ids[:last], learnt[:last])


def save_template(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's chat template into a model folder, and all stop tokens into its generation config."""
    (folder / "chat_template.jinja").write_text(tokenizer.chat_template, "utf-8")
    config_file = folder / "tokenizer_config.json"
    config = json.loads(config_file.read_text("utf-8"))
    if config.pop("chat_template", None) is not None:
        config_file.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", "utf-8")
    generation_file = folder / "generation_config.json"
    generation = json.loads(generation_file.read_text("utf-8")) if generation_file.is_file() else {}
    generation["eos_token_id"] = stop_ids(tokenizer)
    generation_file.write_text(json.dumps(generation, indent=2) + "\n", "utf-8")


def _pieces(tokenizer: Any, messages: Sequence[Message], answers: Sequence[int]) -> list[tuple[str, bool]]:
    """Return (text, is an answer) pieces that spell the whole conversation, or nothing when a prefix changes."""
    done, pieces = "", []
    for place in answers:
        prompt = _text(tokenizer, messages[:place], answer_next=True)
        whole = _text(tokenizer, messages[: place + 1])
        if not (prompt.startswith(done) and whole.startswith(prompt)):
            return []
        pieces += [(prompt[len(done) :], False), (whole[len(prompt) :], True)]
        done = whole
    return pieces


def _text(tokenizer: Any, messages: Sequence[Message], *, answer_next: bool = False) -> str:
    try:
        return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=answer_next))
    except Exception as error:
        raise DataError(f"the chat template cannot render a conversation ({error})", place="chat_template") from error


def _special_texts(tokenizer: Any) -> list[str]:
    return [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]


def _added_special_ids(tokenizer: Any) -> list[int]:
    return [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]
