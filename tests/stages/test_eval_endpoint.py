"""Log-likelihood tasks through `/completions` with `echo`: a real loopback server, backed by a pico model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from stages.eval_kit import TEXTS, context_for, make_model, write_lines

from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.tables.items import read_items
from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import BudgetExceeded, DataError, ProviderError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.estimate import estimate
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


def measure(folder: Path, store: Path | None = None, **settings: Any) -> list[dict[str, Any]]:
    config = EvalConfig(**settings)
    context = context_for(config, folder)
    context = replace(context, store=store or context.store)
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
    return 200, {"choices": [{"text": "a", "logprobs": found}], "usage": {"completion_tokens": 1}}


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


def small(limit: int, echoing: Answer) -> Answer:
    """A server that refuses texts above `limit` characters in the words of vLLM."""
    said = {"object": "error", "message": "This model's maximum context length is 8 tokens.", "code": 400}
    return lambda body: (400, said) if len(body["prompt"]) > limit else echoing(body)


@pytest.mark.parametrize("kind", ["multiple_choice", "loglikelihood", "loglikelihood_rolling"])
def test_items_longer_than_the_context_are_kept_aside(
    tmp_path: Path, server: Server, echoing: Answer, kind: str
) -> None:
    server.answer = small(22 if kind == "loglikelihood_rolling" else 27, echoing)
    asked = task(tmp_path / "task", kind, "urd_Arab")
    rows = measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    rejected = [json.loads(line) for line in (tmp_path / "a/scores/rejected.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) >= 1 and len(rejected) >= 1 and len(rows) + len(rejected) == 5
    assert {row["reason"] for row in rejected} == {"no answer: too long for the model"}
    before = len(server.asked)
    again = measure(tmp_path / "a2", store=tmp_path / "a", tasks=asked, endpoint={"url": server.url, "model": "pico"})
    assert again == rows and len(server.asked) == before, "refusals are final: nothing is sent again"


def test_a_server_that_refuses_every_text_ends_the_run(tmp_path: Path, server: Server, echoing: Answer) -> None:
    server.answer = small(0, echoing)
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    with pytest.raises(ProviderError, match=r"no item of t got an answer .*too long for the model"):
        measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico"}, tasks=asked)


PRICED = {"usd_per_million_input_tokens": 2.0, "usd_per_million_output_tokens": 8.0}


def test_priced_texts_are_booked_and_paid_once(tmp_path: Path, server: Server, echoing: Answer) -> None:
    tokens: list[int] = []

    def metered(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answered = 2 * sum(tokens)
        assert full.spent() > answered, "reserved before it is sent"
        status, found = echoing(body)
        tokens.append(found["usage"]["prompt_tokens"])
        return status, found

    server.answer = metered
    asked = task(tmp_path / "task", "multiple_choice", "hin_Deva")
    endpoint = {"url": server.url, "model": "pico", **PRICED}
    full = Ledger(tmp_path / "ledger.db", cap_micro_usd=800)
    with pytest.raises(BudgetExceeded):
        measure(tmp_path / "a", store=tmp_path, endpoint=endpoint, tasks=asked, batch=2)
    stopped = len(tokens)
    assert 0 < stopped < 20 and full.spent() == sum(2 * n + 8 for n in tokens) <= 800
    Ledger(tmp_path / "ledger.db", cap_micro_usd=1_000_000)
    rows = measure(tmp_path / "a", store=tmp_path, endpoint=endpoint, tasks=asked)
    assert len(tokens) == len(server.asked) == len({body["prompt"] for body in server.asked}) > stopped
    assert full.by_stage() == {"eval": sum(2 * n + 8 for n in tokens)} and not full.stranded()
    server.answer = echoing
    unpriced = measure(tmp_path / "b", endpoint={"url": server.url, "model": "pico"}, tasks=asked)
    assert rows == unpriced


def test_a_priced_endpoint_without_a_budget_is_not_asked(tmp_path: Path, server: Server) -> None:
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    with pytest.raises(BudgetExceeded):
        measure(tmp_path / "a", endpoint={"url": server.url, "model": "pico", **PRICED}, tasks=asked)
    assert not server.asked


def test_the_chat_template_of_a_given_tokenizer_is_rendered_here(
    tmp_path: Path, model: Path, server: Server, echoing: Answer
) -> None:
    server.answer = echoing
    asked = task(tmp_path / "task", "multiple_choice", "urd_Arab")
    asked["t"]["chat"] = True
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    templated = make_model(tmp_path / "chat", vocabulary=400)
    (templated / "chat_template.jinja").write_text(template + "{% if add_generation_prompt %}[ai] {% endif %}", "utf-8")
    where = {"endpoint": {"url": server.url, "model": "pico"}}
    theirs = measure(tmp_path / "a", **where, tokenizer=str(templated), tasks=asked)
    ours = measure(tmp_path / "b", model=str(templated), tasks=asked)
    assert all(row["prompt"].startswith("[user] ") and row["prompt"].endswith("\n[ai] ") for row in theirs)
    for left, right in zip(theirs, ours, strict=True):
        assert left["bits"] == pytest.approx(right["bits"], abs=2e-3)
        same = ("item", "prompt", "output", "correct", "tokens", "spanning")
        assert {k: left[k] for k in same} == {k: right[k] for k in same}
    with pytest.raises(DataError, match="need the template, which an endpoint does not show") as caught:
        measure(tmp_path / "c", **where, tasks=asked)
    assert "name the model's tokenizer directory as `tokenizer`" in caught.value.fix
    with pytest.raises(ValueError, match="`tokenizer` goes with an `endpoint`"):
        EvalConfig(model=str(model), tokenizer=str(model), tasks=asked)


def test_a_plan_prices_what_is_sent() -> None:
    task = {"path": "./t.yaml", "data": "./rows.jsonl", "language": "urd_Arab"}
    config = EvalConfig(endpoint={"url": "http://127.0.0.1:1/v1", "model": "m", **PRICED}, tasks={"t": task})
    counts = {"./rows.jsonl": Counts(documents=100, utf8_bytes=25_000)}
    low, likely, high = estimate(config, counts, Machine()).usd
    assert low == pytest.approx((2 * 10_000 + 8 * 100) / 1e6) and low < likely < high
    with pytest.raises(ValueError, match="one of protocol deepl only translates"):
        EvalConfig(endpoint={"url": "http://127.0.0.1:1", "protocol": "deepl"}, tasks={"t": task})
