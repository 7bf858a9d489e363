"""How a mode of `self_instruct` writes its prompts, reads the answers, and what it refuses before any comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.methods.instruction_filters import InstructionFilter
from newtongue.methods.prompts import fill
from newtongue.methods.self_instruct import Ask, Item, build_messages, parse_items
from newtongue.methods.task_blocks import parse_blocks, write_blocks

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Structured:
    """Our own: a JSON array.

    Attributes:
        texts: Its prompts: `head`, `rules`, `examples`, `written`, `grounding`.
    """

    texts: Mapping[str, Any]

    def messages(self, ask: Ask) -> Messages:
        """Return the chat messages of one request."""
        return build_messages(ask, self.texts)

    def items(self, text: str, *, cut_off: bool) -> list[Item]:
        """Return what an answer holds."""
        return parse_items(text, cut_off=cut_off)

    def problem(self, item: Item) -> str:
        """Return why an item is refused before any comparison, or ""."""
        return item.problem


@dataclass(frozen=True)
class Blocks:
    """Alif and Alpaca: numbered blocks, with the filters of Self-Instruct.

    Attributes:
        texts: The mode's prompts: `frame`, `tasks`, `other_task`, `blocked_words`, `blocked_beginnings`.
        filter: Made from them.
    """

    texts: Mapping[str, Any]
    filter: InstructionFilter

    def messages(self, ask: Ask) -> Messages:
        """Return the chat messages of one request."""
        rule = self.texts["tasks"].get(ask.task, self.texts["other_task"]).strip()
        slots: dict[str, Any] = {"language": ask.language, "count": ask.count, "task": ask.task}
        slots |= {"rules": fill(rule, slots), "blocks": write_blocks(ask.exemplars), "next": len(ask.exemplars) + 1}
        return [{"role": "user", "content": fill(self.texts["frame"], slots)}]

    def items(self, text: str, *, cut_off: bool) -> list[Item]:
        """Return what an answer holds."""
        return parse_blocks(text, cut_off=cut_off)

    def problem(self, item: Item) -> str:
        """Return why an item is refused before any comparison, or ""."""
        return item.problem or self.filter.problem(item.instruction)


class Plain:
    """No form of its own: Self-Instruct proper, which reads instructions and instances apart."""

    def problem(self, item: Item) -> str:
        """Return why an item is refused before any comparison, or ""."""
        return item.problem


Style = Structured | Blocks


def style_of(mode: str, texts: Mapping[str, Any]) -> Style:
    """Return the style of a mode.

    Args:
        mode: `structured`, `alif` or `alpaca`.
        texts: Its prompts.
    """
    if mode == "structured":
        return Structured(texts)
    return Blocks(texts, instruction_filter(texts, min_words=4))


def instruction_filter(texts: Mapping[str, Sequence[str]], *, min_words: int) -> InstructionFilter:
    """Return the filter with the word lists of prompts."""
    return InstructionFilter(min_words, 150, tuple(texts["blocked_words"]), tuple(texts["blocked_beginnings"]))
