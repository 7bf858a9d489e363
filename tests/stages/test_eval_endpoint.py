"""Log-likelihood tasks through `/completions` with `echo`: a real loopback server, backed by a pico model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from stages.eval_kit import TEXTS, context_for, make_model, write_lines

from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import DataError, ProviderError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("pico"), vocabulary=400)


class Server:
    """A loopback server whose `/completions` answers as it is told; everything else is 404."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _body: (404, {"error": {"message": "no such route"}})
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                status, found = outer.answer(body) if self.path == "/v1/completions" else (404, {})
                raw = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = Thread(target=found.http.serve_forever, daemon=True)
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join()


@pytest.fixture(scope="module")
def echoing(model: Path) -> Answer:
    """Answers as vLLM does: prompt tokens and one more, each with its log-probability and the likeliest one."""
    network, tokenizer = load_model(model, "float32").eval(), load_tokenizer(model)

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert body["echo"] and body["logprobs"] == 1 and body["max_tokens"] == 1 and body["model"] == "pico"
        ids = tokenizer(body["prompt"])["input_ids"]
        with torch.no_grad():
            said = torch.log_softmax(network(torch.tensor([ids])).logits[0].double(), -1)
        ids = [*ids, int(said[-1].argmax())]
        best = [None, *({"best": float(row.max())} for row in said)]
        values = [None, *(float(row[token]) for row, token in zip(said, ids[1:], strict=True))]
        found = {"tokens": [tokenizer.decode([i]) for i in ids], "token_logprobs": values, "top_logprobs": best}
        usage = {"prompt_tokens": len(ids) - 1, "completion_tokens": 1}
        return 200, {"choices": [{"text": "", "logprobs": found}], "usage": usage}

    return answer


def task(folder: Path, kind: str, language: str) -> dict[str, Any]:
    text = TEXTS[language]
    rows = [
        {"q": text[: 20 + n], "choices": [text[20 + n : 26 + n], text[3:8], text[-4:]], "answer": n % 3}
        for n in range(5)
    ]
    write_lines(folder / "rows.jsonl", rows)
    target = {
        "multiple_choice": "doc_to_text: q\ndoc_to_choice: choices\ndoc_to_target: answer\ntarget_delimiter: ''\n",
        "loglikelihood": "doc_to_text: q\ndoc_to_target: '{{choices[1]}}'\n",
        "loglikelihood_rolling": "doc_to_text: ''\ndoc_to_target: q\n",
    }[kind]
    head = f"task: t\ndataset_path: json\ntest_split: test\noutput_type: {kind}\n"
    (folder / "t.yaml").write_text(head + target, "utf-8")
    return {"t": {"path": str(folder), "data": str(folder / "rows.jsonl"), "language": language}}


def measure(folder: Path, **settings: Any) -> list[dict[str, Any]]:
    config = EvalConfig(**settings)
    context = context_for(config, folder)
    evaluate(config, context)
    return read_items(context.payload / "items.parquet")


@pytest.mark.parametrize("language", ["eng_Latn", "urd_Arab", "hin_Deva", "tha_Thai", "jpn_Jpan"])
@pytest.mark.parametrize("kind", ["multiple_choice", "loglikelihood"])
def test_an_endpoint_gives_the_answers_of_our_own_scorer(
    tmp_path: Path, model: Path, server: Server, echoing: Answer, kind: str, language: str
) -> None:
    server.answer = echoing
    asked = task(tmp_path / "task", kind, language)
    theirs = measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    ours = measure(tmp_path / "b", model=str(model), tasks=asked)
    for left, right in zip(theirs, ours, strict=True):
        assert left["bits"] == pytest.approx(right["bits"], abs=2e-3)
        assert left["margin"] == (right["margin"] and pytest.approx(right["margin"], abs=1e-3))
        same = ("item", "output", "correct", "correct_norm", "correct_bytes", "tokens", "spanning")
        assert {k: left[k] for k in same} == {k: right[k] for k in same}
    assert len(server.asked) == len({body["prompt"] for body in server.asked}), "equal texts are asked once"


def test_rolling_text_leaves_out_the_first_token_of_a_server_without_a_start_token(
    tmp_path: Path, model: Path, server: Server, echoing: Answer
) -> None:
    server.answer = echoing
    asked = task(tmp_path / "task", "loglikelihood_rolling", "urd_Arab")
    theirs = measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    ours = measure(tmp_path / "b", model=str(model), tasks=asked)
    assert [row["tokens"] for row in theirs] == [row["tokens"] - 1 for row in ours]


def generated_only(_body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    found = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}]}
    return 200, {"choices": [{"logprobs": found}], "usage": {"completion_tokens": 1}}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda body: (404, {"error": "no"}), "a chat endpoint gives no log-probabilities"),
        (lambda body: (200, {"choices": [{"text": "a", "logprobs": None}]}), "answers without log-probabilities"),
        (lambda body: (400, {"error": {"message": "echo is not supported"}}), "refuses `echo` with `logprobs`"),
        (generated_only, "takes no notice of `echo`"),
    ],
)
def test_an_endpoint_without_log_probabilities_is_told_what_to_do(
    tmp_path: Path, server: Server, answer: Answer, message: str
) -> None:
    server.answer = answer
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    with pytest.raises(DataError, match=message) as caught:
        measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    assert "serve the model with vLLM" in caught.value.fix and len(server.asked) == 1


def test_a_text_that_the_server_refuses_is_an_error_that_quotes_it(tmp_path: Path, server: Server) -> None:
    server.answer = lambda body: (400, {"error": {"message": "maximum context length is 8"}})
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    with pytest.raises(ProviderError, match="maximum context length is 8"):
        measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)


def test_what_would_be_paid_or_templated_unseen_is_refused(tmp_path: Path, server: Server) -> None:
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    priced = {"usd_per_million_input_tokens": 1, "usd_per_million_output_tokens": 1}
    with pytest.raises(DataError, match="not booked against the budget"):
        measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico", **priced}, tasks=asked)
    asked["t"]["chat"] = True
    with pytest.raises(DataError, match="own chat template cannot be asked"):
        measure(tmp_path / "b", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    assert not server.asked
