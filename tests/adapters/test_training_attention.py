"""Attention in float32 during training: the same model before and after, the same values, on the CPU only."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from newtongue.adapters.training.attention import NAME, float32_attention

CPU = torch.device("cpu")


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, attn_implementation="sdpa",
    )  # fmt: skip
    return LlamaForCausalLM(config)


def test_attention_is_switched_while_it_lasts_even_when_training_fails() -> None:
    llama = model()
    try:
        with float32_attention(llama, CPU):
            assert llama.config._attn_implementation == NAME
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert llama.config._attn_implementation == "sdpa"


def test_an_accelerator_and_another_kernel_are_left_alone() -> None:
    llama = model()
    with float32_attention(llama, torch.device("cuda")):
        assert llama.config._attn_implementation == "sdpa"
    llama.set_attn_implementation("eager")
    with float32_attention(llama, CPU):
        assert llama.config._attn_implementation == "eager"


def test_gradients_are_those_of_the_library_and_nearer_to_float32_than_its_bfloat16() -> None:
    ids = torch.randint(0, 64, (3, 33), generator=torch.Generator().manual_seed(1))
    names = ("model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight")

    def gradients(attention: bool, mixed: bool) -> list[torch.Tensor]:
        llama = model()
        with float32_attention(llama, CPU if attention else torch.device("cuda")):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
                loss = llama(ids, labels=ids, use_cache=False).loss
            loss.backward()
        weights = dict(llama.named_parameters())
        return [weights[name].grad for name in names]

    exact = gradients(attention=False, mixed=False)
    for ours, theirs in zip(gradients(attention=True, mixed=False), exact, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    for mixed, theirs in zip(gradients(attention=True, mixed=True), exact, strict=True):
        torch.testing.assert_close(mixed, theirs, rtol=0.05, atol=2e-3)
