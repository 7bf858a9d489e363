"""What `sft` will take, before it runs.

The law of `pretrain`, with the tokens of the conversations times `epochs`, English share included.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.methods.training_cost import Adapters, Shape, memory_bytes, overhead_seconds, spread, training_seconds
from newtongue.stages.sft.config import SftConfig

START_SECONDS = 6.0
"""Loading torch and transformers, the model and the tokenizer."""
TOKENS_PER_CONVERSATION = 120
"""Assumed where nothing is known of the conversations."""
BYTES_PER_TOKEN = 3.5
PROGRAM_GB = 0.6


def estimate(config: SftConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time and memory of the stage; the model keeps its size."""
    model = counts.get(str(config.model), Counts())
    shape = Shape(model.parameters, model.rows, model.hidden, model.layers, model.tied)
    adapters = Adapters(config.lora.rank) if config.lora else None
    rows, length = size(config, counts)
    text = sum(config.shares_of_text())
    own = (1 - text) * (1 - (config.english_share if config.english else 0.0))
    mean = (1 - text) * length + text * config.sequence_length
    tokens = int(config.epochs * rows / own * mean)
    loop = training_seconds(shape, tokens, length, machine.teraflops * 1e12, adapters=adapters)
    passes = int(config.epochs * rows / config.micro_batch / config.devices)
    at_once = config.micro_batch * min(config.sequence_length, 2 * length)
    memory = PROGRAM_GB + memory_bytes(shape, at_once, adapters=adapters, devices=config.devices) / 1e9
    return Estimate(
        seconds=spread(max(loop, overhead_seconds(shape, passes)), START_SECONDS),
        tokens=tokens,
        memory_gb=memory,
        disk_gb=(26 if adapters is None else 2) * shape.parameters / 1e9,
        makes=model,
        cheaper="" if memory <= machine.memory_gb else "lora: {rank: 16} with micro_batch: 1",
    )


def size(config: SftConfig, counts: Mapping[str, Counts]) -> tuple[int, int]:
    """Return the number of conversations and their assumed mean length in tokens."""
    data = counts.get(str(config.data), Counts())
    length = TOKENS_PER_CONVERSATION
    if data.documents and data.utf8_bytes:
        length = int(data.utf8_bytes / data.documents / BYTES_PER_TOKEN)
    rows = data.documents or data.utf8_bytes // 400
    return rows, max(8, min(length, config.sequence_length))
