"""What the manifest and the card say of a pre-trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.training.shards import Ring
from newtongue.adapters.training.trainer import Plan
from newtongue.core.context import Outcome
from newtongue.stages.pretrain.config import Architecture, Distillation, PretrainConfig


@dataclass(frozen=True, slots=True)
class Trained:
    """What there is to tell of a finished training.

    Attributes:
        rings: Tokenised sources.
        shares: Share of each source in the training tokens.
        plan: Steps and their size.
        log: Lines of the training log.
        sizes: Counts of the written model.
        seconds: Phase -> wall time.
    """

    rings: Mapping[str, Ring]
    shares: Mapping[str, float]
    plan: Plan
    log: Sequence[Mapping[str, Any]]
    sizes: Mapping[str, int]
    seconds: Mapping[str, float]

    @property
    def tokens(self) -> int:
        """Tokens trained on, replay included."""
        return self.plan.steps * self.plan.tokens_per_step


def outcome(config: PretrainConfig, trained: Trained) -> Outcome:
    """Say what was trained on, how it went and what is doubtful about it."""
    counts = {"tokens": trained.tokens, "steps": trained.plan.steps, **trained.sizes}
    licences: Counter[str] = Counter()
    for name, ring in trained.rings.items():
        counts |= {f"{name}_documents": ring.documents, f"{name}_tokens": ring.tokens}
        licences.update(ring.licences)
    return Outcome(
        counts=counts,
        metrics=losses(trained),
        licences=dict(licences),
        languages=sorted({tag for ring in trained.rings.values() for tag in ring.languages}),
        card=card(config, trained),
        costs={**trained.seconds, "tokens_per_second": trained.tokens / max(trained.seconds["train_seconds"], 1e-9)},
    )


def losses(trained: Trained) -> dict[str, float]:
    """Return the training loss of each source over the last tenth of the log."""
    tail = trained.log[-max(1, len(trained.log) // 10) :]
    metrics = {}
    for name in trained.rings:
        lines = [line["sources"][name] for line in tail if name in line["sources"]]
        tokens = sum(line["tokens"] for line in lines)
        for key, label in (("loss", "loss_nats_per_token"), ("bits_per_byte", "bits_per_byte")):
            if tokens and all(key in line for line in lines):
                metrics[f"{name}_{label}"] = round(sum(line[key] * line["tokens"] for line in lines) / tokens, 5)
    return metrics


def card(config: PretrainConfig, trained: Trained) -> list[str]:
    """Return the paragraphs of the model's card."""
    mix = ", ".join(
        f"{name} {share:.0%} ({share * trained.tokens / trained.rings[name].tokens:.1f} passes over "
        f"{trained.rings[name].tokens:,} tokens)"
        for name, share in trained.shares.items()
    )
    fresh = isinstance(config.model, Architecture)
    start = "from random weights" if fresh else f"from {config.model}"
    lines = [f"Trained {start} on {trained.tokens:,} tokens in sequences of {config.sequence_length}: {mix}."]
    if config.lora:
        lines.append(f"Adapters of rank {config.lora.rank} were trained and merged; rows trained: {config.lora.rows}.")
    if config.distillation:
        where = "all text" if config.distillation.on == "all" else "the replay"
        share, taught = config.distillation.weight, _teacher(config.distillation)
        lines.append(f"On {where} {share:.0%} of the target were predictions of {taught}.")
    if config.replay is None and config.distillation is None and not fresh:
        lines.append("Warning: no replay. What the model knew of other languages will have got worse.")
    elif config.replay is not None and config.replay.corpus is None:
        lines.append(f"The replay was sampled from {config.replay.sampled_from} at temperature 1.")
    return lines


def _teacher(how: Distillation) -> str:
    """Say who taught."""
    counts = how.counts and f"counts of up to {how.counts.order} tokens"
    if how.model is None:
        return str(counts)
    return f"a teacher, mixed with {how.counts.share:.0%} of {counts}" if how.counts else "a teacher"
