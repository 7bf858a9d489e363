"""What `pretrain` will take, before it runs.

Time is tokens times operations per token over the machine's sustained speed (below), but no less than starting the
operations takes, plus tokenising the text and, when the replay is sampled, two operations per weight and sampled
token at a quarter of the speed. Memory is weights, gradients, moments and activations of one micro-batch. Disk is two
checkpoints of 12 bytes per trained weight and the model itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.methods.training_cost import (
    Adapters,
    Shape,
    memory_bytes,
    overhead_seconds,
    spread,
    training_seconds,
)
from newtongue.stages.pretrain.config import Architecture, PretrainConfig

START_SECONDS = 6.0
"""Loading torch and transformers, the model and the tokenizer."""
BYTES_PER_SECOND = 1.5e6
"""Text tokenised per second."""
SAMPLED_FLOPS_FRACTION = 0.25
"""Share of the training speed that sampling reaches: one token at a time moves weights, not numbers."""
FORWARD_SHARE = 1 / 3
"""Time of a teacher's forward pass, as a share of a whole training step of a model of its size."""
PROGRAM_GB = 0.6
"""Memory of the program itself."""


def estimate(config: PretrainConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and disk of the stage and the size of the model it makes."""
    made = from_architecture(config.model) if isinstance(config.model, Architecture) else counts[str(config.model)]
    shape = Shape(made.parameters, made.rows, made.hidden, made.layers, made.tied)
    adapters = Adapters(config.lora.rank, new_rows(config, made)) if config.lora else None
    speed = machine.teraflops * 1e12
    loop = training_seconds(shape, config.tokens, config.sequence_length, speed, adapters=adapters)
    loop *= 1 + taught_share(config) * FORWARD_SHARE
    passes = config.tokens // max(1, config.sequence_length * config.micro_batch * config.devices)
    text = sum(counts.get(str(ref), Counts()).utf8_bytes for ref in corpora(config))
    fixed = START_SECONDS + text / BYTES_PER_SECOND + sampling_seconds(config, counts, speed)
    memory = peak_gb(config, shape, adapters) + teacher_gb(config, counts)
    return Estimate(
        seconds=spread(max(loop, overhead_seconds(shape, passes)), fixed),
        tokens=config.tokens,
        memory_gb=memory,
        disk_gb=(2 * 12 + 2) * (shape.parameters if adapters is None else 0) / 1e9 + 2 * shape.parameters / 1e9,
        makes=Counts(**{name: getattr(made, name) for name in ("parameters", "rows", "hidden", "layers", "tied")}),
        notes=() if made.parameters else ("the size of the model is not known yet",),
        cheaper=cheaper(config, shape, machine) if memory > machine.memory_gb else "",
    )


def from_architecture(shape: Architecture) -> Counts:
    """Return the size of a Llama of this architecture."""
    norms = (2 * shape.layers + 1) * shape.hidden_size
    body = shape.layers * (4 * shape.hidden_size**2 + 3 * shape.hidden_size * shape.intermediate_size)
    rows = shape.vocabulary * shape.hidden_size * (1 if shape.tied else 2)
    return Counts(
        parameters=norms + body + rows,
        rows=shape.vocabulary,
        hidden=shape.hidden_size,
        layers=shape.layers,
        tied=shape.tied,
    )


def corpora(config: PretrainConfig) -> list[str]:
    """Return every reference to text."""
    target = list(config.corpus.values()) if isinstance(config.corpus, dict) else [config.corpus]
    return [*target, *([config.replay.corpus] if config.replay and config.replay.corpus else [])]


def new_rows(config: PretrainConfig, model: Counts) -> int:
    """Return how many embedding rows train in full beside adapters."""
    assert config.lora is not None
    added = int(model.extra.get("new_rows", model.extra.get("new_tokens", 0)))
    return {"all": model.rows, "new": added, "none": 0}[config.lora.rows]


def sampling_seconds(config: PretrainConfig, counts: Mapping[str, Counts], speed: float) -> float:
    """Return the time of sampling the replay, when it is sampled."""
    if config.replay is None or config.replay.corpus is not None:
        return 0.0
    sampler = counts.get(str(config.replay.sampled_from), Counts())
    return config.replay.tokens * 2 * sampler.parameters / (speed * SAMPLED_FLOPS_FRACTION)


def taught_share(config: PretrainConfig) -> float:
    """Return the share of the training tokens that a model that teaches reads too."""
    if config.distillation is None or config.distillation.model is None:
        return 0.0
    return 1.0 if config.distillation.on == "all" or config.replay is None else config.replay.share


def teacher_gb(config: PretrainConfig, counts: Mapping[str, Counts]) -> float:
    """Return the memory of the teacher's weights, at two bytes each, in 10^9 bytes."""
    named = config.distillation and config.distillation.model
    return 2e-9 * counts[named].parameters if named else 0.0


def peak_gb(config: PretrainConfig, shape: Shape, adapters: Adapters | None, micro_batch: int | None = None) -> float:
    """Return the peak memory of one device in 10^9 bytes."""
    at_once = (micro_batch or config.micro_batch) * config.sequence_length
    return PROGRAM_GB + memory_bytes(shape, at_once, adapters=adapters, devices=config.devices) / 1e9


def cheaper(config: PretrainConfig, shape: Shape, machine: Machine) -> str:
    """Return the setting that would make it fit."""
    adapters = Adapters(config.lora.rank) if config.lora else None
    if peak_gb(config, shape, adapters, micro_batch=1) <= machine.memory_gb:
        return "micro_batch: 1"
    if peak_gb(config, shape, Adapters(16), micro_batch=1) <= machine.memory_gb:
        return "lora: {rank: 16} with micro_batch: 1"
    return "a machine with more memory, or more devices"
