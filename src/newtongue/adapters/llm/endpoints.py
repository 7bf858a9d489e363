"""Where and how to ask: address, key, price, patience."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from newtongue.adapters.llm.requests import FREE, Price
from newtongue.core.config import Secret
from newtongue.core.errors import RecipeError
from newtongue.core.teacher import LOOPBACK, Sending, Teacher


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask.

    Attributes:
        url: Base URL up to and including `/v1`.
        shown_url: How messages name it; the url itself may hold a secret.
        api_key: Name of the key's environment variable, when one is wanted.
        price: What the provider charges.
        protocol: What it speaks; a name of `wires.WIRES`.
        concurrency: Requests in flight at most.
        timeout_seconds: Time after which an attempt counts as lost.
        max_attempts: Attempts per request and run.
        backoff_seconds: First pause before a retry; doubles with each.
    """

    url: str
    shown_url: str = ""
    api_key: Secret | None = None
    price: Price = FREE
    concurrency: int = 8
    timeout_seconds: float = 120.0
    max_attempts: int = 5
    backoff_seconds: float = 0.5
    protocol: str = "chat"

    @property
    def name(self) -> str:
        """Name for messages, without user names, passwords and queries."""
        parts = urlsplit(self.shown_url or self.url)
        if not parts.netloc:
            return self.shown_url or self.url
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def check(self) -> None:
        """Refuse an address that is none.

        Raises:
            RecipeError: It is no http url.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"{self.name} is no http address", place="teacher.url", expected="http://host:port/v1")


def read_secret(secret: Secret | None) -> str:
    """Return a key's value, for a header and nothing else.

    Raises:
        RecipeError: The variable is not set, or holds what cannot stand in a header.
    """
    if secret is None:
        return ""
    value = secret.read().strip()
    if not value.isascii() or not value.isprintable():
        raise RecipeError(
            f"the environment variable {secret.removeprefix('env:')} holds characters that cannot be in a key",
            fix="set it to the key alone, without quotes or line ends",
        )
    return value


def endpoint_of(teacher: Teacher, sending: Sending, stand_in: str = "") -> Endpoint:
    """Return where and how a teacher is asked; `stand_in` is the address of the offline one."""
    url = stand_in if teacher.serve == "offline" else _address(teacher)
    return Endpoint(
        url=url,
        shown_url=teacher.url or "offline",
        api_key=teacher.api_key,
        price=Price(*teacher.prices, teacher.usd_per_million_characters or 0.0),
        protocol=teacher.protocol,
        concurrency=sending.concurrency,
        timeout_seconds=sending.timeout_seconds,
        max_attempts=sending.max_attempts,
        backoff_seconds=sending.backoff_seconds,
    )


def _address(teacher: Teacher) -> str:
    """Return a teacher's url, read from the environment where the recipe says so."""
    url = teacher.url or ""
    if not url.startswith("env:"):
        return url
    name = url.removeprefix("env:")
    found = os.environ.get(name)
    if not found:
        raise RecipeError(f"the environment variable {name} is not set", place="teacher.url", fix=f"export {name}=…")
    if not teacher.priced and urlsplit(found).hostname not in LOOPBACK:
        raise RecipeError(
            f"{url} is another machine and has no price",
            place="teacher",
            fix=f"give {teacher.price_names}, 0 where it is free",
        )
    return found
