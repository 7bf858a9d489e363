"""The rows every stage exchanges: documents, conversations and preferences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

Split = Literal["train", "heldout"]
READABLE = (
    ".jsonl", ".jsonl.gz", ".jsonl.zst", ".tsv", ".tsv.gz", ".tsv.zst", ".txt", ".txt.gz", ".txt.zst",
    ".parquet", ".arrow",
)  # fmt: skip
"""Endings of the files rows are read from."""


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text.

    Attributes:
        id: Unique within its corpus; translations share it up to the language.
        text: NFC text, paragraphs separated by a blank line.
        language: Tag (`urd_Arab`).
        split: `train` or `heldout`.
        group: Key the split was hashed from.
        source: Where it comes from.
        license: SPDX name or `unknown`.
    """

    id: str
    text: str
    language: str
    split: str = "train"
    group: str = ""
    source: str = ""
    license: str = "unknown"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation, the last message an answer.

    Attributes:
        id: Unique within its set.
        messages: Turns in order; roles `system`, `user`, `assistant`.
        language: Tag of the answers.
        task: Task type (`qa`, `translation`, …), or "".
        score: Quality given by a scorer; NaN when none was given.
        flags: What is doubtful about the row (`language unknown`).
    """

    id: str
    messages: tuple[Message, ...]
    language: str
    split: str = "train"
    group: str = ""
    source: str = ""
    license: str = "unknown"
    task: str = ""
    score: float = float("nan")
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    """One prompt with a better and a worse answer.

    Attributes:
        id: Unique within its set.
        prompt: Turns before the answer.
        chosen: The better answer, role `assistant`.
        rejected: The worse one.
        language: Tag of the answers.
        task: Task type, or "".
        flags: What is doubtful about the row.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: Message
    rejected: Message
    language: str
    split: str = "train"
    group: str = ""
    source: str = ""
    license: str = "unknown"
    task: str = ""
    flags: tuple[str, ...] = ()
