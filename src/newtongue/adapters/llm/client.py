"""A chat client for any OpenAI-compatible endpoint that never pays twice and never passes the budget.

Every attempt is written to the ledger before it is sent, and its raw answer with its price when it arrives, so a
process that dies at any moment goes on where it was. This is the plain form: request bodies in, replies out, in order.
`teachers` has the rest: several teachers, wanted forms, re-asking, streams that do not fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from newtongue.adapters.llm.endpoints import Endpoint
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.pool import Pool
from newtongue.adapters.llm.questions import Reply, State
from newtongue.adapters.llm.requests import Body, Reading, read_completion, request_key

__all__ = ["ChatClient", "Endpoint", "Reply"]
ONLY = "teacher"


class ChatClient:
    """Asks one endpoint, with one ledger as memory and purse."""

    def __init__(self, endpoint: Endpoint, ledger: Ledger, stage: str) -> None:
        """Ask `endpoint` on behalf of `stage`."""
        endpoint.check()
        self._endpoint, self._ledger, self._stage = endpoint, ledger, stage

    def complete(self, bodies: Sequence[Body], on_reply: Callable[[], None] = lambda: None) -> list[Reply]:
        """Return one reply per request, in order; answers already paid for are taken from the ledger.

        Args:
            bodies: Requests to `/chat/completions`; equal ones are sent once.
            on_reply: Called after each new reply.

        Raises:
            BudgetExceeded: The next request does not fit under the cap. Everything paid is kept.
            ProviderError: The endpoint cannot be used, or kept failing. Everything paid is kept.
        """
        keys = [request_key(body) for body in bodies]
        found = self._ledger.answers(keys)
        known = {key: Reply(key, read_completion(answer.body)) for key, answer in found.items()}
        todo = {key: body for key, body in zip(keys, bodies, strict=True) if key not in known}
        if todo:
            known |= self._ask(todo, on_reply)
        return [known[key] for key in keys]

    def _ask(self, todo: dict[str, Body], on_reply: Callable[[], None]) -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        with Pool({ONLY: self._endpoint}, self._ledger, self._stage) as pool:
            for item, reading in pool.run(todo.items(), lambda one: pool.lanes[ONLY].ask(*one)):
                if item and reading and reading.verdict != "stop":
                    key = item[0]
                    replies[key] = _reply(key, reading)
                    on_reply()
            if pool.problem:
                raise pool.problem
        return replies


def _reply(key: str, reading: Reading) -> Reply:
    state: State = "answered" if reading.completion else "failed"
    return Reply(key, reading.completion, reading.why, reading.detail, state)
