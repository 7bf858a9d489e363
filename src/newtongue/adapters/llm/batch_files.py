"""Requests in OpenAI-style batch files: half the price at most providers, hours instead of seconds.

A file is a JSON line per request (`custom_id`, `method`, `url`, `body`); its `custom_id` is the request's key. All in
it is reserved before the file gets its name, and stays reserved, whoever lives, until its results are read: a process
that is killed while a batch is under way picks the same batch up again. Results come in any order; doubled lines count
once, lines of nobody are counted, missing ones are asked for again. No network here; `batches` has that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from newtongue.adapters.llm.holders import BATCH
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.records import Response
from newtongue.adapters.llm.requests import Body, Price, Reading, read_response
from newtongue.core.errors import BudgetExceeded

URL: Final = "/v1/chat/completions"
LINES_PER_FILE: Final = 50_000
"""What providers take in one file."""
GROUP: Final = 256
"""Requests reserved, or results booked, in one transaction."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the results of a batch held.

    Attributes:
        booked: Requests whose result was booked, good or bad.
        doubled: Lines for a request that was booked already.
        strangers: Lines nobody asked for, or that are no JSON.
        missing: Requests without a line.
    """

    booked: int
    doubled: int
    strangers: int
    missing: int


def write_batch(
    path: Path, book: Path, stage: str, requests: Iterable[tuple[str, Body]], *, price: Price, place: str
) -> int:
    """Reserve and write requests, at most `LINES_PER_FILE`; return how many.

    Args:
        path: The file to write; its name is the batch's.
        book: The store's ledger.
        stage: Who pays.
        requests: (key, body); those answered already, or in flight elsewhere, are left out.
        price: The provider's price for batches.
        place: The endpoint's name.

    Raises:
        BudgetExceeded: Not even the first fits under the cap; later ones that do not fit are left out.
    """
    ledger = Ledger(book, holder=f"{BATCH}{path.stem}")
    part, count, waiting = path.with_suffix(".part"), 0, list(requests)[:LINES_PER_FILE]
    with closing(ledger), open(part, "wb") as to:
        for start in range(0, len(waiting), GROUP):
            with ledger.writing():
                lines, full = _reserve(ledger, waiting[start : start + GROUP], stage, price, place)
            if full and not count and not lines:
                raise full
            to.writelines(lines)
            count += len(lines)
            if full:
                break
        to.flush()
        os.fsync(to.fileno())
    part.rename(path)
    return count


def _reserve(
    ledger: Ledger, requests: Iterable[tuple[str, Body]], stage: str, price: Price, place: str
) -> tuple[list[bytes], BudgetExceeded | None]:
    lines: list[bytes] = []
    for key, body in requests:
        try:
            begun = ledger.begin(stage, key, price.worst_case(body), place)
        except BudgetExceeded as error:
            return lines, error
        if isinstance(begun, int):
            lines.append(orjson.dumps({"custom_id": key, "method": "POST", "url": URL, "body": dict(body)}) + b"\n")
    return lines, None


def read_batch(book: Path, name: str, lines: Iterable[bytes], price: Price, *, over: bool) -> Collected:
    """Book the results of a batch, from its output and error files.

    Args:
        book: The store's ledger.
        name: The batch's name.
        lines: JSON lines in any order.
        price: The provider's price for batches.
        over: Whether the batch has ended: requests without a line were not run and not billed.
    """
    ledger = Ledger(book, holder=f"{BATCH}{name}")
    open_ = dict(ledger.query("SELECT key, id FROM attempt WHERE holder = ? AND state = 'open'", f"{BATCH}{name}"))
    worst = dict(ledger.query("SELECT key, reserved FROM attempt WHERE holder = ?", f"{BATCH}{name}"))
    booked = doubled = strangers = 0
    with ledger.writing():
        for line in lines:
            key, response = _result(line, worst, price)
            if response is None:
                strangers += 1
            elif key in open_:
                cost, stored = response
                ledger.settle(open_.pop(key), cost, stored)
                booked += 1
            else:
                doubled += 1
        for attempt in open_.values() if over else ():
            ledger.settle(attempt, 0, Response(0, note="not in the batch's results"))
    ledger.close()
    return Collected(booked, doubled, strangers, len(open_))


def _result(line: bytes, worst: Mapping[str, int], price: Price) -> tuple[str, tuple[int, Response] | None]:
    """Return (key, (cost, what to store)) of one line of results; no response for a line nobody asked for."""
    try:
        result: dict[str, Any] = orjson.loads(line)
        key = str(result["custom_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", None
    if key not in worst:
        return key, None
    answer = result.get("response") or {"status_code": 500, "body": {"error": result.get("error")}}
    status, raw = int(answer.get("status_code") or 500), orjson.dumps(answer.get("body"))
    reading = read_response(status, raw)
    cost, told = _cost(reading, status, worst[key], price)
    final = {"complete": reading.verdict == "answer", "refused": reading.verdict == "refused"}
    return key, (cost, Response(status, raw, note=reading.why, told=told, **final))


def _cost(reading: Reading, status: int, worst: int, price: Price) -> tuple[int, bool]:
    done = reading.completion
    if done and done.input_tokens is not None and done.output_tokens is not None:
        return price.of(done.input_tokens, done.output_tokens), True
    return (worst, False) if status == 200 else (0, True)
