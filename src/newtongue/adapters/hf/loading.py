"""Load a model as training and serving do, and say what happened instead of warning about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from newtongue.adapters.hf.quiet import silence
from newtongue.adapters.hf.vector_math import settle_vector_math
from newtongue.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of loading a model and generating from it.

    Attributes:
        missing: Weights the architecture has and the files lack (or hold in another shape).
        unexpected: Weights the files hold and the architecture does not use.
        finite: Whether every logit of the first step is finite.
        logits: Number of logits per position.
        generated: Tokens generated greedily.
    """

    missing: set[str]
    unexpected: set[str]
    finite: bool
    logits: int
    generated: list[int]


def try_model(folder: Path, prompt: Sequence[int], new_tokens: int) -> Trial:
    """Load a model directory and generate greedily from a prompt.

    Args:
        folder: The model directory.
        prompt: Token ids, at least one.
        new_tokens: Tokens to generate at most.

    Raises:
        DataError: transformers does not know the architecture or cannot build the model.
    """
    model, missing, unexpected = _load(folder)
    ids = torch.tensor([list(prompt)])
    with torch.no_grad():
        logits = model(ids).logits[0, -1].float()
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, use_cache=True
        )
    finite = bool(torch.isfinite(logits).all())
    return Trial(missing, unexpected, finite, logits.numel(), made[0, ids.shape[1] :].tolist())


def _load(folder: Path) -> tuple[Any, set[str], set[str]]:
    from transformers import AutoModelForCausalLM

    silence()
    settle_vector_math()
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # transformers raises many kinds for a bad directory
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"transformers cannot load the model: {reason[:300]}",
            place=str(folder),
            fix="check config.json against the stored tensors",
        ) from None
    missing, unexpected = set(report.get("missing_keys", ())), set(report.get("unexpected_keys", ()))
    mismatched = {str(item[0] if isinstance(item, tuple) else item) for item in report.get("mismatched_keys", ())}
    return model.eval(), missing | mismatched, unexpected
