"""HTTP to one endpoint: one request, one response, and what a failure on the way says about money.

Loaded with the first request that is really sent: a run whose answers are all in the ledger needs no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from newtongue.adapters.llm.endpoints import Endpoint
from newtongue.core.teacher import LOOPBACK

IDLE_SECONDS: Final = 4.0
"""Idle connections are closed after this time: before the five seconds after which common servers close theirs."""


class NotConnectedError(Exception):
    """Nothing was sent, so nothing can have been billed."""


class LostError(Exception):
    """The request may have arrived and been billed; the message says how it was lost."""


class Sender:
    """The connections to one endpoint; made in the event loop."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Send to `endpoint` with these headers; opens no connection yet."""
        self._session = aiohttp.ClientSession(
            headers={"Content-Type": "application/json", "User-Agent": "newtongue", **headers},
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout_seconds),
            connector=aiohttp.TCPConnector(limit=endpoint.concurrency, keepalive_timeout=IDLE_SECONDS),
            trust_env=urlsplit(endpoint.url).hostname not in LOOPBACK,
            auto_decompress=True,
        )

    async def post(self, url: str, data: bytes) -> tuple[int, bytes, str | None]:
        """Return status, body and `Retry-After` of the response.

        Raises:
            NotConnectedError: Nobody is there.
            LostError: The connection broke or the time ran out.
        """
        try:
            async with self._session.post(url, data=data, allow_redirects=False) as response:
                return response.status, await response.read(), response.headers.get("Retry-After")
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
            raise NotConnectedError from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise LostError("timeout" if isinstance(error, TimeoutError) else "connection lost") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
