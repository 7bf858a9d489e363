"""What a test bed does to a request: a pure function of seed, request and attempt; any interleaving tells one story.

A scenario names faults with their rates (`{"500": 0.05, "hang": 0.02}`), faults of chosen requests, or both. No clock
and no counter takes part: the same request at the same attempt is treated the same, whatever happened around it.
Source: ours.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PASSING: Final = frozenset(
    {
        "429", "429 bare", "429 date", "500", "502", "503", "529", "408", "reset", "reset late", "cut", "cut json",
        "html 502", "error object", "no choices", "hang", "late",
    }
)  # fmt: skip
"""Faults of one attempt; the next attempt draws anew, and the last allowed one succeeds when `mercy` says so."""
LASTING: Final = frozenset({"400", "content_filter", "context", "422", "500 for ever", "cut json for ever"})
"""Faults of a request, at every attempt."""
ODD: Final = frozenset(
    {
        "null content", "refusal", "no usage", "odd usage", "length", "filtered", "reasoning", "think", "fenced",
        "quotes", "comma", "inner quotes", "truncated", "surrogate", "line separator", "other model",
    }
)  # fmt: skip
"""Answers with something odd about them, at every attempt."""
LANGUAGE: Final = frozenset({"english", "sister", "roman", "switch", "loop", "arabic letters", "decomposed"})
"""Answers in a wrong language or shape, at every attempt."""
EVERYTHING: Final = frozenset({"401", "402", "403", "404", "quota", "html"})
"""Faults that say no request will work; best given to chosen requests or from a point on."""
FAULTS: Final = PASSING | LASTING | ODD | LANGUAGE | EVERYTHING


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes wrong, how often.

    Attributes:
        seed: Another seed tells another story.
        rates: Fault -> share of attempts (`PASSING`) or of requests (the others), in [0, 1]; together at most 1.
        chosen: Request key -> its fault, at every attempt unless it is one of `PASSING`: then at the first only.
        mercy: From this attempt on (0 is the first) nothing of `PASSING` happens any more.
        latency_seconds: Mean time before an answer.
        latency_sigma: Spread of the logarithm of that time; 0 makes it the same for all.
        retry_after_seconds: What a 429 asks for.
        requests_per_second: Above this rate of arrival, requests beyond a burst of one second get a 429; 0 is no limit.
        price: Micro-dollars per (prompt, answer) token that the meter bills.
        character_price: Micro-dollars per character of the source that translation services bill.
        strengths: Model -> share of its answers that are good, for tests of routing.
        language: Tag of the language whose wrong answers (`LANGUAGE`) are shipped.
    """

    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    mercy: int = 3
    latency_seconds: float = 0.0
    latency_sigma: float = 0.0
    retry_after_seconds: float = 1.0
    requests_per_second: float = 0.0
    price: tuple[float, float] = (0.0, 0.0)
    character_price: float = 0.0
    strengths: Mapping[str, float] = field(default_factory=dict)
    language: str = "urd_Arab"

    def __post_init__(self) -> None:
        """Refuse faults nobody knows and rates that are none."""
        for name in (*self.rates, *self.chosen.values()):
            if name not in FAULTS:
                raise ValueError(f"there is no fault `{name}`; the faults are {', '.join(sorted(FAULTS))}")
        if sum(self.rates.values()) > 1 or any(rate < 0 for rate in self.rates.values()):
            raise ValueError("`rates` are shares: none below 0, together at most 1")

    def fault(self, key: str, attempt: int) -> str:
        """Return what happens to an attempt (0 is the first); "" when it is answered well.

        Example:
            >>> Scenario(rates={"500": 1.0}, mercy=2).fault("k", 1), Scenario(rates={"500": 1.0}, mercy=2).fault("k", 2)
            ('500', '')
        """
        named = self.chosen.get(key, "")
        if named:
            return "" if named in PASSING and attempt else named
        drawn = self._draw(key, "request", {n: r for n, r in self.rates.items() if n not in PASSING})
        if drawn or attempt >= self.mercy:
            return drawn
        return self._draw(key, f"attempt {attempt}", {n: r for n, r in self.rates.items() if n in PASSING})

    def latency(self, key: str, attempt: int) -> float:
        """Return the seconds before an attempt is answered."""
        if not self.latency_sigma:
            return self.latency_seconds
        u, v = (max(unit(f"{self.seed}/{key}/{attempt}/{name}"), 1e-12) for name in ("u", "v"))
        normal = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
        return self.latency_seconds * math.exp(self.latency_sigma * normal - self.latency_sigma**2 / 2)

    def _draw(self, key: str, what: str, rates: Mapping[str, float]) -> str:
        if not rates:
            return ""
        place = unit(f"{self.seed}/{key}/{what}")
        for name in sorted(rates):
            place -= rates[name]
            if place < 0:
                return name
        return ""


def unit(text: str) -> float:
    """Return a number in [0, 1) that is the text's own."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
