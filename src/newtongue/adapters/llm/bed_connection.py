"""HTTP/1.1 by hand: what half of the test bed's faults need, which a web framework cannot say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from newtongue.adapters.llm.bed import Bed

REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests are answered one after the other.

    Attributes:
        authorization: The header of the present request.
    """

    def __init__(self, bed: Bed) -> None:
        """Answer requests as `bed` does."""
        self._bed, self._buffer, self.authorization = bed, b"", ""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where answers go."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes, and begin with a request that is whole.

        A client that goes away is not noticed: generation goes on and is billed, as with real providers.
        """
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if self._task is not None:
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        length = int(_header(head, b"content-length") or 0)
        if len(self._buffer) < end + 4 + length:
            return
        raw, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
        self.authorization = _header(head, b"authorization").decode("latin-1")
        path = head[: head.find(b"\r\n")].split(b" ")[1].decode("ascii", "replace")
        self._task = asyncio.get_running_loop().create_task(self._answer(path, raw))

    async def _answer(self, path: str, raw: bytes) -> None:
        try:
            await self._bed.answer(self, path, raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self.send(400, orjson.dumps({"error": {"message": f"bad request: {error}"}}))
        self._task = None
        if not self._transport.is_closing():
            self._next()

    def send(self, status: int, raw: bytes, headers: Mapping[str, str] | None = None, cut: int | None = None) -> None:
        """Send a response; with `cut`, only so many bytes of its body before the connection is reset."""
        if self._transport.is_closing():
            return
        more = {"Content-Type": "application/json", **(headers or {})}
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Length: {len(raw)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        self._transport.write(f"{head}{lines}\r\n".encode() + (raw if cut is None else raw[:cut]))
        if cut is not None:
            asyncio.get_running_loop().call_later(0.01, self.drop)

    def drop(self) -> None:
        """Reset the connection."""
        self._transport.abort()


def _header(head: bytes, wanted: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            return value.strip()
    return b""
