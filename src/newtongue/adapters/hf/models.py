"""Loading a causal language model directory safely, and sampling from it in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from newtongue.adapters.hf.cache import growing_cache
from newtongue.adapters.hf.quiet import silence
from newtongue.adapters.hf.vector_math import settle_vector_math
from newtongue.core.errors import DataError

CPU = torch.device("cpu")
SMALL_PARAMETERS = 50_000_000
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}


def pick_device(wanted: str) -> torch.device:
    """Return the device behind `auto`, `cpu` or `cuda`.

    Raises:
        DataError: `cuda` was asked for and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DataError("no CUDA device on this machine", place="device", fix="set device: cpu or auto")
    use_cuda = wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model directory; no code from the directory runs.

    Raises:
        DataError: The directory has no fast tokenizer that can be read.
    """
    silence()
    if not (path / "tokenizer.json").is_file():
        raise DataError("no tokenizer.json", place=str(path), fix="save the fast tokenizer beside the weights")
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"the tokenizer cannot be read ({error})", place=str(path)) from error


def load_model(path: Path, dtype: str = "auto", device: str | torch.device = "cpu") -> PreTrainedModel:
    """Load the weights of a model directory; safetensors only, and no code from the directory runs.

    Args:
        path: Folder with `config.json` and safetensors.
        dtype: `bfloat16`, `float32`, `float16`, or `auto` for the one in `config.json`.
        device: Where the weights go.

    Raises:
        DataError: There are no safetensors weights, or they do not fit the config.
    """
    silence()
    settle_vector_math()
    if not any(path.glob("*.safetensors")):
        old = sorted(file.name for file in path.glob("*.bin"))
        raise DataError(
            f"no safetensors weights{' (only ' + ', '.join(old) + ')' if old else ''}",
            place=str(path),
            expected="model.safetensors",
            fix="convert with save_pretrained(…, safe_serialization=True) on a machine you trust",
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=DTYPES.get(dtype, "auto"),
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise DataError(f"the model cannot be read ({str(error)[:300]})", place=str(path)) from error
    return model.to(device)


def stored_dtype(path: Path) -> str:
    """Return the floating-point type a model directory declares, `float32` when it declares none."""
    config = json.loads((path / "config.json").read_text("utf-8"))
    name = str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
    return name if name in DTYPES else "float32"


def end_of_text_id(tokenizer: Any) -> int:
    """Return the token that ends a document: a named end-of-text token, else the tokenizer's end token.

    An instruction-tuned model's end token ends a turn; the name of the document's end is then still in
    its vocabulary and is preferred.

    Raises:
        DataError: The tokenizer has neither.
    """
    for name in ("<|endoftext|>", "<|end_of_text|>"):
        if name in tokenizer.get_vocab():
            return int(tokenizer.convert_tokens_to_ids(name))
    if tokenizer.eos_token_id is None:
        raise DataError(
            "the tokenizer has no end-of-text token",
            place="tokenizer_config.json",
            fix="name one of its special tokens as eos_token",
        )
    return int(tokenizer.eos_token_id)


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 32,
) -> list[list[int]]:
    """Continue each prompt with a key-value cache, greedily or by sampling from the whole distribution.

    Draws depend on the seed, the prompt's number and the position only, so the batch size changes them
    no more than rounding does.

    Args:
        model: A causal language model.
        prompts: Token ids, at least one each.
        max_new_tokens: Tokens to add at most.
        stop_ids: Tokens that end a continuation; the stop token itself is kept as its last token.
        temperature: 0 takes the likeliest token; 1 samples from the model's own distribution.
        seed: Seed of the draws.
        batch_size: Prompts per forward pass.

    Returns:
        New tokens of each prompt, in the order of `prompts`.
    """
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    results: list[list[int]] = [[] for _ in prompts]
    with _few_threads(model):
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            draws = _Draws(seed, chosen, model.device) if temperature > 0 else None
            rows = _decode(model, [prompts[place] for place in chosen], max_new_tokens, stop_ids, (temperature, draws))
            for place, tokens in zip(chosen, rows, strict=True):
                results[place] = tokens
    return results


@contextmanager
def _few_threads(model: PreTrainedModel) -> Iterator[None]:
    """Use one thread for a small model on the CPU: its steps are so short that threads mostly wait for each other."""
    before = torch.get_num_threads()
    small = model.device.type == "cpu" and model.num_parameters() < SMALL_PARAMETERS
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Draws:
    """One random stream per prompt, blocks of uniform numbers drawn in advance."""

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device, block: int = 256) -> None:
        from numpy.random import Generator, Philox

        self._streams = [Generator(Philox(key=[seed & (2**64 - 1), number])) for number in numbers]
        self._device, self._block, self._used = device, block, block

    def __call__(self) -> torch.Tensor:
        if self._used == self._block:
            import numpy as np

            drawn = np.stack([stream.random(self._block, dtype=np.float32) for stream in self._streams])
            self._numbers, self._used = torch.from_numpy(drawn).to(self._device), 0
        self._used += 1
        return self._numbers[:, self._used - 1]


def _decode(
    model: PreTrainedModel,
    prompts: list[Sequence[int]],
    max_new_tokens: int,
    stop_ids: Sequence[int],
    sampling: tuple[float, _Draws | None],
) -> list[list[int]]:
    device = model.device
    ids, mask = _left_padded(prompts, device)
    stops = torch.tensor(list(stop_ids), device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    padded = bool((mask == 0).any())
    finished = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    new: list[torch.Tensor] = []
    cache = growing_cache(model.config)
    for _ in range(max_new_tokens):
        out = model(
            input_ids=ids,
            attention_mask=mask if padded else None,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        token = _choose(out.logits[:, -1], *sampling)
        new.append(torch.where(finished, -1, token))
        finished |= torch.isin(token, stops)
        if bool(finished.all()):
            break
        ids, positions = token[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
    rows = torch.stack(new, dim=1).tolist() if new else [[] for _ in prompts]
    return [[token for token in row if token >= 0] for row in rows]


def _choose(logits: torch.Tensor, temperature: float, draws: _Draws | None) -> torch.Tensor:
    if draws is None:
        return logits.argmax(dim=-1)
    cumulative = torch.softmax(logits.float() / temperature, dim=-1).cumsum(dim=-1)
    target = draws()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def _left_padded(prompts: list[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
