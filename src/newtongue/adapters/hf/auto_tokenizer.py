"""The tokenizer as transformers loads it: what training, serving and chat templates will really use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from newtongue.core.errors import DataError
from newtongue.core.rows import Message


def load_auto_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a model directory through transformers, running no code from it.

    Raises:
        DataError: transformers does not know the class, or the class needs code that comes with the model.
    """
    from transformers import AutoTokenizer

    from newtongue.adapters.hf.quiet import silence

    silence()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"transformers cannot load the tokenizer: {reason}",
            place=str(folder),
            expected="a tokenizer.json and a tokenizer_class that transformers knows",
            fix='set "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json',
        ) from None
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise DataError(
            f"the tokenizer class {type(tokenizer).__name__} has no fast tokenizer",
            place=str(folder),
            expected="tokenizer.json",
            fix="use a model whose tokenizer has a tokenizer.json",
        )
    return tokenizer


def has_template(tokenizer: Any) -> bool:
    """Return whether the tokenizer has a chat template of its own."""
    return bool(getattr(tokenizer, "chat_template", None))


def render(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Return a conversation as text under the tokenizer's own template, or under the one `sft` would give it.

    A template that refuses system messages gets them in front of the first question.
    """
    if not has_template(tokenizer):
        return _render_base(tokenizer, messages)
    turns = [dict(turn) for turn in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # the template's own raise_exception; which class depends on the template
        system, *rest = turns
        if system["role"] != "system" or not rest:
            raise
        rest[0]["content"] = f"{system['content']}\n\n{rest[0]['content']}"
        return str(tokenizer.apply_chat_template(rest, tokenize=False))


def _render_base(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Render with a template that is taken away again, so that the model stays a base model."""
    from newtongue.adapters.hf.chat import choose_template

    try:
        choose_template(tokenizer)
        return str(tokenizer.apply_chat_template([dict(turn) for turn in messages], tokenize=False))
    except DataError:
        return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)
    finally:
        tokenizer.chat_template = None
