"""What endpoints speak: chat completions, plain ones that echo a prompt, LibreTranslate's and DeepL's translation.

A wire makes requests, says what one can cost at most, reads responses and says what was billed. Everything else (the
ledger, retries, pace, resume) is the same for all. Translation services bill characters of the source, so what a
request costs is known before it is sent.
Source: OpenAI's chat completions; the API pages of LibreTranslate 1.6 and DeepL (v2), read in November 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import orjson

from newtongue.adapters.llm.echoes import read_echoed
from newtongue.adapters.llm.requests import (
    OWN_FAULT_STATUS,
    RETRY_STATUS,
    UNUSABLE,
    Body,
    Completion,
    Price,
    Reading,
    beginning,
    error_code,
    looks_like_html,
    read_completion,
    read_response,
    retry_reading,
)

UNSUPPORTED: Final = "not supported"
"""What a service says of a language it does not know: no request of the run will work."""
QUOTA_EXCEEDED: Final = 456
"""DeepL's status for a used-up quota."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One protocol.

    Attributes:
        path: Where requests go, below the teacher's url.
        sent: (request, key) -> what is sent; a key in a body stands in no ledger.
        headers: Key -> headers.
        read: (status, raw body, `Retry-After`) -> what to do.
        completion: Raw body of an answer -> its useful part, None when it is none.
        worst_case: (price, request) -> the most it can cost, micro-dollars.
        charge: (price, request, answer) -> what it cost; None when the provider does not tell.
        expected: What an address should be, for messages.
    """

    path: str
    sent: Callable[[Body, str], bytes]
    headers: Callable[[str], dict[str, str]]
    read: Callable[[int, bytes, str | None], Reading]
    completion: Callable[[bytes], Completion | None]
    worst_case: Callable[[Price, Body], int]
    charge: Callable[[Price, Body, Completion], int | None]
    expected: str


def service_body(protocol: str, text: str, languages: tuple[str, str], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request to a translation service.

    Args:
        protocol: `libretranslate` or `deepl`.
        text: What to translate.
        languages: Codes of its language and of the one wanted.
        request: Keys added to it; None removes one.

    Example:
        >>> service_body("libretranslate", "Hi", ("en", "ur"), {})
        {'q': 'Hi', 'source': 'en', 'target': 'ur', 'format': 'text'}
    """
    source, target = languages
    bodies: dict[str, dict[str, Any]] = {
        "libretranslate": {"q": text, "source": source, "target": target, "format": "text"},
        "deepl": {
            "text": [text],
            "source_lang": source.split("-")[0].upper(),
            "target_lang": target.upper(),
            "preserve_formatting": True,
            "show_billed_characters": True,
        },
    }
    return {name: value for name, value in {**bodies[protocol], **request}.items() if value is not None}


@cache
def service_code(tag: str) -> str:
    """Return the shortest code of a language, as translation services use it.

    Example:
        >>> [service_code(tag) for tag in ("urd_Arab", "pes_Arab", "srp_Latn", "zho_Hans")]
        ['ur', 'fa', 'sr-Latn', 'zh-Hans']
    """
    from langcodes import Language, standardize_tag

    plain = tag.partition("-x-")[0].replace("_", "-")
    return str(Language.get(standardize_tag(plain, macro=True)).simplify_script().to_tag())


def source_characters(body: Body) -> int:
    """Return the characters a translation service bills: code points of what is to be translated."""
    text = body.get("q", body.get("text", ""))
    return len(text) if isinstance(text, str) else sum(map(len, text))


def _chat_charge(price: Price, body: Body, done: Completion) -> int | None:
    if done.input_tokens is None or done.output_tokens is None:
        return None
    return price.of(done.input_tokens, done.output_tokens)


def _service_charge(price: Price, body: Body, done: Completion) -> int:
    return price.of_characters(source_characters(body) if done.characters is None else done.characters)


def _libre_sent(body: Body, secret: str) -> bytes:
    return orjson.dumps({**body, **({"api_key": secret} if secret else {})})


def _libre_completion(raw: bytes) -> Completion | None:
    try:
        return _translated(orjson.loads(raw)["translatedText"], None)
    except (ValueError, KeyError, TypeError):
        return None


def _deepl_completion(raw: bytes) -> Completion | None:
    try:
        (found,) = orjson.loads(raw)["translations"]
        billed = found.get("billed_characters")
        return _translated(found["text"], billed if isinstance(billed, int) and billed >= 0 else None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _translated(text: object, characters: int | None) -> Completion | None:
    if not isinstance(text, str):
        return None
    return Completion(text, "stop", "", None, None, characters=characters)


def _service_reading(
    completion: Callable[[bytes], Completion | None],
) -> Callable[[int, bytes, str | None], Reading]:
    def read(status: int, raw: bytes, retry_after: str | None) -> Reading:
        """Say what an answer of a translation service means for its request."""
        detail = beginning(raw)
        if status == 200 and not looks_like_html(raw):
            done = completion(raw)
            return Reading("answer", completion=done) if done else Reading("retry", UNUSABLE, detail=detail)
        if status in OWN_FAULT_STATUS and not looks_like_html(raw):
            if UNSUPPORTED in error_code(raw) or UNSUPPORTED in detail:
                return Reading("stop", f"HTTP {status}, a language is {UNSUPPORTED}", detail=detail)
            return Reading("refused", "too long for the service" if status == 413 else f"HTTP {status}", detail=detail)
        if status in RETRY_STATUS or status >= 500:
            return retry_reading(status, raw, retry_after)
        return Reading("stop", f"HTTP {status}" if status != 200 else "HTML instead of JSON", detail=detail)

    return read


def _service_worst(price: Price, body: Body) -> int:
    return price.of_characters(source_characters(body))


CHAT: Final = Wire(
    path="/chat/completions",
    sent=lambda body, secret: orjson.dumps(dict(body)),
    headers=lambda secret: {"Authorization": f"Bearer {secret}"} if secret else {},
    read=read_response,
    completion=read_completion,
    worst_case=lambda price, body: price.worst_case(body),
    charge=_chat_charge,
    expected="an OpenAI-compatible endpoint: the base url up to /v1, a model it serves, a valid key",
)

WIRES: Final[Mapping[str, Wire]] = {
    "chat": CHAT,
    "echo": replace(
        CHAT,
        path="/completions",
        read=read_echoed,
        expected="a server whose /completions takes `echo` and `logprobs`: the base url up to /v1, a model it serves",
    ),
    "libretranslate": Wire(
        path="/translate",
        sent=_libre_sent,
        headers=lambda secret: {},
        read=_service_reading(_libre_completion),
        completion=_libre_completion,
        worst_case=_service_worst,
        charge=_service_charge,
        expected="a LibreTranslate server: its address without /translate, languages it knows, a valid key",
    ),
    "deepl": Wire(
        path="/v2/translate",
        sent=lambda body, secret: orjson.dumps(dict(body)),
        headers=lambda secret: {"Authorization": f"DeepL-Auth-Key {secret}"} if secret else {},
        read=_service_reading(_deepl_completion),
        completion=_deepl_completion,
        worst_case=_service_worst,
        charge=_service_charge,
        expected="DeepL's API: its address without /v2/translate, languages it knows, a valid key, quota left",
    ),
}
"""Protocol -> how it is spoken; the names are those of `core.teacher.Wire`, and `echo` for the scoring of texts."""
