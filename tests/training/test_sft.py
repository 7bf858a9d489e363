"""Fine-tuning: the stop token is learnt, English has its share, long rows are set aside, kills change nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.hf.chat import prompt_ids, stop_ids
from newtongue.adapters.hf.models import generate, load_model, load_tokenizer
from newtongue.core.errors import DataError
from newtongue.core.rows import Message
from newtongue.stages.sft.config import SftConfig
from newtongue.stages.sft.stage import finetune

SMALL: dict[str, Any] = {
    "sequence_length": 96, "tokens_per_step": 256, "learning_rate": 1e-2, "epochs": 40, "threads": 1, "device": "cpu",
}  # fmt: skip
ANSWERS = {"چکی کہاں ہے؟": "دریا", "नदी?": "चक्की", "水?": "河边"}


def rows_file(file: Path, answers: dict[str, str], copies: int = 4) -> Path:
    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in answers.items()
    ]
    lines = [json.dumps({"id": str(n), "messages": turn}) for n, turn in enumerate(turns * copies)]
    file.write_text("\n".join(lines), "utf-8")
    return file


def config(**changes: Any) -> SftConfig:
    return SftConfig(**({"model": "./base", "data": "./data"} | SMALL | changes))


def test_answers_and_their_end_are_learnt(pico_model: Any, make_context: Any, tmp_path: Path) -> None:
    context = make_context("run", base=pico_model(), data=rows_file(tmp_path / "rows.jsonl", ANSWERS))
    outcome = finetune(config(), context)
    assert outcome.counts["target_conversations"] == 12 and outcome.counts["target_set_aside"] == 0
    model, tokenizer = load_model(context.payload, "float32"), load_tokenizer(context.payload)
    prompts = [prompt_ids(tokenizer, [Message(role="user", content=question)]) for question in ANSWERS]
    answers = generate(model, prompts, max_new_tokens=20, stop_ids=stop_ids(tokenizer))
    assert [tokenizer.decode(answer) for answer in answers] == [text + "<|im_end|>" for text in ANSWERS.values()]


def test_english_share_and_long_rows(pico_model: Any, make_context: Any, tmp_path: Path) -> None:
    english = {"Where?": "There.", "Why?": "Because. " * 60}
    context = make_context(
        "run", base=pico_model(), data=rows_file(tmp_path / "a.jsonl", ANSWERS),
        english=rows_file(tmp_path / "b.jsonl", english),
    )  # fmt: skip
    outcome = finetune(config(epochs=4, english="./english", english_share=0.25), context)
    assert outcome.counts["english_conversations"] == 4 and outcome.counts["english_set_aside"] == 4
    log = [json.loads(line) for line in (context.payload / "training_log.jsonl").read_text().splitlines()]
    seen = {
        name: sum(line["sources"].get(name, {"sequences": 0})["sequences"] for line in log)
        for name in ("target", "english")
    }
    assert seen["english"] / sum(seen.values()) == pytest.approx(0.25, abs=0.03)
    aside = [json.loads(line) for line in (context.payload / "set_aside.jsonl").read_text().splitlines()]
    assert len(aside) == 4 and aside[0]["reason"] == "longer than sequence_length"
    assert any("4 conversations were set aside" in line for line in outcome.card)


def test_nothing_left_to_train_on_is_said(pico_model: Any, make_context: Any, tmp_path: Path) -> None:
    context = make_context("run", base=pico_model(), data=rows_file(tmp_path / "a.jsonl", {"a": "b " * 200}))
    with pytest.raises(DataError) as refused:
        finetune(config(), context)
    assert str(refused.value) == (
        "sft.target: no conversation can be trained on; 4 were set aside\n"
        "  expected: answers of at most 96 tokens\n"
        "  fix: raise sequence_length, or check the rows"
    )


def test_two_runs_are_equal_and_the_micro_batch_only_rounds(pico_model: Any, make_context: Any, tmp_path: Path) -> None:
    data = rows_file(tmp_path / "rows.jsonl", ANSWERS)
    digests = []
    for name, extra in (("one", {}), ("two", {"save_every_seconds": 1e-6})):
        context = make_context(name, base=pico_model(), data=data)
        finetune(config(epochs=4, **extra), context)
        digests.append(hashlib.sha256((context.payload / "model.safetensors").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_plain_text_has_its_share(pico_model: Any, make_context: Any, tmp_path: Path) -> None:
    news = tmp_path / "news.jsonl"
    news.write_text("\n".join(json.dumps({"id": str(n), "text": f"نہر کا پانی {n} " * 30}) for n in range(6)), "utf-8")
    context = make_context("run", base=pico_model(), data=rows_file(tmp_path / "rows.jsonl", ANSWERS), news=news)
    finetune(config(epochs=6, text={"news": "./news"}, text_shares={"news": 0.25}), context)
    log = [json.loads(line) for line in (context.payload / "training_log.jsonl").read_text().splitlines()]
    seen = {
        name: sum(line["sources"].get(name, {"sequences": 0})["sequences"] for line in log)
        for name in ("target", "news_text")
    }
    assert seen["news_text"] == pytest.approx(0.25 * sum(seen.values()), abs=1)


@pytest.mark.parametrize("shares", [{"other": 0.1}, {"news": 1.0}, {"news": -0.1}])
def test_shares_of_text_that_cannot_be(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="text_shares"):
        config(text={"news": "./news"}, text_shares=shares)


@pytest.mark.parametrize("tied", [True, False])
def test_old_rows_are_held_and_special_ones_learn(
    tied: bool, pico_model: Any, make_context: Any, tmp_path: Path
) -> None:
    base = pico_model(tied=tied, new_rows=8)
    context = make_context("run", base=base, data=rows_file(tmp_path / "rows.jsonl", ANSWERS))
    finetune(config(epochs=4, embedding_rows="new"), context)
    first = json.loads((base / "expansion.json").read_text())["first_new_id"]
    before, after = load_model(base, "float32"), load_model(context.payload, "float32")
    special = set(load_tokenizer(base).all_special_ids)
    for old, new in zip(
        (before.get_input_embeddings(), before.get_output_embeddings()),
        (after.get_input_embeddings(), after.get_output_embeddings()),
        strict=True,
    ):
        changed = set((old.weight != new.weight).any(dim=1).nonzero()[:, 0].tolist())
        assert changed & set(range(first)) <= special
    stop = load_tokenizer(base).convert_tokens_to_ids("<|im_end|>")
    assert (before.get_output_embeddings().weight[stop] != after.get_output_embeddings().weight[stop]).any()
