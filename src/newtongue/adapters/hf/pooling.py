"""Texts as vectors of a model's hidden states, and how surprising an answer is to a causal model.

The same code serves sentence encoders (XLM-R and its kin) and the adapted causal model itself: `AutoModel` gives the
hidden states of either. Rows are batched by length; the batch is no setting, so that results depend on the rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from newtongue.adapters.hf.models import load_model, load_tokenizer, pick_device
from newtongue.adapters.hf.quiet import silence
from newtongue.adapters.hf.scoring import Request, encode, token_bits
from newtongue.adapters.hf.vector_math import settle_vector_math
from newtongue.core.errors import DataError

BATCH_TOKENS = 8192
"""Tokens of one forward pass, padding included."""

Floats = NDArray[np.float64]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as a model sees it.

    Attributes:
        text: The rendered row.
        answer_start: Character where its answer begins.
    """

    text: str
    answer_start: int


class Encoder:
    """A model directory that turns texts into vectors: the mean of its hidden states over the tokens of a text."""

    def __init__(self, path: Path, max_tokens: int, device: str = "auto") -> None:
        """Load it.

        Args:
            path: Folder with safetensors weights and a fast tokenizer; encoder or causal model.
            max_tokens: Longer texts are cut at the end.
            device: `auto`, `cpu` or `cuda`.

        Raises:
            DataError: There are no weights or no tokenizer, or they cannot be read.
        """
        self.tokenizer = load_tokenizer(path)
        self.model = _load(path, pick_device(device))
        self.max_tokens = min(max_tokens, _positions(self.model.config))

    @property
    def dimensions(self) -> int:
        """Numbers per vector."""
        return int(self.model.config.get_text_config().hidden_size)

    def vectors(self, rows: Sequence[Shown], progress: Progress = lambda rows: None) -> Floats:
        """Return the mean hidden state of the last layer over the tokens of each answer: array (B, D).

        Args:
            rows: What to show; a row whose answer lies beyond the cut is averaged over all its tokens.
            progress: Told the rows done so far.
        """
        found = np.zeros((len(rows), self.dimensions))
        encoded = [self._encode(row) for row in rows]
        done = 0
        for batch in _batches([len(ids) for ids, _ in encoded]):
            found[batch] = self._forward([encoded[row] for row in batch])
            progress(done := done + len(batch))
        return found

    def _encode(self, row: Shown) -> tuple[list[int], list[bool]]:
        made = self.tokenizer(
            row.text, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True, verbose=False
        )
        ids = list(made["input_ids"]) or [0]
        kept = [last > max(first, row.answer_start) for first, last in made["offset_mapping"]] or [True]
        return ids, kept if any(kept) else [True] * len(ids)

    @torch.inference_mode()
    def _forward(self, rows: Sequence[tuple[list[int], list[bool]]]) -> Floats:
        width = max(len(ids) for ids, _ in rows)
        ids, mask, kept = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
        for row, (tokens, answer) in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            kept[row, : len(tokens)] = torch.tensor(answer, dtype=torch.long)
        device = self.model.device
        states = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state.double()
        weights = kept.to(device).double().unsqueeze(-1)
        return np.asarray(((states * weights).sum(1) / weights.sum(1)).cpu().numpy())


SURPRISES = ("bits_given_prompt", "bits_alone", "prompt_helps_little", "worst_quarter")
"""What `surprises` measures, in the order of columns."""
HELPED_TOKENS = 64
"""Tokens at the beginning of an answer that its prompt should make easier."""


def surprises(
    path: Path, rows: Sequence[Shown], bare: Sequence[Shown], max_tokens: int, device: str = "auto"
) -> Floats:
    """Return how surprising answers are to a causal model: array (B, 4), larger is more suspicious.

    Columns: bits per byte given the prompt, bits per byte given no prompt, minus the bits that the prompt saves on the
    first HELPED_TOKENS (pointwise mutual information: an answer to another question is no easier with its prompt; per
    byte it would favour answers cut off, since a prompt helps most where an answer begins), and the mean bits per token
    of the most surprising quarter.

    Args:
        path: Model directory.
        rows: Rows with their prompts.
        bare: The same rows without.
        max_tokens: Longer rows are cut at the end.
        device: `auto`, `cpu` or `cuda`.

    Source: the ratio of the two losses is Li et al. 2024 (arXiv 2308.12032, instruction-following difficulty); the
        difference over a window, after Li et al. 2016 (arXiv 1510.03055), is ours.
    """
    model, tokenizer = load_model(path, device=pick_device(device)).eval(), load_tokenizer(path)
    given = _bits(model, tokenizer, rows, max_tokens)
    alone = _bits(model, tokenizer, bare, max_tokens)
    sizes = np.array([max(1, len(row.text[row.answer_start :].encode("utf-8", "replace"))) for row in rows])
    given_bytes = np.array([bits.sum() for bits in given]) / sizes
    alone_bytes = np.array([bits.sum() for bits in alone]) / sizes
    worst = np.array([np.sort(bits)[-math.ceil(len(bits) / 4) :].mean() if len(bits) else 0.0 for bits in given])
    unhelped = np.array([_unhelped(first, second) for first, second in zip(given, alone, strict=True)])
    return np.stack([given_bytes, alone_bytes, unhelped, worst], axis=1)


def _unhelped(given: Floats, alone: Floats) -> float:
    """Return minus the bits saved on the first tokens that both ways of asking have."""
    count = min(len(given), len(alone), HELPED_TOKENS)
    return float(given[:count].sum() - alone[:count].sum())


def _bits(model: Any, tokenizer: Any, rows: Sequence[Shown], max_tokens: int) -> list[Floats]:
    requests = []
    for row in rows:
        made = encode(tokenizer, row.text)
        first = sum(last <= row.answer_start for _, last in made.offsets)
        requests.append(Request(made.ids[:max_tokens], max(1, min(first, len(made.ids[:max_tokens]) - 1))))
    return token_bits(model, requests, batch=32)


def _load(path: Path, device: torch.device) -> Any:
    from transformers import AutoModel

    silence()
    settle_vector_math()
    if not any(path.glob("*.safetensors")):
        raise DataError(
            "no safetensors weights",
            place=str(path),
            expected="an encoder or model directory: config.json, model.safetensors, tokenizer.json",
            fix="download the weights, or leave the encoder out: hashed n-grams need none",
        )
    try:
        model = AutoModel.from_pretrained(path, trust_remote_code=False, local_files_only=True, use_safetensors=True)
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise DataError(f"the encoder cannot be read ({str(error)[:300]})", place=str(path)) from error
    return model.to(device).eval()


def _positions(config: Any) -> int:
    """Return how many tokens fit; models of the RoBERTa family count positions from their padding id up."""
    positions = int(getattr(config.get_text_config(), "max_position_embeddings", 1 << 30))
    roberta = "roberta" in str(config.model_type)
    return positions - 2 if roberta else positions


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    found: list[list[int]] = []
    while order:
        size = max(1, BATCH_TOKENS // max(1, lengths[order[0]]))
        found.append(order[:size])
        order = order[size:]
    return found
