"""`newtongue teacher`: the offline stand-in for a teacher model, behind the OpenAI chat-completions protocol.

It serves on loopback, needs no network and costs nothing. It recombines the seed tasks and documents in a prompt
(`methods.stand_in`) and says in every response that it is a stand-in (`newtongue_offline`).
Usage is counted by a stated rule: one token per `BYTES_PER_TOKEN` bytes of UTF-8, rounded up.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from newtongue.adapters.llm.server import serve_chat
from newtongue.core.process import die_with_parent
from newtongue.tools.stand_in import write

BYTES_PER_TOKEN: Final = 4
NOTICE: Final = "offline stand-in teacher: recombines the prompt's own seeds and documents, understands nothing"
FACTS: Final[Mapping[str, Any]] = {
    "newtongue_offline": True,
    "notice": NOTICE,
    "usage_rule": f"{BYTES_PER_TOKEN} bytes of UTF-8 per token",
}


def serve(port: int = 8808, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve the stand-in teacher on loopback until the process ends.

    Args:
        port: Port to listen on; 0 takes a free one.
        ready: Called with the base url (up to `/v1`) once it listens.
    """
    serve_chat(respond, FACTS, port, ready)


def respond(body: dict[str, Any]) -> dict[str, Any]:
    """Return the response to one chat request; a pure function of the request.

    Raises:
        ValueError: The stand-in cannot write in the language asked for.
    """
    text = write(body)
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or sys.maxsize
    shown = text.encode()[: limit * BYTES_PER_TOKEN].decode(errors="ignore")
    prompt = sum(_tokens(message["content"]) for message in body["messages"])
    usage = {"prompt_tokens": prompt, "completion_tokens": _tokens(shown), "total_tokens": prompt + _tokens(shown)}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": shown},
        "finish_reason": "stop" if shown == text else "length",
    }
    identity = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
    head = {
        "id": f"chatcmpl-{identity}",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", "offline"),
    }
    return {**head, "choices": [choice], "usage": usage, **FACTS}


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def main() -> None:
    """Serve on a free port as the child of a stage: the url goes to standard output, standard input is the leash."""
    die_with_parent()
    serve(0, lambda url: _say(url))


def _say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
