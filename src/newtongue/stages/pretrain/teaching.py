"""The teacher of a training, checked before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.training.counted import Counted
from newtongue.adapters.training.shards import Ring
from newtongue.adapters.training.teacher import Teacher
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.stages.pretrain.config import Counting, PretrainConfig
from newtongue.stages.pretrain.data import REPLAY

COUNTED_TOKENS = 50_000_000
"""Most tokens that are counted: up to 90 bytes each with n-grams of 6; longer text needs no smoothing."""


def teacher_of(
    config: PretrainConfig, context: Context, pupil: Path, rings: Mapping[str, Ring], device: Any
) -> Teacher | None:
    """Load the teacher; None where the recipe names none.

    Args:
        config: Settings of the stage.
        context: Where the teacher is found.
        pupil: Directory of the model to train.
        rings: The tokenised sources, by name.
        device: Where to train.

    Raises:
        DataError: A token id means another token to the teacher than to the pupil, or there is too much to count.
    """
    settings = config.distillation
    if settings is None:
        return None
    names = list(rings)
    taught = range(len(names)) if settings.on == "all" else [names.index(REPLAY)]
    model = None
    if settings.model is not None:
        folder = context[settings.model].path
        check_ids(settings.model, folder, pupil, whole=settings.on == "all")
        model = load_model(folder, "auto", device).requires_grad_(False).eval()
    counted = None
    if settings.counts is not None:
        counted = _counted(settings.counts, [rings[names[place]] for place in taught], len(load_tokenizer(pupil)))
    return Teacher(model, settings.weight, settings.temperature, taught, counted)


def _counted(settings: Counting, rings: list[Ring], size: int) -> Counted:
    tokens = sum(ring.tokens for ring in rings)
    if tokens > COUNTED_TOKENS:
        raise DataError(
            f"{tokens:,} tokens are too many to count in memory",
            place="pretrain.distillation.counts",
            expected=f"at most {COUNTED_TOKENS:,}",
            fix="leave `counts` out: they help where text is short",
        )
    from newtongue.methods.token_counts import count_tokens

    counts = count_tokens(np.concatenate([ring.open() for ring in rings]), settings.order, size)
    return Counted(counts.left_out, counts.base, settings.share)


def check_ids(name: str, teacher: Path, pupil: Path, *, whole: bool) -> None:
    """Check that the teacher's tokens are the pupil's, id by id; with `whole` that the pupil has no others."""
    known, own = load_tokenizer(teacher).get_vocab(), load_tokenizer(pupil).get_vocab()
    other = next((token for token, number in known.items() if own.get(token) != number), None)
    if other is not None:
        raise DataError(
            f"token {known[other]} is {other!r} to the teacher and not to the model that learns",
            place=f"pretrain.distillation.model {name}",
            fix="name the model that training started from, or one with the same tokenizer",
        )
    if whole and len(own) > len(known):
        raise DataError(
            f"the teacher knows {len(known):,} tokens, the model that learns {len(own):,}; it cannot read them all",
            place=f"pretrain.distillation.model {name}",
            fix="set distillation.on to replay, or name a teacher with the same tokens",
        )
