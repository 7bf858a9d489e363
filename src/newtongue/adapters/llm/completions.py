"""Texts with the log-probability of every token, from an OpenAI-compatible `/completions` that can echo its prompt.

vLLM serves this; most hosted endpoints do not. Nothing here is booked in the ledger, so only endpoints without a price
are asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from newtongue.adapters.llm.endpoints import Endpoint, read_secret
from newtongue.adapters.llm.requests import RETRY_STATUS, beginning
from newtongue.core.errors import DataError, ProviderError
from newtongue.core.teacher import LOOPBACK, Teacher

NO_ROUTE: Final = frozenset({404, 405, 501})
"""Statuses of a server that has no `/completions` at all."""
TIE: Final = 1e-6
"""Log-probabilities nearer than this are equal, nats."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A text as the server's tokenizer cuts it.

    Attributes:
        tokens: Texts of its tokens, with those the server puts before it; parts of a character print as they may.
        logprobs: Natural log-probability of each, None for a first token that nothing stands before.
        greedy: Whether each is the likeliest token at its place.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    greedy: tuple[bool, ...]


def no_logprobs(why: str) -> DataError:
    """Return the error of an endpoint that cannot say how likely a given text is."""
    return DataError(
        f"{why}, so multiple-choice, loglikelihood and rolling tasks cannot be asked of it",
        place="endpoint",
        expected="tasks of output_type generate_until, or a server whose /completions takes `echo` and `logprobs`",
        fix="serve the model with vLLM, measure the model's directory with `model`, or leave these tasks out",
    )


def echo_texts(
    teacher: Teacher, endpoint: Endpoint, texts: Sequence[str], progress: Callable[[int], None]
) -> list[Echo]:
    """Return every text with its log-probabilities; equal texts are asked once.

    Args:
        teacher: Model name and keys added to every request.
        endpoint: Where and how patiently to ask.
        texts: What to score; none is empty.
        progress: Told the tokens of each answer.

    Raises:
        DataError: The endpoint does not return log-probabilities of a prompt.
        ProviderError: It does not answer, or refuses a text.
    """
    endpoint.check()
    found = asyncio.run(_Asking(teacher, endpoint, progress).all(list(dict.fromkeys(texts))))
    return [found[text] for text in texts]


@dataclass(frozen=True, slots=True)
class _Asking:
    teacher: Teacher
    endpoint: Endpoint
    progress: Callable[[int], None]

    async def all(self, texts: Sequence[str]) -> dict[str, Echo]:
        """Ask the first text alone, so that a server that cannot do it is asked once; then the others together."""
        secret = read_secret(self.endpoint.api_key)
        headers = {"Content-Type": "application/json", "User-Agent": "newtongue"}
        headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
        async with aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=self.endpoint.timeout_seconds),
            connector=aiohttp.TCPConnector(limit=self.endpoint.concurrency),
            trust_env=urlsplit(self.endpoint.url).hostname not in LOOPBACK,
        ) as http:
            first = [await self._one(http, secret, text) for text in texts[:1]]
            others = await asyncio.gather(*(self._one(http, secret, text) for text in texts[1:]))
        return dict(zip(texts, [*first, *others], strict=True))

    async def _one(self, http: aiohttp.ClientSession, secret: str, text: str) -> Echo:
        wanted = {"prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        extra = {key: value for key, value in self.teacher.request.items() if value is not None}
        status, raw = await self._post(http, orjson.dumps({**extra, "model": self.teacher.model, **wanted}))
        if secret:
            raw = raw.replace(secret.encode(), b"[redacted]")
        if status in NO_ROUTE:
            said = f"HTTP {status} to /completions, beginning with {beginning(raw)!r}"
            raise no_logprobs(f"a chat endpoint gives no log-probabilities of a given text ({said})")
        if status != 200:
            said = beginning(raw)
            if status in (400, 422) and ("echo" in said or "logprobs" in said):
                raise no_logprobs(f"the endpoint refuses `echo` with `logprobs` ({said!r})")
            raise ProviderError(
                f"HTTP {status} to a text of {len(text)} characters, beginning with {said!r}",
                place=self.endpoint.name,
                fix="check address, model name and key; a text longer than the server's context cannot be scored",
            )
        found = read_echo(raw)
        self.progress(len(found.tokens))
        return found

    async def _post(self, http: aiohttp.ClientSession, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the last attempt; what may pass is tried again."""
        url = f"{self.endpoint.url.rstrip('/')}/completions"
        attempts, why = max(1, self.endpoint.max_attempts), ""
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(self.endpoint.backoff_seconds * 2 ** (attempt - 1))
            try:
                async with http.post(url, data=body, allow_redirects=False) as response:
                    raw = await response.read()
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                why = type(error).__name__
                continue
            lasting = response.status not in RETRY_STATUS and (response.status < 500 or response.status in NO_ROUTE)
            if lasting or attempt == attempts - 1:
                return response.status, raw
        raise ProviderError(
            f"no answer in {attempts} attempts; the last one: {why}",
            place=self.endpoint.name,
            fix="check that the endpoint is up, then run the same command again",
        )


def read_echo(raw: bytes) -> Echo:
    """Read an answer of `/completions` to `echo`, without what was generated after the text.

    Raises:
        DataError: The log-probabilities of the prompt are not in it.
    """
    try:
        answer = orjson.loads(raw)
        found = answer["choices"][0]["logprobs"]
        tokens, values, best = (list(found[name] or ()) for name in ("tokens", "token_logprobs", "top_logprobs"))
        said = (answer.get("usage") or {}).get("completion_tokens")
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        raise no_logprobs("the endpoint answers without log-probabilities") from None
    kept = len(tokens) - (1 if said is None else int(said))
    # a server that ignores `echo` returns the generated token alone
    if kept < 1 or not len(tokens) == len(values) == len(best) or any(value is None for value in values[1:kept]):
        raise no_logprobs("the endpoint gives no log-probabilities of the prompt: it takes no notice of `echo`")
    greedy = tuple(_is_best(value, top) for value, top in zip(values[:kept], best[:kept], strict=True))
    logprobs = tuple(None if value is None else float(value) for value in values[:kept])
    return Echo(tuple(map(str, tokens[:kept])), logprobs, greedy)


def _is_best(value: float | None, top: Mapping[str, Any] | None) -> bool:
    return value is not None and bool(top) and value >= max(map(float, (top or {}).values())) - TIE
