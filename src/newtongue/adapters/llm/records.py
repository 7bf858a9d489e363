"""What the ledger holds: its tables and the records that go in and come out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

EDITION: Final = 2
"""Of the tables; an older file is brought up to it when it is opened."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (
    stage TEXT PRIMARY KEY, settled INTEGER NOT NULL, reserved INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charge (
    id INTEGER PRIMARY KEY, stage TEXT NOT NULL, micro_usd INTEGER NOT NULL, what TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, stage TEXT NOT NULL, number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'unknown', 'settled')),
    reserved INTEGER NOT NULL, micro_usd INTEGER, holder TEXT NOT NULL,
    status INTEGER, complete INTEGER NOT NULL DEFAULT 0, body BLOB, note TEXT, sent_at REAL NOT NULL, done_at REAL);
CREATE INDEX IF NOT EXISTS attempt_key ON attempt (key);
CREATE INDEX IF NOT EXISTS attempt_unsettled ON attempt (state) WHERE state != 'settled';
CREATE TABLE IF NOT EXISTS verdict (
    scope TEXT NOT NULL, item TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (scope, item)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decision (
    item TEXT PRIMARY KEY, stage TEXT NOT NULL, teachers TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
    shard TEXT PRIMARY KEY, stage TEXT NOT NULL, leased INTEGER NOT NULL, used INTEGER NOT NULL,
    merged_to INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    name TEXT PRIMARY KEY, stage TEXT NOT NULL, place TEXT NOT NULL, remote TEXT NOT NULL) WITHOUT ROWID;
"""
ADDED: Final = {
    "place": "ALTER TABLE attempt ADD COLUMN place TEXT NOT NULL DEFAULT ''",
    "told": "ALTER TABLE attempt ADD COLUMN told INTEGER NOT NULL DEFAULT 1",
}
"""Columns of `attempt` that came with edition 2: who was asked, and whether the provider told the usage."""
COMPRESSION: Final = 1
"""Of raw answers: the fastest level."""
SHORT: Final = 1024
"""Raw answers of fewer bytes are kept as they are: packing would save little and cost more than all else of reading."""
PACKED: Final = b"x"
"""How a packed answer begins."""
OPEN: Final = 0
COMPLETE: Final = 1
REFUSED: Final = 2
"""Values of `attempt.complete`: no final word, the answer, refused for good by that endpoint."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one attempt.

    Attributes:
        status: HTTP status; 0 when there was none.
        body: Raw bytes of the body, as received.
        complete: Whether this is the request's final answer: it will never be sent again.
        note: Short reason when it is not (`server error`, `truncated JSON`).
        refused: Whether the endpoint refused this request for good.
        told: Whether the amount booked is what the provider said, not the worst case.
    """

    status: int
    body: bytes = b""
    complete: bool = False
    note: str = ""
    refused: bool = False
    told: bool = True


class Answer(NamedTuple):
    """The last word on a request: a complete answer that has been paid for, or a refusal.

    Attributes:
        key: The request's key.
        status: HTTP status.
        body: Raw bytes of the body, as received.
        micro_usd: Its price.
        refusal: Why the endpoint refused the request for good; "" for an answer.
    """

    key: str
    status: int
    body: bytes
    micro_usd: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else, alive, has this request in flight.

    Attributes:
        key: The request's key.
        since: When it was sent, seconds since 1970.
    """

    key: str
    since: float


@dataclass(frozen=True, slots=True)
class Stranded:
    """A reservation nobody will settle: counted as spent until it is reconciled.

    Attributes:
        id: Number to give to `reconcile`.
        stage: Who reserved it.
        key: The request's key.
        micro_usd: The amount reserved.
        why: `process ended` or the note of the failure (`timeout`).
    """

    id: int
    stage: str
    key: str
    micro_usd: int
    why: str


def packed(raw: bytes) -> bytes:
    """Return a raw answer as it is kept."""
    return raw if len(raw) < SHORT and not raw.startswith(PACKED) else zlib.compress(raw, COMPRESSION)


def unpacked(kept: bytes) -> bytes:
    """Return the raw answer.

    Example:
        >>> [unpacked(packed(raw)) == raw for raw in (b"", b"{}", b"x", b"y" * 5000)]
        [True, True, True, True]
    """
    return zlib.decompress(kept) if kept.startswith(PACKED) else kept
