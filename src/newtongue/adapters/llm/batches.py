"""Batch files on their way to a provider and back: upload, wait, download, each step safe to repeat."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import orjson

from newtongue.adapters.llm.batch_files import LINES_PER_FILE, Collected, read_batch, write_batch
from newtongue.adapters.llm.endpoints import Endpoint, read_secret
from newtongue.adapters.llm.holders import BATCH
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.requests import Body, Price
from newtongue.core.errors import ProviderError
from newtongue.core.secrets import redact

FOLDER: Final = ".batches"
FIRST_POLL_SECONDS: Final = 0.2
LONGEST_POLL_SECONDS: Final = 60.0
"""Pauses between looks at a batch double from the first to the longest."""
OVER: Final = frozenset({"completed", "expired", "cancelled", "failed"})
BOUNDARY: Final = "newtongue-batch-file-boundary"
PATIENCE: Final = 5
"""Failures in a row after which a provider's batch interface is given up on, to be resumed later."""


class Batches:
    """The batches of one stage at one endpoint."""

    def __init__(self, endpoint: Endpoint, price: Price, store: Path, stage: str) -> None:
        """Send batches of `stage` to `endpoint` at `price`."""
        self._endpoint, self._price, self._stage = endpoint, price, stage
        self._book, self._folder = store / "ledger.db", store / FOLDER
        self._secret = read_secret(endpoint.api_key)
        self._opener = build_opener(ProxyHandler({})) if "127.0.0.1" in endpoint.url else build_opener()

    def fill(self, requests: Sequence[tuple[str, Body]]) -> list[Collected]:
        """Have requests answered in batches; first come those an earlier run left under way.

        Raises:
            BudgetExceeded: They do not fit under the cap; nothing of the file at hand was sent.
            ProviderError: The provider takes no batches, or kept failing; run again later to pick them up.
        """
        self._folder.mkdir(exist_ok=True)
        collected = [self._finish(name, remote) for name, remote in self._under_way()]
        known = self._answered([key for key, _ in requests])
        todo = [(key, body) for key, body in requests if key not in known]
        while todo:
            name = f"{todo[0][0][:12]}-{time.time_ns()}"
            with self._ledger() as run:
                run("INSERT INTO batch VALUES (?, ?, ?, '')", name, self._stage, self._endpoint.name)
            path = self._folder / f"{name}.jsonl"
            part = todo[:LINES_PER_FILE]
            write_batch(path, self._book, self._stage, part, price=self._price, place=self._endpoint.name)
            collected.append(self._finish(name, ""))
            todo = self._left(todo, name)
        return collected

    def _finish(self, name: str, remote: str) -> Collected:
        """Submit a batch unless that was done, wait for it, book its results."""
        path = self._folder / f"{name}.jsonl"
        if path.is_file() and path.stat().st_size:
            remote = remote or self._find(name) or self._submit(name, path)
            facts = self._wait(remote)
            files = [facts[part] for part in ("output_file_id", "error_file_id") if facts.get(part)]
            lines = [line for file in files for line in self._get(f"/files/{file}/content").splitlines() if line]
        else:
            lines = []
        done = read_batch(self._book, name, lines, self._price, over=True)
        with self._ledger() as run:
            run("DELETE FROM batch WHERE name = ?", name)
        for file in (path, path.with_suffix(".part")):
            file.unlink(missing_ok=True)
        return done

    def _find(self, name: str) -> str:
        """Return the id of a batch that was submitted by a run that died before it could note the id."""
        listed = orjson.loads(self._get("/batches?limit=100")).get("data", [])
        found = [one["id"] for one in listed if (one.get("metadata") or {}).get("newtongue") == name]
        return str(found[0]) if found else ""

    def _submit(self, name: str, path: Path) -> str:
        file = orjson.loads(self._post("/files", *_upload(path)))["id"]
        facts = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        body = orjson.dumps({**facts, "metadata": {"newtongue": name}})
        remote = str(orjson.loads(self._post("/batches", body, "application/json"))["id"])
        with self._ledger() as run:
            run("UPDATE batch SET remote = ? WHERE name = ?", remote, name)
        return remote

    def _wait(self, remote: str) -> dict[str, Any]:
        pause = FIRST_POLL_SECONDS
        while True:
            facts: dict[str, Any] = orjson.loads(self._get(f"/batches/{remote}"))
            if facts["status"] in OVER:
                return facts
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)

    def _under_way(self) -> list[tuple[str, str]]:
        ledger = Ledger(self._book)
        sql = "SELECT name, remote FROM batch WHERE stage = ? AND place = ? ORDER BY name"
        found = [(name, remote) for name, remote in ledger.query(sql, self._stage, self._endpoint.name)]
        ledger.close()
        return found

    def _left(self, todo: Sequence[tuple[str, Body]], name: str) -> list[tuple[str, Body]]:
        """Return the requests no file has held yet; what a batch held and did not answer is asked one by one later."""
        ledger = Ledger(self._book)
        held = {key for (key,) in ledger.query("SELECT key FROM attempt WHERE holder = ?", f"{BATCH}{name}")}
        ledger.close()
        left = [(key, body) for key, body in todo if key not in held]
        return left if held else []

    def _answered(self, keys: Sequence[str]) -> set[str]:
        ledger = Ledger(self._book)
        found = set(ledger.answers(keys, self._endpoint.name))
        ledger.close()
        return found

    def _ledger(self) -> Any:
        return Ledger(self._book).writing()

    def _get(self, path: str) -> bytes:
        return self._ask(Request(self._endpoint.url.rstrip("/") + path))

    def _post(self, path: str, body: bytes, kind: str) -> bytes:
        return self._ask(Request(self._endpoint.url.rstrip("/") + path, body, {"Content-Type": kind}), attempts=1)

    def _ask(self, request: Request, attempts: int = PATIENCE) -> bytes:
        """Return a response; only requests that change nothing are tried again."""
        if self._secret:
            request.add_header("Authorization", f"Bearer {self._secret}")
        for attempt in range(attempts):
            try:
                with self._opener.open(request, timeout=self._endpoint.timeout_seconds) as response:
                    return self._redact(response.read())
            except HTTPError as error:
                problem, final = f"HTTP {error.code} {error.read()[:120]!r}", error.code < 500 and error.code != 429
            except (URLError, OSError) as error:
                problem, final = str(getattr(error, "reason", error)), False
            if final or attempt == attempts - 1:
                break
            time.sleep(self._endpoint.backoff_seconds * 2**attempt)
        raise ProviderError(
            redact(f"batch files: {problem}"),
            place=self._endpoint.name,
            fix="run the same command again later, or leave out `batch_usd_fraction` to send one by one",
        )

    def _redact(self, raw: bytes) -> bytes:
        return raw.replace(self._secret.encode(), b"[redacted]") if self._secret else raw


def _upload(path: Path) -> tuple[bytes, str]:
    """Return body and content type of the form that uploads a file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n'
    head += f'Content-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
    head += "Content-Type: application/jsonl\r\n\r\n"
    body = head.encode() + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={BOUNDARY}"
