"""What the ledger holds: its tables and the records that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
"""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one attempt.

    Attributes:
        status: HTTP status; 0 when there was none.
        body: Raw bytes of the body, as received.
        complete: Whether this is the request's final answer: it will never be sent again.
        note: Short reason when it is not (`server error`, `truncated JSON`).
    """

    status: int
    body: bytes = b""
    complete: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer that has been paid for.

    Attributes:
        key: The request's key.
        status: HTTP status.
        body: Raw bytes of the body, as received.
        micro_usd: Its price.
    """

    key: str
    status: int
    body: bytes
    micro_usd: int


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
