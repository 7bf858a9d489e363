"""Generation: the cache changes nothing, batches change nothing, sampling follows the model's distribution."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from newtongue.adapters.hf.models import generate, load_model, load_tokenizer
from newtongue.core.errors import DataError
from newtongue.tools.chat import END, ISOLATE, chat, shown
from newtongue.tools.sample import sample_replay


@pytest.fixture(scope="module")
def model(pico_model: Any) -> Any:
    return load_model(pico_model(), "float32")


def test_greedy_generation_equals_one_forward_pass_per_token(model: Any) -> None:
    prompts = [[5, 6, 7, 8, 9], [11], [12, 13, 14]]
    expected = []
    with torch.inference_mode():
        for prompt in prompts:
            ids = list(prompt)
            for _ in range(80):
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            expected.append(ids[len(prompt) :])
    assert generate(model, prompts, max_new_tokens=80) == expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batches_change_nothing(model: Any, temperature: float) -> None:
    prompts = [[n + 3] * (1 + n % 4) for n in range(10)]
    wanted = generate(model, prompts, max_new_tokens=24, stop_ids=[7], temperature=temperature, seed=5, batch_size=1)
    for size in (3, 10):
        found = generate(
            model, prompts, max_new_tokens=24, stop_ids=[7], temperature=temperature, seed=5, batch_size=size
        )
        assert found == wanted
    assert all(7 not in row[:-1] for row in wanted)


def test_sampling_follows_the_distribution(model: Any) -> None:
    with torch.inference_mode():
        wanted = torch.softmax(model(input_ids=torch.tensor([[0]])).logits[0, -1].double(), -1)
    drawn = generate(model, [[0]] * 8000, max_new_tokens=1, temperature=1.0, seed=9, batch_size=4000)
    counts = torch.bincount(torch.tensor([row[0] for row in drawn]), minlength=len(wanted)).double()
    chi = float(((counts - 8000 * wanted) ** 2 / (8000 * wanted)).sum())
    assert chi < len(wanted) + 5 * (2 * len(wanted)) ** 0.5


def test_replay_is_written_once_and_the_same(pico_model: Any, tmp_path: Path) -> None:
    first = sample_replay(
        pico_model(), tmp_path / "a.jsonl.gz", tokens=900, seed=1, language="eng_Latn", license="CC0-1.0"
    )
    sample_replay(pico_model(), tmp_path / "b.jsonl.gz", tokens=900, seed=1, language="eng_Latn", license="CC0-1.0")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).splitlines()]
    assert len(rows) == first["documents"] > 0 and rows[0]["license"] == "CC0-1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl.gz", "b.jsonl.gz"]


def test_chat_isolates_every_line_on_a_terminal_and_is_plain_elsewhere(pico_model: Any) -> None:
    out: list[str] = []
    chat(pico_model(), lines=["چکی", "/new", "x", "/quit", "never"], write=out.append, terminal=True, max_new_tokens=5)
    assert len(out) == 3 and "base model" in out[0]
    assert all(
        line.startswith(ISOLATE) and line.endswith(END) for text in out[1:] for line in text.rstrip("\n").split("\n")
    )
    plain: list[str] = []
    chat(pico_model(), lines=["چکی"], write=plain.append, terminal=False, max_new_tokens=5)
    assert len(plain) == 1 and ISOLATE not in plain[0]


def test_steering_characters_never_reach_the_terminal() -> None:
    assert shown("a\u202eb\x1b[2J\u2069c\nd", terminal=True) == f"{ISOLATE}ab[2Jc{END}\n{ISOLATE}d{END}"


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"no safetensors weights \(only pytorch_model.bin\)"):
        load_model(tmp_path)
    with pytest.raises(DataError, match=r"no tokenizer.json"):
        load_tokenizer(tmp_path)
