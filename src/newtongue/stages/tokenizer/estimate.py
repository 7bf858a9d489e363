"""What expanding a vocabulary takes.

Time grows with the training text read (at most `max_bytes`), with the protected text, which is encoded before and
after, and with the weights, which are copied once. Memory grows with the training text; the weights stream through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.tokenizer.config import TokenizerConfig

START_SECONDS = 3.0
"""Loading transformers and two tokenizers."""
LEARN_SECONDS_PER_MB = 1.2
"""Segmenting, learning, measuring; one core, per 10^6 bytes of training text."""
PROTECT_SECONDS_PER_MB = 0.9
"""Encoding protected text before and after; one core, per 10^6 bytes."""
DISK_MB_PER_SECOND = 300.0
WEIGHT_BYTES = 2
AUTO_TOKENS_AT_1_MB, AUTO_GROWTH = 864, 0.53
"""What `auto` chose for 1 MB of Urdu, and how that grew from 20 kB (64) to 50 MB (6,561)."""
PASSES_OF_LEARNING = 5
"""Forward and backward through the frozen model, and the old spelling forward: two to three times as many tokens."""
MEMORY_PER_TEXT_BYTE = 12
"""Texts, distinct pre-tokens and one batch of encodings."""


def estimate(config: TokenizerConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and disk of the stage and the size of the expanded model."""
    model, corpus = counts.get(str(config.model), Counts()), counts.get(str(config.corpus), Counts())
    text_mb = min(corpus.utf8_bytes, config.max_bytes) / 1e6
    protected_mb = sum(counts.get(str(ref), Counts()).utf8_bytes for ref in config.protect) / 1e6
    weights_mb = model.parameters * WEIGHT_BYTES / 1e6
    likely = START_SECONDS + text_mb * LEARN_SECONDS_PER_MB + protected_mb * PROTECT_SECONDS_PER_MB
    likely += weights_mb / DISK_MB_PER_SECOND
    model_seconds, model_gb = _running(config, model, machine)
    likely += model_seconds
    tokens = expected_tokens(config, corpus.utf8_bytes)
    made = _expanded(config, model, tokens)
    return Estimate(
        seconds=(likely / 2, likely, likely * 3),
        memory_gb=0.7 + model_gb + (text_mb * MEMORY_PER_TEXT_BYTE + model.rows * model.hidden * 4 / 1e6) / 1e3,
        disk_gb=made.parameters * WEIGHT_BYTES / 1e9,
        makes=made,
        notes=(f"{tokens:,} new tokens are assumed; a small text may hold fewer",),
    )


def _running(config: TokenizerConfig, model: Counts, machine: Machine) -> tuple[float, float]:
    """Return seconds and memory, 10^9 bytes, of initialisers that run the model (in fp32)."""
    init = config.initialisation
    learns = {init.input, init.head} & {"vocadt", "token_distillation"}
    tokens = (init.learning.tokens * PASSES_OF_LEARNING if learns else 0) + init.measure_tokens
    seconds = tokens * 2 * model.parameters / (machine.teraflops * 1e12)
    return seconds, 4 * model.parameters / 1e9 if tokens else 0.0


def expected_tokens(config: TokenizerConfig, utf8_bytes: int) -> int:
    """Return the number of new tokens; `auto` is guessed from the size of the text."""
    if config.new_tokens != "auto":
        return config.new_tokens
    return round(AUTO_TOKENS_AT_1_MB * (min(utf8_bytes, config.max_bytes) / 1e6) ** AUTO_GROWTH)


def _expanded(config: TokenizerConfig, model: Counts, tokens: int) -> Counts:
    """Return the model's counts with every new token added and rows padded."""
    multiple = config.pad_rows_to
    rows = -(-(model.rows + tokens) // multiple) * multiple if model.rows and tokens else model.rows
    matrices = 1 if model.tied else 2
    return replace(
        model, rows=rows, parameters=model.parameters + (rows - model.rows) * model.hidden * matrices, exact=False
    )
