"""Every architecture people start from trains, with every weight and with adapters, and its loss is the library's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from newtongue.adapters.hf.models import load_model
from newtongue.adapters.hf.pico import ARCHITECTURES, make_pico
from newtongue.adapters.training.loss import LanguageModelLoss
from newtongue.core.training import Lora
from newtongue.stages.pretrain.config import PretrainConfig
from newtongue.stages.pretrain.stage import pretrain
from newtongue.stages.sft.config import SftConfig
from newtongue.stages.sft.stage import finetune

SHORT: dict[str, Any] = {"sequence_length": 32, "tokens_per_step": 128, "threads": 1, "device": "cpu"}


def untied(architecture: str) -> bool:
    return architecture in ("llama", "mistral", "phi3", "olmo2")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_and_its_gradient_are_the_library_s(architecture: str, tmp_path: Path) -> None:
    model = load_model(make_pico(tmp_path, architecture, tied=not untied(architecture), padding_rows=8), "float32")
    tokens = torch.randint(0, 300, (3, 20), generator=torch.Generator().manual_seed(0))
    labels = tokens.roll(-1, dims=1)
    labels[:, -3:] = -100
    logits = model(input_ids=tokens).logits
    expected = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none")
    expected.sum().backward()
    wanted = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    loss, nll = LanguageModelLoss(model, logits_at_once=7000)(tokens, labels, torch.tensor(1.0))
    loss.backward()
    assert torch.allclose(nll.flatten(), expected, atol=1e-4)
    for name, weight in model.named_parameters():
        if name in wanted:
            assert torch.allclose(weight.grad, wanted[name], atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize("lora", [None, Lora(rank=2, rows="all")], ids=["full", "adapters"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_is_pretrained_and_finetuned(
    architecture: str, lora: Lora | None, make_context: Any, corpus_file: Path, tmp_path: Path
) -> None:
    base = make_pico(tmp_path / "base", architecture, tied=not untied(architecture), dtype="bfloat16", padding_rows=8)
    context = make_context("pretrain", base=base, corpus=corpus_file)
    pretrain(PretrainConfig(model="./base", corpus="./corpus", tokens=512, lora=lora, **SHORT), context)
    rows = [{"messages": [{"role": "user", "content": "چکی؟"}, {"role": "assistant", "content": "دریا"}]}] * 4
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    tuned = make_context("sft", base=context.payload, data=tmp_path / "rows.jsonl")
    finetune(SftConfig(model="./base", data="./data", epochs=1, lora=lora, **SHORT), tuned)
    before, after = load_model(base), load_model(tuned.payload)
    assert after.config.model_type == architecture and after.dtype == torch.bfloat16
    assert before.state_dict().keys() == after.state_dict().keys()
    changed = [n for n, w in before.state_dict().items() if not torch.equal(w, after.state_dict()[n])]
    assert any("proj" in name for name in changed)
    assert after.get_input_embeddings().weight.shape == before.get_input_embeddings().weight.shape
