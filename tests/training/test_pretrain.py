"""The pretrain stage on pico models: resume, invariances, adapters, replay, architecture."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from newtongue.core.context import Context
from newtongue.core.training import Lora
from newtongue.stages.pretrain.config import Architecture, PretrainConfig, Replay
from newtongue.stages.pretrain.stage import pretrain

SMALL: dict[str, Any] = {
    "tokens": 4096, "sequence_length": 32, "tokens_per_step": 256, "learning_rate": 5e-3, "threads": 1,
    "device": "cpu",
}  # fmt: skip


def digest(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def config(**changes: Any) -> PretrainConfig:
    return PretrainConfig(**({"model": "./base", "corpus": "./corpus"} | SMALL | changes))


@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_falls_and_the_model_loads(tied: bool, pico_model: Any, corpus_file: Path, make_context: Any) -> None:
    context = make_context("run", base=pico_model(tied=tied), corpus=corpus_file)
    outcome = pretrain(config(tokens=16384), context)
    log = [json.loads(line) for line in (context.payload / "training_log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert log[-1]["tokens"] == outcome.counts["tokens"] == 16384
    assert ("lm_head.weight" in weights(context.payload)) is (not tied)
    from newtongue.adapters.hf.models import load_model, load_tokenizer

    model, tokenizer = load_model(context.payload), load_tokenizer(context.payload)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert any("no replay" in line for line in outcome.card)


def test_two_runs_and_a_run_with_checkpoints_are_equal(pico_model: Any, corpus_file: Path, make_context: Any) -> None:
    first = make_context("first", base=pico_model(), corpus=corpus_file)
    second = make_context("second", base=pico_model(), corpus=corpus_file)
    pretrain(config(), first)
    pretrain(config(save_every_seconds=1e-6), second)
    assert digest(first.payload) == digest(second.payload)
    assert len(list((second.scratch / "checkpoints").glob("step-*"))) == 2


@pytest.mark.parametrize(
    ("lora", "extra"),
    [(None, {"dropout": 0.1}), ({"rank": 2, "rows": "new"}, {})],
    ids=["every weight", "adapters"],
)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    lora: Any, extra: Any, pico_model: Any, corpus_file: Path, make_context: Any
) -> None:
    settings = config(tokens=12800, save_every_seconds=0.05, lora=lora, **extra)
    inputs = {"base": pico_model(new_rows=20), "corpus": corpus_file}
    whole, draw = make_context("whole", **inputs), random.Random(7)
    pretrain(settings.model_copy(update={"save_every_seconds": 1000.0}), whole)
    killed = make_context("killed", **inputs)
    for _ in range(3 if lora is None else 2):
        child = forked(settings, killed)
        wait_for_new_checkpoint(killed, child, seconds=30)
        time.sleep(draw.random() * 0.05)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the child finished before it was killed"
    assert digest(killed.payload) == {}
    pretrain(settings, killed)
    assert digest(killed.payload) == digest(whole.payload)


def forked(settings: PretrainConfig, context: Context) -> int:
    """Start the stage in a child process and return its id."""
    child = os.fork()
    if child == 0:
        try:
            pretrain(settings, context)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    return child


def wait_for_new_checkpoint(context: Context, child: int, seconds: float) -> None:
    """Return once the child has written a checkpoint beyond those that were there."""
    seen, end = newest(context), time.monotonic() + seconds
    while newest(context) == seen and time.monotonic() < end:
        time.sleep(0.002)


def newest(context: Context) -> str:
    return max((path.name for path in (context.scratch / "checkpoints").glob("step-*")), default="")


@pytest.mark.parametrize("other", [{"micro_batch": 3}, {"threads": 2}])
def test_micro_batch_and_threads_change_rounding_only(
    other: dict[str, int], pico_model: Any, corpus_file: Path, make_context: Any
) -> None:
    one = make_context("one", base=pico_model(), corpus=corpus_file)
    three = make_context("three", base=pico_model(), corpus=corpus_file)
    pretrain(config(dtype="float32", dropout=0.1, micro_batch=8), one)
    pretrain(config(dtype="float32", dropout=0.1, **other), three)
    first, second = (json.loads((c.payload / "training_log.jsonl").read_text().splitlines()[-1]) for c in (one, three))
    assert first["sources"]["target"]["loss"] == pytest.approx(second["sources"]["target"]["loss"], abs=1e-4)
    assert first["sources"]["target"]["tokens"] == second["sources"]["target"]["tokens"]
    for name, weight in weights(one.payload).items():
        assert torch.allclose(weight.float(), weights(three.payload)[name].float(), atol=2e-5), name


@pytest.mark.parametrize("tied", [True, False])
def test_adapters_with_new_rows_change_only_those_rows(
    tied: bool, pico_model: Any, corpus_file: Path, make_context: Any
) -> None:
    base = pico_model(tied=tied, new_rows=20)
    context = make_context("lora", base=base, corpus=corpus_file)
    pretrain(config(lora=Lora(rank=4)), context)
    before, after = weights(base), weights(context.payload)
    assert before.keys() == after.keys()
    for name in ("model.embed_tokens.weight", *(() if tied else ("lm_head.weight",))):
        same = (before[name] == after[name]).all(dim=1)
        assert same[:-20].all() and not same[-20:].all()
    assert not torch.equal(before["model.layers.0.mlp.up_proj.weight"], after["model.layers.0.mlp.up_proj.weight"])
    assert torch.equal(before["model.norm.weight"], after["model.norm.weight"])


def test_replay_has_its_share_in_the_log(pico_model: Any, corpus_file: Path, make_context: Any) -> None:
    context = make_context("replay", base=pico_model(), corpus=corpus_file)
    replay = Replay(sampled_from="./base", tokens=600, share=0.25)
    outcome = pretrain(config(replay=replay), context)
    log = [json.loads(line) for line in (context.payload / "training_log.jsonl").read_text().splitlines()]
    seen = {
        name: sum(line["sources"].get(name, {"sequences": 0})["sequences"] for line in log)
        for name in ("target", "replay")
    }
    assert seen == {"target": 96, "replay": 32}
    assert not any("no replay" in line for line in outcome.card)


def test_from_an_architecture(corpus_file: Path, make_context: Any) -> None:
    shape = Architecture(vocabulary=320, hidden_size=16, layers=1, heads=2, intermediate_size=32, max_positions=64)
    first, second = make_context("one", corpus=corpus_file), make_context("two", corpus=corpus_file)
    for context in (first, second):
        pretrain(config(model=shape), context)
    assert digest(first.payload) == digest(second.payload)
    assert {weight.dtype for weight in weights(first.payload).values()} == {torch.bfloat16}
    from newtongue.adapters.hf.models import load_tokenizer

    tokenizer = load_tokenizer(first.payload)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    text = "پانی  کِتاب\n\nकिताब ก็ 农夫 <b>x</b>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_step_shorter_than_a_sequence_is_refused(pico_model: Any, corpus_file: Path, make_context: Any) -> None:
    from newtongue.core.errors import RecipeError

    context: Context = make_context("bad", base=pico_model(), corpus=corpus_file)
    with pytest.raises(RecipeError, match="less than one sequence of 64"):
        pretrain(config(sequence_length=64, tokens_per_step=32), context)


MakeContext = Callable[..., Context]
