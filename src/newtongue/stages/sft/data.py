"""From conversations to batches: rendered rows, their order, and the rows of every step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from newtongue.adapters.hf.chat import Rendered, render
from newtongue.adapters.hf.models import end_of_text_id
from newtongue.adapters.tables import Reject
from newtongue.adapters.training.loss import IGNORED
from newtongue.adapters.training.plan import GRAIN, Batch
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Document
from newtongue.methods.mixing import hashed, interleave, shuffled

TOO_LONG, UNUSABLE = (
    "longer than sequence_length",
    "a turn spells a special token, or no answer ends with the stop token",
)


@dataclass
class Rows:
    """Rendered conversations of one source.

    Attributes:
        name: Name of the source, for the log.
        rendered: Conversations in tokens.
        rejects: Conversations set aside, with reason.
        answer_bytes: UTF-8 bytes of the learnt answers.
        licences: Licence -> conversations.
        languages: Tags of the answers.
    """

    name: str
    rendered: list[Rendered] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    answer_bytes: int = 0
    licences: dict[str, int] = field(default_factory=dict)
    languages: set[str] = field(default_factory=set)

    @property
    def tokens(self) -> int:
        """Tokens of all rows, prompts included."""
        return sum(len(row.ids) for row in self.rendered)

    @property
    def learnt_tokens(self) -> int:
        """Tokens that carry loss."""
        return sum(sum(row.learnt) for row in self.rendered)


def rendered_rows(name: str, conversations: Iterable[Conversation], tokenizer: object, stop: int, longest: int) -> Rows:
    """Render conversations; those too long or without a usable answer are set aside.

    Raises:
        DataError: None is left.
    """
    rows = Rows(name)
    for conversation in conversations:
        row = render(tokenizer, conversation.messages, stop)
        if row is None or len(row.ids) > longest:
            reason = UNUSABLE if row is None else TOO_LONG
            rows.rejects.append(Reject(conversation.id, reason, conversation.messages[-1]["content"][:200]))
            continue
        rows.rendered.append(row)
        answers = (turn["content"] for turn in conversation.messages if turn["role"] == "assistant")
        rows.answer_bytes += sum(len(answer.encode()) for answer in answers)
        rows.licences[conversation.license] = rows.licences.get(conversation.license, 0) + 1
        rows.languages |= {conversation.language} - {""}
    if not rows.rendered:
        raise DataError(
            f"no conversation can be trained on; {len(rows.rejects)} were set aside",
            place=f"sft.{name}",
            expected=f"answers of at most {longest} tokens",
            fix="raise sequence_length, or check the rows",
        )
    return rows


def text_rows(name: str, documents: Iterable[Document], tokenizer: Any, longest: int) -> Rows:
    """Cut documents into rows of plain text, every token learnt, each document begun and ended by the end token.

    Raises:
        DataError: There is no text.

    Source: pretraining text mixed into fine-tuning as in Ouyang et al. 2022 (arXiv 2203.02155, section 3.5, there in
    the reinforcement-learning step).
    """
    rows, end = Rows(name), end_of_text_id(tokenizer)
    for document in documents:
        body = tokenizer(document.text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        ids = [end, *body, end]
        for start in range(0, len(ids) - 1, longest - 1):
            part = ids[start : start + longest]
            rows.rendered.append(Rendered(part, [True] * len(part)))
        rows.answer_bytes += len(document.text.encode())
        rows.licences[document.license] = rows.licences.get(document.license, 0) + 1
        rows.languages |= {document.language} - {""}
    if not rows.rendered:
        raise DataError("no training documents", place=f"sft.text.{name}", fix="check the corpus and its split")
    return rows


@dataclass(frozen=True)
class Conversations:
    """Step -> batch, for rendered rows drawn from sources in fixed shares.

    Attributes:
        sources: Rendered rows of each source.
        shares: Share of each source among the rows.
        per_step: Rows per step.
        padding: Token that fills short rows; it carries no loss and nothing attends to it.
        seed: Seed of the order.
        longest: Most tokens the model takes; padding never goes beyond.
    """

    sources: tuple[Rows, ...]
    shares: tuple[float, ...]
    per_step: int
    padding: int
    seed: int
    longest: int = 0

    def __call__(self, step: int) -> Batch:
        """Return the rows of optimiser step `step`, counted from 0, short rows first."""
        places = np.arange(step * self.per_step, (step + 1) * self.per_step)
        sources, numbers = interleave(places, self.shares)
        chosen = []
        for source, rows in enumerate(self.sources):
            own = numbers[sources == source]
            order = shuffled(own, len(rows.rendered), hashed(self.seed, source))
            chosen += [(rows.rendered[place], source) for place in order]
        chosen.sort(key=lambda pair: len(pair[0].ids))
        return self._padded(chosen)

    def _padded(self, chosen: list[tuple[Rendered, int]]) -> Batch:
        longest = max(len(row.ids) for row, _ in chosen) - 1
        longest = min(-(-longest // GRAIN) * GRAIN, max(longest, self.longest))
        inputs = np.full((len(chosen), longest), self.padding, dtype=np.int64)
        labels = np.full((len(chosen), longest), IGNORED, dtype=np.int64)
        for place, (row, _) in enumerate(chosen):
            length = len(row.ids) - 1
            ids = np.asarray(row.ids, dtype=np.int64)
            inputs[place, :length] = ids[:-1]
            labels[place, :length] = np.where(row.learnt[1:], ids[1:], IGNORED)
        return Batch(inputs, labels, np.array([source for _, source in chosen], dtype=np.int64))
