"""Train a quality scorer, keep it as files, and score rows with it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError
from newtongue.methods import quality
from newtongue.methods.corruption import Example
from newtongue.methods.hashed_ngrams import CharacterModel
from newtongue.methods.surface import ORDER, SLOTS, TOPIC_SLOTS, Surface
from newtongue.stages.select.config import ScorerTraining, SelectConfig
from newtongue.stages.select.features import Describer
from newtongue.stages.select.pool import Pool
from newtongue.stages.select.training import Fit, Trained, measure, training_material

Floats = NDArray[np.float64]

FORMAT = 2
"""Raised when a scorer's files hold other numbers than before."""
ENCODER_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.model", "*.txt")
"""Files of an encoder directory that are copied beside the scorer, so that it stands by itself."""


def train_scorer(config: SelectConfig, training: ScorerTraining, pool: Pool, context: Context) -> Outcome:
    """Learn a scorer from the candidates and write it with its card.

    Raises:
        DataError: There is too little to learn from.
    """
    describer = _describer(context[training.encoder].path if training.encoder else None, training)
    material = training_material(config, training, pool, context)
    fit = Fit(material, describer, training, context)
    trained, accuracy = fit.trained(), measure(fit)
    _write(context.payload, trained, describer, training, accuracy)
    languages = sorted(set(material.languages))
    return Outcome(
        counts={"documents": len(material.rows), "pairs": len(material.pairs)},
        metrics=_metrics(accuracy),
        languages=languages,
        card=_card(training, accuracy, len(material.rows), len(material.pairs)),
    )


@dataclass(frozen=True)
class Score:
    """Scores rows; the scorer is read when first needed.

    Attributes:
        folder: Payload of a stage that made a scorer.
        loaded: The scorer, once it is needed.
    """

    folder: Path
    loaded: list[tuple[Describer, Trained]] = field(default_factory=list)

    def __call__(self, examples: Sequence[Example]) -> Arrays:
        """Return the scores of some rows.

        Raises:
            DataError: The folder holds no scorer, or one of another format.
        """
        if not self.loaded:
            self.loaded.append(_load(self.folder))
        describer, trained = self.loaded[0]
        described = describer.describe(examples, trained.surface, lambda *a, **k: None)
        return {"scores": trained.score(described, [example.language for example in examples])}


def _load(folder: Path) -> tuple[Describer, Trained]:
    file = folder / "scorer.json"
    if not file.is_file():
        raise DataError(
            "holds no scorer.json", place=str(folder), expected="the payload of a select stage with `train`"
        )
    facts = orjson.loads(file.read_bytes())
    if facts["format"] != FORMAT or facts["template"] != quality.TEMPLATE:
        raise DataError("was trained with another template or format", place=str(file), fix="train the scorer again")
    training = ScorerTraining.model_validate(facts["training"])
    with np.load(folder / "scorer.npz", allow_pickle=False) as arrays:
        trained = _read(facts, arrays)
    return _describer(folder / "encoder" if facts["encoder"] else None, training), trained


def _describer(encoder: Path | None, training: ScorerTraining) -> Describer:
    return Describer(encoder, training.surprise, training.max_tokens, training.device)


def _write(
    folder: Path, trained: Trained, describer: Describer, training: ScorerTraining, accuracy: dict[str, Any]
) -> None:
    plain = training.model_dump(mode="json", exclude={"encoder", "pairs", "device"})
    facts = {
        "format": FORMAT,
        "template": quality.TEMPLATE,
        "training": plain | ({"encoder": "./encoder"} if describer.encoder else {}),
        "encoder": describer.encoder is not None,
        "languages": list(trained.surface.languages),
        "symptoms": dict(zip(describer.names, trained.weights.symptoms.round(6).tolist(), strict=True)),
        "accuracy": accuracy,
    }
    (folder / "scorer.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    counts = trained.surface.characters.counts
    slots, topics = np.flatnonzero(counts), np.flatnonzero(trained.surface.topics)
    arrays = {
        "slots": slots.astype(np.int32),
        "counts": counts[slots],
        "lengths": trained.surface.lengths,
        "topics": topics.astype(np.int32),
        "topic_rows": trained.surface.topics[topics].astype(np.int32),
        "rows": np.array(trained.surface.rows),
        "symptom_weights": trained.weights.symptoms,
        "vector_weights": trained.weights.vector,
        "tags": np.array(list(trained.scale.mean)),
        "mean": np.stack(list(trained.scale.mean.values())),
        "deviation": np.stack(list(trained.scale.deviation.values())),
        "centre": trained.scale.centre,
        "spread": np.array(trained.scale.spread),
    }
    np.savez_compressed(folder / "scorer.npz", **arrays)
    if describer.encoder:
        (folder / "encoder").mkdir()
        for file in sorted({f for pattern in ENCODER_FILES for f in describer.encoder.glob(pattern)}):
            shutil.copyfile(file, folder / "encoder" / file.name)


def _read(facts: dict[str, Any], arrays: Any) -> Trained:
    counts = np.zeros(SLOTS, dtype=np.uint32)
    counts[arrays["slots"]] = arrays["counts"]
    topics = np.zeros(TOPIC_SLOTS, dtype=np.int64)
    topics[arrays["topics"]] = arrays["topic_rows"]
    characters = CharacterModel(counts, ORDER)
    surface = Surface(characters, tuple(facts["languages"]), arrays["lengths"], topics, int(arrays["rows"]))
    tags = [str(tag) for tag in arrays["tags"]]
    scale = quality.Scale(
        dict(zip(tags, arrays["mean"], strict=True)),
        dict(zip(tags, arrays["deviation"], strict=True)),
        arrays["centre"],
        float(arrays["spread"]),
    )
    return Trained(surface, scale, quality.Weights(arrays["symptom_weights"], arrays["vector_weights"]))


def _metrics(accuracy: dict[str, Any]) -> dict[str, float]:
    found = {f"pair_accuracy_{tag}": side["all"] for tag, side in accuracy.get("languages", {}).items()}
    left_out = accuracy.get("left_out_languages", {})
    return found | {f"pair_accuracy_{tag}_left_out": side["all"] for tag, side in left_out.items()}


def _card(training: ScorerTraining, accuracy: dict[str, Any], rows: int, pairs: int) -> list[str]:
    what = "an encoder's hidden states" if training.encoder else "hashed character n-grams, no encoder"
    if training.judged:
        return [f"Quality scorer on {what}, learnt from a judge's score of {rows:,} rows."]
    told = ", ".join(f"{tag} {side['all']:.3f} (n={side['n']})" for tag, side in accuracy["languages"].items())
    learnt = f"{pairs:,} pairs from {rows:,} rows, objective {training.objective}"
    lines = [f"Quality scorer on {what}: {learnt}. Pair accuracy on rows set aside: {told or 'not measured'}."]
    if absent := accuracy["left_out_languages"]:
        told = ", ".join(f"{tag} {side['all']:.3f}" for tag, side in absent.items())
        lines.append(f"The same by a scorer that never saw the language: {told}.")
    lines.append(
        "It judges form (cut off, repeated, wrong language, shuffled) and cannot see whether an answer is true."
    )
    return lines
