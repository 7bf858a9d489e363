"""Where and how to ask: address, key, price, patience."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from newtongue.adapters.llm.requests import FREE, Price
from newtongue.core.config import Secret
from newtongue.core.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask.

    Attributes:
        url: Base URL up to and including `/v1`.
        shown_url: How messages name it; the url itself may hold a secret.
        api_key: Name of the key's environment variable, when one is wanted.
        price: What the provider charges.
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
