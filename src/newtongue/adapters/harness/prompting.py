"""From a row to a prompt: fields, few-shot examples, delimiters, chat turns.

Source: lm-evaluation-harness 0.4.13 (api/task.py, `fewshot_context`, `build_qa_turn`; api/samplers.py), the same texts
    for the same task and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from newtongue.adapters.harness.templates import literal, render
from newtongue.core.errors import DataError

FEWSHOT_SEED = 1234
"""Seed of the few-shot draw, that of lm-evaluation-harness."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One part of a prompt; `tail` follows it in plain text and is left out of a chat."""

    role: str
    content: str
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """How the fields of a row are found.

    Attributes:
        text: Column, template, constant or known function that gives the prompt.
        target: The same for the answer.
        choices: The same for the choices, or None.
        target_delimiter: Between prompt and answer.
        fewshot_delimiter: Between examples.
        gen_prefix: Beginning of the answer that is part of the prompt, or None.
        place: The task file, for messages.
    """

    text: Any
    target: Any
    choices: Any
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    gen_prefix: str | None = None
    place: str = ""

    def prompt(self, row: Row) -> str | int:
        """Return the prompt, or the index of the right one among several inputs."""
        found = self._value(self.text, row)
        return self._index(found)

    def answer(self, row: Row) -> str | int | list[Any]:
        """Return the target: a text, an index into the choices, or several of either."""
        found = self._value(self.target, row)
        if self.target in row or not isinstance(found, str):
            return found  # type: ignore[no-any-return]
        index = self._index(found)
        if isinstance(index, int) or len(found) < 2 or (found[0], found[-1]) != ("[", "]"):
            return index
        try:
            return list(literal(found, self.place))
        except DataError:
            return found

    def options(self, row: Row) -> list[str]:
        """Return the choices.

        Raises:
            DataError: They are no list of texts.
        """
        found = self.choices
        if isinstance(found, str):
            found = row[found] if found in row else literal(render(found, row, self.place), self.place)
        elif callable(found):
            found = self._called(found, row)
        found = list(found.values()) if isinstance(found, Mapping) else found
        if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(c, str) for c in found):
            raise DataError("`doc_to_choice` gives no list of texts", place=self.place)
        return list(found)

    def prefix(self, row: Row) -> str | None:
        """Return the beginning of the answer that is part of the prompt."""
        if self.gen_prefix is None:
            return None
        return str(row[self.gen_prefix]) if self.gen_prefix in row else render(self.gen_prefix, row, self.place)

    def _value(self, found: Any, row: Row) -> Any:
        if isinstance(found, str):
            return row[found] if found in row else render(found, row, self.place)
        return self._called(found, row) if callable(found) else found

    def _called(self, own: Callable[[Row], Any], row: Row) -> Any:
        try:
            return own(row)
        except (KeyError, IndexError, AttributeError, TypeError) as error:
            reason = f"no column {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"a known function cannot use this row ({reason})", place=self.place) from None

    def _index(self, found: Any) -> Any:
        return int(found) if isinstance(found, str) and found.isdigit() and self.choices is not None else found


@dataclass(slots=True)
class Sampler:
    """Draws few-shot examples as lm-evaluation-harness does.

    Attributes:
        pool: Rows to draw from.
        kind: `default` draws anew for every item, `first_n` always takes the first.
        count: Examples per prompt.
    """

    pool: list[Row]
    kind: str
    count: int
    random: Random = field(default_factory=lambda: Random(FEWSHOT_SEED))

    def draw(self, row: Row | None) -> list[Row]:
        """Return the examples for one item; `row` is that item when it may stand in the pool.

        Raises:
            DataError: There are too few.
        """
        if not self.count:
            return []
        others = self.pool if row is None else [other for other in self.pool if other != row]
        if len(others) < self.count:
            raise DataError(
                f"{self.count} few-shot examples are wanted and there are {len(others)}", place="num_fewshot"
            )
        if self.kind == "first_n":
            return others[: self.count]
        if row is None:
            return self.random.sample(self.pool, self.count)
        if len(self.pool) <= self.count:
            return self.random.sample(others, self.count)
        found = [other for other in self.random.sample(self.pool, self.count + 1) if other != row][: self.count]
        return found if len(found) == self.count else self.random.sample(others, self.count)


def turns(fields: Fields, row: Row, *, with_answer: bool, prompt: str | None = None) -> list[Turn]:
    """Return the turns of one question: an example with its answer, or the question itself."""
    asked = fields.prompt(row) if prompt is None else prompt
    prefix = fields.prefix(row)
    if isinstance(asked, int):  # several inputs: the row says which is right
        asked = fields.options(row)[asked]
        fields = replace(fields, choices=None)
    if not isinstance(asked, str):
        raise DataError(f"the prompt is {asked!r}, no text", place=fields.place)
    if not with_answer:
        gap = fields.target_delimiter if prefix and _needs_gap(asked, prefix) else ""
        return [Turn("user", asked, gap), *([Turn("assistant", prefix)] if prefix else [])]
    answer = answer_text(fields, row)
    gap = fields.target_delimiter if (not prefix and answer) or (prefix and _needs_gap(asked, prefix)) else ""
    said = joined(prefix or "", answer, " ")
    return [Turn("user", asked, gap), *([Turn("assistant", said, fields.fewshot_delimiter)] if answer else [])]


def answer_text(fields: Fields, row: Row) -> str:
    """Return the right answer as a text.

    Raises:
        DataError: Its index is out of range, or it is no text.
    """
    answer = fields.answer(row)
    if isinstance(answer, int) and fields.choices is not None:
        options = fields.options(row)
        if not 0 <= answer < len(options):
            raise DataError(f"the target is {answer}, and there are {len(options)} choices", place=fields.place)
        return options[answer]
    if isinstance(answer, list):
        answer = answer[0] if answer else ""
    if not isinstance(answer, str):
        raise DataError(f"the target is {answer!r}, no text", place=fields.place)
    return answer


def plain_text(parts: Sequence[Turn]) -> str:
    """Return turns as one text."""
    return "".join(part.content + part.tail for part in parts)


def as_chat(parts: Sequence[Turn], *, several_turns: bool) -> list[dict[str, str]]:
    """Return turns as messages: examples as turns of their own, or all in one message of the user."""
    if several_turns:
        return [{"role": part.role, "content": part.content} for part in parts]
    system = [part for part in parts[:1] if part.role == "system"]
    rest = list(parts[len(system) :])
    open_answer = [rest.pop()] if rest[-1].role == "assistant" else []
    rest[-1] = replace(rest[-1], tail="")
    messages = [*system, Turn("user", plain_text(rest)), *open_answer]
    return [{"role": part.role, "content": part.content} for part in messages]


def joined(left: str, right: str, delimiter: str) -> str:
    """Return two texts with a delimiter between them where neither has white space there."""
    if not left or not right:
        return left or right
    return left + (delimiter if _needs_gap(left, right) else "") + right


def _needs_gap(left: str, right: str) -> bool:
    return bool(left) and not (left[-1].isspace() or right[0].isspace())
