"""Talking to a model in the terminal, safely for text that runs from right to left.

On a terminal every line of the model's text stands in a first-strong isolate, so that the terminal's own
bidirectional algorithm lays it out without touching what is around it. Characters that could steer the
terminal or the layout are removed. Elsewhere (a pipe, a file) the text is plain: one answer per input line.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from newtongue.adapters.hf.chat import prompt_ids, stop_ids
from newtongue.adapters.hf.models import end_of_text_id, generate, load_model, load_tokenizer, pick_device
from newtongue.core.rows import Message

ISOLATE, END = "\u2068", "\u2069"
STEERING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks, embeddings, overrides and isolates of the bidirectional algorithm."""
NEW, QUIT = "/new", "/quit"


def chat(
    model: Path | str,
    *,
    max_new_tokens: int = 200,
    temperature: float = 0.0,
    lines: Iterable[str] | None = None,
    write: Callable[[str], object] = sys.stdout.write,
    terminal: bool | None = None,
) -> None:
    """Answer line after line until the input ends or says `/quit`; `/new` forgets what was said.

    A model without a chat template is a base model: it continues each line, and remembers nothing.

    Args:
        model: Model directory.
        max_new_tokens: Longest answer in tokens.
        temperature: 0 is greedy, 1 the model's own distribution.
        lines: What the user says; None reads standard input.
        write: Where text goes.
        terminal: Whether it is shown on a terminal; None finds out.
    """
    on_terminal = sys.stdout.isatty() and sys.stdin.isatty() if terminal is None else terminal
    speaker = _Speaker(Path(model), max_new_tokens, temperature)
    if on_terminal:
        kind = "chat" if speaker.has_template else "base model without a chat template: it continues your text"
        write(f"{kind}; {NEW} starts again, {QUIT} ends\n")
    for line in _typed(on_terminal, write) if lines is None else lines:
        text = line.strip()
        if text == QUIT:
            return
        if text == NEW:
            speaker.forget()
        elif text:
            write(shown(speaker.answer(text), terminal=on_terminal) + "\n")


def shown(text: str, *, terminal: bool) -> str:
    r"""Return a model's text as it may be printed.

    Example:
        >>> shown("a\u202eb\x1b[31m", terminal=False)
        'ab[31m'
    """
    kept = "".join(c for c in text if c in "\n\t" or not (c in STEERING or unicodedata.category(c) == "Cc"))
    return "\n".join(f"{ISOLATE}{line}{END}" for line in kept.split("\n")) if terminal else kept


class _Speaker:
    """A model, its tokenizer and what was said so far."""

    def __init__(self, path: Path, max_new_tokens: int, temperature: float) -> None:
        self._tokenizer = load_tokenizer(path)
        self._model = load_model(path, device=pick_device("auto"))
        self._longest, self._temperature = max_new_tokens, temperature
        self._turns: list[Message] = []
        self._answers = 0
        self.has_template = bool(self._tokenizer.chat_template)

    def forget(self) -> None:
        self._turns = []

    def answer(self, text: str) -> str:
        self._turns = [*self._turns, Message(role="user", content=self._harmless(text))] if self.has_template else []
        prompt = self._prompt() if self.has_template else self._continued(text)
        stops = stop_ids(self._tokenizer)
        self._answers += 1
        (tokens,) = generate(
            self._model,
            [prompt],
            max_new_tokens=self._longest,
            stop_ids=stops,
            temperature=self._temperature,
            seed=self._answers,
        )
        said = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        if self.has_template:
            self._turns.append(Message(role="assistant", content=said))
        return said

    def _prompt(self) -> list[int]:
        room = int(getattr(self._model.config, "max_position_embeddings", 1 << 30)) - self._longest
        prompt = prompt_ids(self._tokenizer, self._turns)
        while len(prompt) > room and len(self._turns) > 2:
            self._turns = self._turns[2:]
            prompt = prompt_ids(self._tokenizer, self._turns)
        return prompt

    def _continued(self, text: str) -> list[int]:
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [end_of_text_id(self._tokenizer), *ids]

    def _harmless(self, text: str) -> str:
        """Return the text with special tokens taken apart, so that a user cannot end a turn by spelling its token."""
        for token in self._tokenizer.added_tokens_decoder.values():
            if token.special:
                text = text.replace(str(token), " ".join(str(token)))
        return text


def _typed(on_terminal: bool, write: Callable[[str], object]) -> Iterator[str]:
    while True:
        if on_terminal:
            write("> ")
            sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        yield line
