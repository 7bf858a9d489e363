"""The teacher of a training, checked before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.training.teacher import Teacher
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.stages.pretrain.config import PretrainConfig
from newtongue.stages.pretrain.data import REPLAY, target_corpora


def teacher_of(config: PretrainConfig, context: Context, pupil: Path, device: Any) -> Teacher | None:
    """Load the teacher; None where the recipe names none.

    Args:
        config: Settings of the stage.
        context: Where the teacher is found.
        pupil: Directory of the model to train.
        device: Where to train.

    Raises:
        DataError: A token id means another token to the teacher than to the pupil.
    """
    settings = config.distillation
    if settings is None:
        return None
    folder = context[settings.model].path
    check_ids(settings.model, folder, pupil, whole=settings.on == "all")
    model = load_model(folder, "auto", device).requires_grad_(False).eval()
    names = list(target_corpora(config)) + [REPLAY] * bool(config.replay)
    taught = range(len(names)) if settings.on == "all" else [names.index(REPLAY)]
    return Teacher(model, settings.weight, settings.temperature, taught)


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
