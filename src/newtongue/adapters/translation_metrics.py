"""BLEU and chrF++ as sacrebleu computes them, with its signatures; COMET from a checkpoint on disk, when installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from newtongue.core.errors import DataError, MissingExtra

SPACELESS_TOKENS = "char"
"""Tokens of BLEU where writing has no spaces; sacrebleu's own segmenters need downloads."""


def check_installed() -> None:
    """Make sure the metrics can be computed, before any money is spent on translations.

    Raises:
        MissingExtra: sacrebleu is not installed.
    """
    _sacrebleu()


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ModuleNotFoundError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    return sacrebleu


def corpus_scores(outputs: Sequence[str], references: Sequence[str], *, spaces: bool) -> dict[str, Any]:
    """Return chrF++ and BLEU of a set of translations, in per cent, with the signatures that repeat them.

    Args:
        outputs: Translations.
        references: One reference each.
        spaces: Whether the target language separates words by spaces; without, BLEU counts characters.
    """
    sacrebleu = _sacrebleu()
    chrf = sacrebleu.CHRF(word_order=2)
    bleu = sacrebleu.BLEU(tokenize="13a" if spaces else SPACELESS_TOKENS)
    found: dict[str, Any] = {}
    for name, metric in (("chrf", chrf), ("bleu", bleu)):
        found[name] = round(float(metric.corpus_score(list(outputs), [list(references)]).score), 4)
        found[f"{name}_signature"] = str(metric.get_signature())
    return found


def sentence_chrf(output: str, reference: str) -> float:
    """Return chrF++ of one translation, in [0, 1]."""
    found = _sacrebleu().CHRF(word_order=2, eps_smoothing=True).sentence_score(output, [reference])
    return round(float(found.score) / 100, 6)


def comet_scores(
    checkpoint: Path, sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> list[float]:
    """Return COMET's score of each translation.

    The model is a checkpoint on this machine that the user chose; nothing is downloaded. It is loaded by the package
    `unbabel-comet`, which this project neither ships nor pins.

    Args:
        checkpoint: A `.ckpt` file of COMET.
        sources: Source sentences.
        outputs: Translations.
        references: References.

    Raises:
        DataError: The package is not installed, or the checkpoint is not there.
    """
    if not checkpoint.is_file():
        raise DataError("no such COMET checkpoint", place=str(checkpoint), expected="a .ckpt file on this machine")
    try:
        comet = import_module("comet")
    except ModuleNotFoundError as error:
        problem = "COMET was asked for, and the package unbabel-comet is not installed"
        raise DataError(
            problem, place=str(checkpoint), fix="pip install unbabel-comet, or leave out `comet`"
        ) from error
    model = comet.load_from_checkpoint(str(checkpoint))
    rows = [{"src": s, "mt": o, "ref": r} for s, o, r in zip(sources, outputs, references, strict=True)]
    return [float(score) for score in model.predict(rows, batch_size=8, gpus=0, progress_bar=False).scores]
