"""Expanded tokenizers, and what else can answer tasks: an adapter on its base, an endpoint, lm-evaluation-harness."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from stages.eval_kit import TEXTS, context_for, make_model, write_lines
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from newtongue.adapters.harness.requests import Continuations, Generate, Rolling
from newtongue.adapters.hf import tree_scoring
from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import DataError, MissingExtra
from newtongue.methods.prefix_tree import plan_tree
from newtongue.stages.eval.backend import ModelBackend
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate

TASK = "task: t\ndataset_path: json\ntest_split: test\ndoc_to_text: question\n"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("pico"))


@pytest.fixture(scope="session")
def backend(model: Path) -> ModelBackend:
    return ModelBackend(load_model(model, "float32").eval(), load_tokenizer(model), 96)


def ignore(_done: int) -> None:
    """Take no notice of progress."""


def tasks(folder: Path, kind: str) -> dict[str, Any]:
    rows = [
        {"question": f"{TEXTS['urd_Arab'][:20]} {n}؟", "choices": ["پانی", "آگ"], "answer": n % 2} for n in range(4)
    ]
    write_lines(folder / "rows.jsonl", rows)
    more = (
        "doc_to_choice: choices\ndoc_to_target: answer\n"
        if kind == "multiple_choice"
        else "doc_to_target: '{{choices[0]}}'\n"
    )
    (folder / "t.yaml").write_text(TASK + f"output_type: {kind}\n" + more, "utf-8")
    return {"t": {"path": str(folder), "data": str(folder / "rows.jsonl"), "language": "urd_Arab", "role": "target"}}


def measure(folder: Path, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    config = EvalConfig(**settings)
    context = context_for(config, folder)
    evaluate(config, context)
    scores = json.loads((context.payload / "scores.json").read_text("utf-8"))
    return scores, read_items(context.payload / "items.parquet")


# --- expanded tokenizers and scripts without spaces ----------------------------------------------------------------


def test_a_token_across_the_join_never_ends_a_run(tmp_path: Path) -> None:
    """`…Answer: C` as one token leaves lm-evaluation-harness nothing to score, and its assertion loses the run."""
    path = make_model(tmp_path, vocabulary=400)
    crossing = Tokenizer(models.BPE())
    crossing.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    crossing.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    settings = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "special_tokens": specials, "vocab_size": 300}
    crossing.train_from_iterator(["Answer: C", "Answer: D"] * 50, trainers.BpeTrainer(**settings))
    crossing.save(str(path / "tokenizer.json"))
    tokenizer = load_tokenizer(path)
    alone, whole = tokenizer("Answer:")["input_ids"], tokenizer("Answer: C")["input_ids"]
    assert len(alone) >= len(whole) == 1, "what is cut after the prompt's tokens is nothing"
    model = ModelBackend(load_model(path, "float32").eval(), tokenizer, 96)
    pairs = tuple(("Answer:", f" {letter}") for letter in "CDX")
    (found,) = model.likelihoods([Continuations(pairs)], ignore)
    assert all(one.tokens > 0 and one.logprob < 0 for one in found) and any(one.spanning for one in found)
    compat = ModelBackend(model.model, tokenizer, 96, join="lm_eval")
    assert all(one.tokens > 0 for one in compat.likelihoods([Continuations(pairs)], ignore)[0])


@pytest.mark.parametrize("language", ["tha_Thai", "jpn_Jpan"])
def test_every_split_of_a_text_without_spaces_can_be_scored(tmp_path: Path, language: str) -> None:
    text = TEXTS[language]
    path = make_model(tmp_path, vocabulary=420, texts=[text] * 20)
    model = ModelBackend(load_model(path, "float32").eval(), load_tokenizer(path), 96)
    pairs = [
        Continuations(((text[:k], text[k : k + 5]), (text[:k], text[k + 1 : k + 6]))) for k in range(len(text) - 6)
    ]
    found = model.likelihoods(pairs, ignore)
    assert all(one.tokens > 0 for group in found for one in group)
    assert any(one.spanning for group in found for one in group)


def test_an_empty_prompt_an_empty_answer_and_a_long_one(backend: ModelBackend) -> None:
    long = TEXTS["urd_Arab"] * 6
    asked = [
        Continuations((("", "پانی"), ("", long))),
        Continuations((("سوال", ""),)),
        Continuations(((long, " پانی"),)),
    ]
    first, second, third = backend.likelihoods(asked, ignore)
    assert first[0].logprob < 0 and first[1].shortened and first[1].tokens > 96
    assert (second[0].logprob, second[0].tokens, second[0].greedy) == (0.0, 0, True)
    assert third[0].shortened and third[0].tokens > 0
    assert backend.rolling([Rolling(long)], ignore)[0].tokens == first[1].tokens


def test_nothing_asked_is_answered_with_nothing(backend: ModelBackend) -> None:
    assert backend.likelihoods([], ignore) == backend.rolling([], ignore) == backend.generate([], ignore) == []


def test_shared_beginnings_change_no_answer(backend: ModelBackend) -> None:
    shots = TEXTS["eng_Latn"] + "\n\n"
    prompts = [shots + TEXTS[language][:n] for language in ("urd_Arab", "eng_Latn") for n in (3, 9, 14)]
    together = backend.generate([Generate(p, ("۔",), 8) for p in prompts], ignore)
    alone = [backend.generate([Generate(p, ("۔",), 8)], ignore)[0] for p in prompts]
    assert together == alone


def test_an_answer_longer_than_the_model_sees_is_refused(backend: ModelBackend) -> None:
    with pytest.raises(DataError, match="an answer may take 96 tokens, and the model sees 96 in all"):
        backend.generate([Generate("x", (), 96)], ignore)


class Softcapped(torch.nn.Module):
    """A model that does something to its logits after the output layer."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.config, self.dtype, self.device = inner, inner.config, inner.dtype, inner.device
        self.base_model = inner.base_model

    def get_output_embeddings(self) -> Any:
        return self.inner.get_output_embeddings()

    def forward(self, **given: Any) -> Any:
        out = self.inner(**given)
        return SimpleNamespace(logits=10 * torch.tanh(out.logits / 10))


