"""What a task asks of a model, and what it gets back: the seam between tasks and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Continuations:
    """One prompt and the answers to score after it, or several prompts with one answer each.

    Attributes:
        pairs: (prompt, answer) texts; the pairs of one question are scored from a common boundary.
    """

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rolling:
    """A text to score from its first token to its last."""

    text: str


@dataclass(frozen=True, slots=True)
class Generate:
    """A prompt to continue.

    Attributes:
        prompt: The text.
        until: Texts that end an answer and are not part of it.
        max_tokens: Longest answer, tokens.
        temperature: 0 takes the likeliest token.
        seed: Number of the draw, when the temperature is above 0.
    """

    prompt: str
    until: tuple[str, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a model says of one (prompt, answer) pair or of one rolling text.

    Attributes:
        logprob: Sum of natural log-probabilities.
        greedy: Whether it is what the model would say by itself.
        tokens: Scored tokens.
        spanning: Whether a token reached across the join.
        shortened: Whether the length limit took context away.
    """

    logprob: float
    greedy: bool
    tokens: int
    spanning: bool = False
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer: its text, its tokens, and whether it ended by itself."""

    text: str
    tokens: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that has no answer and never will, and a short reason; the item is kept aside."""

    reason: str


Progress = Callable[[int], None]


class Backend(Protocol):
    """Anything that answers requests: a model directory, an endpoint, lm-evaluation-harness."""

    def likelihoods(self, asked: Sequence[Continuations], progress: Progress) -> Sequence[list[Likelihood] | Refused]:
        """Return per question one likelihood per pair."""

    def rolling(self, asked: Sequence[Rolling], progress: Progress) -> Sequence[Likelihood | Refused]:
        """Return the likelihood of every text."""

    def generate(self, asked: Sequence[Generate], progress: Progress) -> Sequence[Generated | Refused]:
        """Return the answers."""

    def chat(self, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
        """Return a conversation as the text the model is shown; `open_answer` asks it to begin a new answer."""

    def facts(self) -> dict[str, Any]:
        """Return what identifies the model in a report."""
