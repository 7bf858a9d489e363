"""The offline teacher as a server and as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.llm.offline import offline_teacher
from newtongue.adapters.prompts import load_prompts
from newtongue.core.errors import RecipeError
from newtongue.core.process import is_alive
from newtongue.methods.self_instruct import Ask, build_messages
from newtongue.tools import teacher

SEED = {
    "instruction": "پاکستان کا دارالحکومت کون سا شہر ہے؟",
    "input": "",
    "output": "پاکستان کا دارالحکومت اسلام آباد ہے۔",
}


def request(url: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def url() -> Any:
    with offline_teacher() as place:
        yield place


def body(tag: str = "urd_Arab", **more: Any) -> dict[str, Any]:
    ask = Ask("qa", "Urdu", tag, 3, 300, [SEED])
    return {"model": "offline", "messages": build_messages(ask, load_prompts("structured")), "seed": 1, **more}


def test_it_speaks_chat_completions_and_says_what_it_is(url: str) -> None:
    status, reply = request(f"{url}/chat/completions", body())
    assert status == 200
    assert (reply["object"], reply["newtongue_offline"], reply["model"]) == ("chat.completion", True, "offline")
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert len(json.loads(reply["choices"][0]["message"]["content"])) == 3
    text = reply["choices"][0]["message"]["content"]
    assert reply["usage"]["completion_tokens"] == -(-len(text.encode()) // teacher.BYTES_PER_TOKEN)
    assert reply["usage_rule"] == "4 bytes of UTF-8 per token"
    assert (status, reply) == request(f"{url}/chat/completions", body())


def test_health_and_models(url: str) -> None:
    assert request(f"{url.removesuffix('/v1')}/health")[1]["newtongue_offline"] is True
    assert request(f"{url}/models")[1]["data"][0]["id"] == "offline"


def test_max_tokens_cuts(url: str) -> None:
    reply = request(f"{url}/chat/completions", body(max_tokens=5))[1]
    assert (reply["choices"][0]["finish_reason"], reply["usage"]["completion_tokens"]) == ("length", 5)


@pytest.mark.parametrize("broken", [[], {}, {"messages": []}, {"messages": [{"content": 3}]}, {"messages": "hi"}])
def test_a_broken_request_is_refused(url: str, broken: Any) -> None:
    status, reply = request(f"{url}/chat/completions", broken)
    assert (status, reply["error"]["type"]) == (400, "invalid_request_error")


def test_a_language_without_wordings_is_refused_by_name(url: str) -> None:
    status, reply = request(f"{url}/chat/completions", body("swh_Latn"))
    assert status == 400
    assert reply["error"]["message"] == "the offline teacher has no wordings for swh_Latn, only for urd_Arab"


def test_it_ends_with_the_block() -> None:
    with offline_teacher() as place:
        assert request(f"{place}/models")[0] == 200
    with pytest.raises(urllib.error.URLError):
        request(f"{place}/models")


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, subprocess\nfrom newtongue.adapters.llm.offline import offline_teacher\n"
        "with offline_teacher() as url:\n"
        "    child = open(f'/proc/self/task/{os.getpid()}/children').read().split()[0]\n"
        "    print(child, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("the system does not list children under /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    child = int(done.stdout)
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(child)


def test_a_taken_port_is_a_clear_error(url: str) -> None:
    port = int(url.rpartition(":")[2].removesuffix("/v1"))
    with pytest.raises(RecipeError, match=f"port {port} cannot be used: .*\n  fix: choose another --port"):
        teacher.serve(port)