def test_a_model_that_changes_its_logits_is_asked_for_them_whole(backend: ModelBackend) -> None:
    found = tree_scoring.prepare(Softcapped(backend.model), plan_tree, longest=50)
    assert found.shared and not found.body


def test_a_window_shorter_than_the_requests_forbids_the_tree(
    backend: ModelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend.model.config, "sliding_window", 16, raising=False)
    assert tree_scoring.prepare(backend.model, plan_tree, longest=16).shared
    assert not tree_scoring.prepare(backend.model, plan_tree, longest=17).shared


# --- adapters, endpoints, lm-evaluation-harness ---------------------------------------------------------------------


def test_an_adapter_is_laid_over_its_base(tmp_path: Path, model: Path) -> None:
    from peft import LoraConfig, get_peft_model

    inner = get_peft_model(
        load_model(model, "float32"), LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    for name, weight in inner.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.5)
    inner.save_pretrained(tmp_path / "adapter")
    inner.merge_and_unload().save_pretrained(tmp_path / "merged")
    for file in model.glob("tokenizer*"):
        (tmp_path / "merged" / file.name).write_bytes(file.read_bytes())
    asked = tasks(tmp_path / "task", "multiple_choice")
    _s, over = measure(tmp_path / "a", model=str(model), adapter=str(tmp_path / "adapter"), tasks=asked)
    _s, merged = measure(tmp_path / "b", model=str(tmp_path / "merged"), tasks=asked)
    _s, base = measure(tmp_path / "c", model=str(model), tasks=asked)
    assert [r["bits"] for r in over] == pytest.approx([r["bits"] for r in merged], abs=2e-3)
    assert [r["bits"] for r in over] != [r["bits"] for r in base]
    shared = measure(tmp_path / "d", model=str(model), adapter=str(tmp_path / "adapter"), tasks=asked, processes=2)
    assert shared[1] == over


def test_a_folder_that_is_no_adapter_is_refused(tmp_path: Path, model: Path) -> None:
    asked = tasks(tmp_path / "task", "multiple_choice")
    with pytest.raises(DataError, match=r"no adapter_config\.json"):
        measure(tmp_path / "a", model=str(model), adapter=str(tmp_path / "task"), tasks=asked)


def test_an_endpoint_is_asked_to_generate(tmp_path: Path) -> None:
    scores, rows = measure(
        tmp_path / "a", endpoint={"serve": "offline"}, tasks=tasks(tmp_path / "task", "generate_until")
    )
    assert scores["sets"]["t"]["kind"] == "match" and len(rows) == 4
    assert all(row["empty"] is not None for row in rows)
    assert scores["model"]["endpoint_model"] == "offline"


def test_an_endpoint_without_log_probabilities_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a chat endpoint gives no log-probabilities of a given text"):
        measure(tmp_path / "a", endpoint={"serve": "offline"}, tasks=tasks(tmp_path / "task", "multiple_choice"))


def test_an_endpoint_answers_the_prompts_of_a_suite_and_is_no_probe(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text("tasks: {lcb: {layout: lcb, data: ur.csv}}\n", "utf-8")
    (tmp_path / "ur.csv").write_text("prompt,source,language\nلکھیں,native,ur\n", "utf-8")
    suite = {"s": {"path": str(tmp_path), "language": "urd_Arab"}}
    _scores, (row,) = measure(tmp_path / "a", endpoint={"serve": "offline"}, suites=suite)
    assert row["kind"] == "generation" and row["prompt"] == "لکھیں"
    (tmp_path / "suite.yaml").write_text("in_context: true\n", "utf-8")
    with pytest.raises(DataError, match="needs the model's own tokens"):
        measure(tmp_path / "b", endpoint={"serve": "offline"}, suites=suite)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give either `model` or `endpoint`"),
        ({"model": "./m", "endpoint": {"serve": "offline"}}, "give either `model` or `endpoint`"),
        (
            {"endpoint": {"serve": "offline"}, "in_context": {}},
            "an `endpoint` can be asked `tasks` and `suites` alone, not `in_context`",
        ),
    ],
)
def test_a_config_has_one_subject(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvalConfig(**settings)


def test_the_other_engine_is_named_when_it_is_missing(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(MissingExtra, match="lm_eval"):
        measure(tmp_path / "a", model=str(model), engine="lm_eval", tasks=tasks(tmp_path / "task", "multiple_choice"))


def test_the_other_engine_answers_our_requests(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Theirs:
        def __init__(self, **settings: Any) -> None:
            assert settings["dtype"] == "float32" and settings["batch_size"] == 16

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool) -> list[tuple[float, bool]]:
            assert all(len(r.arguments) == 2 and r.request_type == "loglikelihood" for r in requests)
            return [(-float(len(r.arguments[1])), False) for r in requests]

    for name, content in {
        "lm_eval": {}, "lm_eval.api": {}, "lm_eval.api.instance": {"Instance": SimpleNamespace}, "lm_eval.models": {},
        "lm_eval.models.huggingface": {"HFLM": Theirs},
    }.items():  # fmt: skip
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    asked = tasks(tmp_path / "task", "multiple_choice")
    _scores, rows = measure(tmp_path / "a", model=str(model), engine="lm_eval", tasks=asked)
    assert [row["output"] for row in rows] == ["آگ"] * 4, "the shorter choice, by the stand-in's scores"
