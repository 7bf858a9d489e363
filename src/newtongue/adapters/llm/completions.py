"""Texts with the log-probability of every token, from an OpenAI-compatible `/completions` that can echo its prompt.

vLLM serves this; most hosted endpoints do not. Requests go the way of all requests: reserved, sent, settled, and never
paid twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from newtongue.adapters.llm.echoes import NO_ECHO, Echo, read_echo
from newtongue.adapters.llm.endpoints import Endpoint
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.pool import Pool
from newtongue.adapters.llm.requests import Reading, request_key
from newtongue.core.errors import DataError
from newtongue.core.teacher import Teacher

STAGE: Final = "eval"
NO_ROUTE: Final = frozenset({"HTTP 404", "HTTP 405", "HTTP 501"})
"""What a server says that has no `/completions` at all."""


def no_logprobs(why: str) -> DataError:
    """Return the error of an endpoint that cannot say how likely a given text is."""
    return DataError(
        f"{why}, so multiple-choice, loglikelihood and rolling tasks cannot be asked of it",
        place="endpoint",
        expected="tasks of output_type generate_until, or a server whose /completions takes `echo` and `logprobs`",
        fix="serve the model with vLLM, measure the model's directory with `model`, or leave these tasks out",
    )


def echo_texts(
    teacher: Teacher, endpoint: Endpoint, store: Path, texts: Sequence[str], progress: Callable[[int], None]
) -> dict[str, Echo | str]:
    """Return text -> its log-probabilities, or why it has none; equal texts are asked and paid once.

    Every attempt is reserved in the store's ledger before it is sent. Answers already paid for come from there; when
    the money is spent or the endpoint fails, the same call goes on later.

    Args:
        teacher: Model name and keys added to every request.
        endpoint: Where and how patiently to ask.
        store: The store's folder, which holds the ledger.
        texts: What to score; none is empty.
        progress: Told the texts answered so far.

    Raises:
        BudgetExceeded: The next text does not fit under the cap.
        DataError: The endpoint does not return log-probabilities of a prompt.
        ProviderError: It does not answer.
    """
    bodies = {text: echo_request(teacher, text) for text in texts}
    keys = {text: request_key(body) for text, body in bodies.items()}
    reasons: dict[str, str] = {}
    with closing(Ledger(store / "ledger.db")) as ledger:
        with Pool({"": replace(endpoint, protocol="echo")}, ledger, STAGE) as pool:
            lane = pool.lanes[""]
            for part in (list(bodies)[:1], list(bodies)[1:]):  # a server that cannot do it at all is asked once
                for text, reading in pool.run(part, lambda text: lane.ask(keys[text], bodies[text])):
                    if text is not None and reading is not None:
                        reasons |= _refusal(text, reading)
                        progress(1)
            if pool.problem:
                raise pool.problem
        answers = ledger.answers(list(keys.values()))
    return {text: reasons[text] if text in reasons else read_echo(answers[keys[text]].body) for text in bodies}


def echo_request(teacher: Teacher, text: str) -> dict[str, Any]:
    """Return the request for the log-probabilities of a text; one token is generated, as most servers insist on."""
    wanted = {"prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
    extra = {key: value for key, value in teacher.request.items() if value is not None}
    return {**extra, "model": teacher.model, **wanted}


def _refusal(text: str, reading: Reading) -> dict[str, str]:
    """Return why a text has no answer, as {text: reason}; empty when it has one or the run is ending.

    Raises:
        DataError: The endpoint cannot do this at all.
    """
    said = f"{reading.why}, beginning with {reading.detail!r}"
    if reading.why == NO_ECHO:
        raise no_logprobs(f"the endpoint gives no log-probabilities of the prompt ({reading.detail})")
    if reading.why in NO_ROUTE:
        raise no_logprobs(f"a chat endpoint gives no log-probabilities of a given text ({said})")
    return {} if reading.verdict in ("answer", "stop") else {text: reading.why}
