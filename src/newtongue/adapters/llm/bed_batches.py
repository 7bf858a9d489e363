"""The batch interface of the test bed: files in, files out, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from newtongue.adapters.llm.bed import Bed


class BatchDesk:
    """Takes batch files and hands out results in reversed order, some lines of them missing, doubled or failed.

    Attributes:
        story: Request key -> `missing`, `doubled`, `500`, `400` or "" for a good line.
        looks: How often a batch is looked at before it is done.
        expired: Whether batches end as `expired`: the missing lines then are those that were not run.
        price_fraction: Share of the price that is billed.
        submitted: Batches that were started.
    """

    def __init__(self, bed: Bed) -> None:
        """Write the answers `bed` would write."""
        self._bed = bed
        self.story: Callable[[str], str] = lambda key: ""
        self.looks, self.expired, self.price_fraction = 1, False, 0.5
        self.submitted = 0
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}

    def answer(self, path: str, raw: bytes) -> bytes:
        """Answer one request to `/v1/files` or `/v1/batches`."""
        parts = path.partition("?")[0].removeprefix("/v1/").split("/")
        if parts[0] == "files":
            return self._files[parts[1]] if len(parts) > 1 else self._take_file(raw)
        if len(parts) > 1:
            return self._look(self._batches[parts[1]])
        if not raw:
            return orjson.dumps({"data": list(self._batches.values())})
        return self._start(orjson.loads(raw))

    def _take_file(self, raw: bytes) -> bytes:
        name = f"file-{len(self._files)}"
        content = raw.split(b"application/jsonl\r\n\r\n", 1)[1]
        self._files[name] = content[: content.rfind(b"\r\n--")]
        return orjson.dumps({"id": name})

    def _start(self, asked: dict[str, Any]) -> bytes:
        name = f"batch-{len(self._batches)}"
        self.submitted += 1
        self._batches[name] = {"id": name, "status": "in_progress", "metadata": asked["metadata"], "looks": 0, **asked}
        return orjson.dumps(self._batches[name])

    def _look(self, batch: dict[str, Any]) -> bytes:
        batch["looks"] += 1
        if batch["status"] == "in_progress" and batch["looks"] >= self.looks:
            lines = [line for line in self._files[batch["input_file_id"]].splitlines() if line]
            results = [result for line in reversed(lines) for result in self._run(orjson.loads(line))]
            name = f"file-{len(self._files)}"
            self._files[name] = b"\n".join(orjson.dumps(result) for result in results)
            batch |= {"status": "expired" if self.expired else "completed", "output_file_id": name}
        return orjson.dumps(batch)

    def _run(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        key, body, meter = line["custom_id"], line["body"], self._bed.meter
        fault = self.story(key)
        meter.attempts[key] += 1
        if fault == "missing":
            return []
        if fault.isdigit():
            error = {"status_code": int(fault), "body": {"error": {"message": "told to fail"}}}
            return [{"custom_id": key, "response": error}]
        reply, _ = self._bed.reply("", body)
        usage = reply["usage"]
        price = self._bed.price.times(self.price_fraction)
        meter.answered[key] += 1
        meter.billed += price.of(usage["prompt_tokens"], usage["completion_tokens"])
        result = {"custom_id": key, "response": {"status_code": 200, "body": reply}, "error": None}
        return [result, result] if fault == "doubled" else [result]
