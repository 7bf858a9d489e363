"""What new output rows take from the old language before any training, by running the model once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from newtongue.adapters.hf.models import load_model
from newtongue.adapters.hf.tokenizers import batches, load_tokenizer
from newtongue.core.errors import DataError

SEQUENCE_TOKENS = 256


@dataclass(frozen=True, slots=True)
class RowCost:
    """Cost of new rows on some text.

    Attributes:
        tokens: Predictions looked at.
        kl_bits: Mean of KL(old || new) over them, bits per token.
        worst_bits: The largest.
        greedy_kept: Share of them whose most likely token is an old one.
        texts: Per text the bits lost and the predictions.
    """

    tokens: int
    kl_bits: float
    worst_bits: float
    greedy_kept: float
    texts: tuple[tuple[float, int], ...] = ()

    def facts(self) -> dict[str, float | int]:
        """Return plain JSON values, rounded to what repeats."""
        return {
            "tokens": self.tokens,
            "kl_bits": round(self.kl_bits, 6),
            "worst_bits": round(self.worst_bits, 6),
            "greedy_kept": round(self.greedy_kept, 6),
        }


def cost_of_new_rows(folder: Path, texts: Iterable[str], first_new: int, tokens: int) -> RowCost:
    """Measure how much probability new rows take from the old ones.

    Old logits are what they were, so the old distribution is the new one without the new tokens, and
    KL(old || new) = -log2 of the probability that is left to the old tokens.

    Args:
        folder: The expanded model.
        texts: Text whose tokens are all old.
        first_new: Id of the first new token; rows from there up are new.
        tokens: Predictions to look at, at most.

    Raises:
        DataError: The texts hold no token pair.
    """
    model = load_model(folder, "float32").eval()
    found = []
    sums: dict[int, tuple[float, int]] = {}
    with torch.no_grad():
        for text, ids in _sequences(folder, texts, tokens):
            logits = model(input_ids=ids, use_cache=False).logits[0].float()
            lost = torch.logsumexp(logits, -1) - torch.logsumexp(logits[:, :first_new], -1)
            bits, predictions = sums.get(text, (0.0, 0))
            sums[text] = bits + float(lost.double().sum()) / math.log(2), predictions + lost.numel()
            found.append(torch.stack([lost.double() / math.log(2), (logits.argmax(-1) < first_new).double()]))
    if not found:
        raise DataError("there is no protected text to measure on", fix="set init.measure_tokens to 0")
    lost, kept = torch.cat(found, 1)
    return RowCost(lost.numel(), float(lost.mean()), float(lost.max()), float(kept.mean()), tuple(sums.values()))


def _sequences(folder: Path, texts: Iterable[str], tokens: int) -> Iterable[tuple[int, torch.Tensor]]:
    """Yield the number of a text and some of its tokens, until there are enough."""
    backend = load_tokenizer(folder).backend
    left, number = tokens, 0
    for block in batches(texts):
        for encoding in backend.encode_batch_fast(block, add_special_tokens=False):
            number += 1
            for at in range(0, len(encoding.ids), SEQUENCE_TOKENS):
                ids = encoding.ids[at : at + min(SEQUENCE_TOKENS, left)]
                if left <= 0 or not ids:
                    return
                left -= len(ids)
                yield number, torch.tensor([ids])
