"""An OpenAI-compatible endpoint that answers the requests of tasks, as far as a chat endpoint can.

It generates; it cannot say how likely a given text is: the chat protocol returns no log-probabilities of a prompt.
Prompts go as one message of the user; every answer is paid once and kept in the store's ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.harness.requests import Continuations, Generate, Generated, Likelihood, Progress, Rolling
from newtongue.adapters.llm.questions import Question
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import DataError, ProviderError
from newtongue.core.teacher import Sending, Teacher

STAGE = "eval"


@dataclass(frozen=True, slots=True)
class EndpointBackend:
    """A model behind an endpoint.

    Attributes:
        teacher: Where and how to ask.
        store: The store's folder, which holds the ledger.
        sending: How many requests at a time, how patiently.
    """

    teacher: Teacher
    store: Path
    sending: Sending

    def likelihoods(self, asked: Sequence[Continuations], progress: Progress) -> list[list[Likelihood]]:
        """Refuse: a chat endpoint gives no log-probabilities of a given text.

        Raises:
            DataError: Always.
        """
        raise self._no_logprobs()

    def rolling(self, asked: Sequence[Rolling], progress: Progress) -> list[Likelihood]:
        """Refuse, as `likelihoods` does.

        Raises:
            DataError: Always.
        """
        raise self._no_logprobs()

    def generate(self, asked: Sequence[Generate], progress: Progress) -> list[Generated]:
        """Return the answers, cut at the first stop text; an answer that never came is empty and not stopped.

        Raises:
            ProviderError: The endpoint answered nothing at all.
        """
        questions = [_question(one, number) for number, one in enumerate(asked)]
        with open_teachers({"": self.teacher}, self.store, STAGE, sending=self.sending) as teachers:
            replies = teachers.ask(questions)
        if asked and not any(reply.completion for reply in replies):
            raise ProviderError(
                f"the endpoint answered nothing ({replies[0].why if replies else 'no reply'})", place="endpoint"
            )
        progress(len(replies))
        return [_read(one, reply) for one, reply in zip(asked, replies, strict=True)]

    def chat(self, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
        """Return the last message: the endpoint applies its own template."""
        return str(messages[-1]["content"])

    def facts(self) -> dict[str, Any]:
        """Return what is known of the model: its name."""
        return {"endpoint_model": self.teacher.model, "parameters": 0, "chat_template": "the endpoint's own"}

    def _no_logprobs(self) -> DataError:
        return DataError(
            "a chat endpoint gives no log-probabilities of a given text, so multiple-choice, loglikelihood and rolling "
            "tasks cannot be asked of it",
            place="endpoint",
            expected="tasks of output_type generate_until",
            fix="measure the model's directory with `model`, or leave these tasks out",
        )


def _question(one: Generate, number: int) -> Question:
    sampled = {"seed": one.seed, "sample": one.seed} if one.temperature > 0 else {}
    messages = [{"role": "user", "content": one.prompt}]
    return Question(messages, id=str(number), max_tokens=one.max_tokens, on_length="keep", **sampled)  # type: ignore[arg-type]


def _read(one: Generate, reply: Any) -> Generated:
    text, done = reply.text, reply.completion
    cut = text
    for term in one.until:
        cut = cut.split(term)[0] if term else cut
    tokens = done.output_tokens if done and done.output_tokens is not None else 0
    stopped = bool(done) and (done.finish_reason == "stop" or cut != text)
    return Generated(cut, tokens, stopped)
