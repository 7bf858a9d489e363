"""Ask a causal language model how many bits it needs: for windows of text, for answers, for choices.

Text is tokenised whole, once; tokens are booked on windows by the byte in which they start, so no
join between two encodings exists. Sequences are sorted by length and padded on the right without a
mask: with causal attention what follows cannot change what came before. Logits are kept only for
scored positions and turned into bits in float32. In float32 arithmetic, results for different batch
sizes agree within `BATCH_TOLERANCE_BITS` per token (tested).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from newtongue.core.errors import DataError

BATCH_TOLERANCE_BITS = 1e-3
"""Largest difference between batch sizes, bits per token, float32."""
LOGIT_BYTES = 192_000_000
"""Memory one forward pass may use for logits in float32."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text in tokens.

    Attributes:
        ids: Token ids (T,), without tokens a tokenizer would add around the text.
        offsets: First character and character after the last, per token.
    """

    ids: Ints
    offsets: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Request:
    """Tokens to show to a model and the place from which they are scored.

    Attributes:
        ids: All ids shown, the start token included.
        first: Index of the first scored id; an id at index 0 has nothing before it and costs log2(vocabulary) bits.
    """

    ids: Ints
    first: int


def encode(tokenizer: Any, text: str, *, specials: bool = False) -> Encoded:
    """Tokenise a text with offsets.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        text: The text.
        specials: Whether markers such as `<|im_end|>` inside the text are read as special tokens: True
            for rendered chats, False for documents, where they are text like any other.

    Raises:
        DataError: The tokenizer reports no offsets.
    """
    if not tokenizer.is_fast:
        raise DataError(
            f"the tokenizer {type(tokenizer).__name__} reports no offsets, so bits cannot be given to bytes",
            expected="a tokenizer.json",
            fix="save the model with a fast tokenizer",
        )
    found = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=not specials, verbose=False
    )
    return Encoded(np.asarray(found["input_ids"], dtype=np.int64), found["offset_mapping"])


@torch.inference_mode()
def token_bits(
    model: Any,
    requests: Sequence[Request],
    *,
    batch: int,
    progress: Callable[[int], None] = lambda tokens: None,
) -> list[Floats]:
    """Return the bits of every scored token of every request, in the order given.

    Args:
        model: A causal language model in evaluation mode.
        requests: What to score; ids in [0, vocabulary).
        batch: Sequences per forward pass at most; fewer where logits would not fit.
        progress: Told the number of tokens scored so far.
    """
    results: list[Floats] = [np.zeros(0)] * len(requests)
    done = 0
    for rows in _batches(requests, batch, model.config.get_text_config().vocab_size):
        for row, bits in zip(rows, _forward(model, [requests[row] for row in rows]), strict=True):
            results[row] = bits
            done += len(bits)
        progress(done)
    return results


def _batches(requests: Sequence[Request], batch: int, vocabulary: int) -> Iterator[list[int]]:
    order = sorted(range(len(requests)), key=lambda i: (-len(requests[i].ids), i))
    while order:
        longest = max(1, len(requests[order[0]].ids))
        size = max(1, min(batch, LOGIT_BYTES // (4 * vocabulary * longest)))
        yield order[:size]
        order = order[size:]


def _forward(model: Any, requests: Sequence[Request]) -> list[Floats]:
    """Return bits per scored token of one batch."""
    width = max(len(r.ids) for r in requests)
    ids = torch.zeros(len(requests), width, dtype=torch.long)
    for row, r in enumerate(requests):
        ids[row, : len(r.ids)] = torch.from_numpy(r.ids)
    ids = ids.to(model.device)
    begin = max(0, min(r.first for r in requests) - 1)
    kept = torch.arange(begin, max(width - 1, begin + 1), device=model.device)
    logits = model(input_ids=ids, logits_to_keep=kept, use_cache=False).logits
    wanted = ids[:, begin + 1 :]
    found = [_bits(logits[row, : wanted.shape[1]], wanted[row]) for row in range(len(requests))]
    return [_pick(bits, r, begin, logits.shape[-1]) for bits, r in zip(found, requests, strict=True)]


def _bits(logits: torch.Tensor, wanted: torch.Tensor) -> Floats:
    """Return -log2 p of the wanted ids (T,) under logits (T, V), in float32."""
    scores = logits.float()
    chosen = scores.gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
    bits = (torch.logsumexp(scores, dim=-1) - chosen) / math.log(2)
    return np.asarray(bits.double().cpu().numpy(), dtype=np.float64)


def _pick(bits: Floats, asked: Request, begin: int, vocabulary: int) -> Floats:
    if asked.first == 0:
        return np.concatenate([[math.log2(vocabulary)], bits[: len(asked.ids) - 1]])
    return bits[asked.first - 1 - begin : len(asked.ids) - 1 - begin]


def ids_digest(ids: Ints) -> str:
    """Return a short digest of token ids: equal digests mean equal tokenisation."""
    return blake2b(np.ascontiguousarray(ids, dtype="<i8").tobytes(), digest_size=8).hexdigest()
