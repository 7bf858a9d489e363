"""What training costs: arithmetic per token, seconds, and memory of one device.

Symbols: `N` weights in matrix products, `L` layers, `D` width, `T` tokens per sequence, `V` rows.

Sources: 6N per token and the attention term from Chowdhery et al. 2022 (PaLM, arXiv 2204.02311, appendix B),
halved because attention is causal; 4N for frozen weights because their own gradient is not computed
(Hu et al. 2021, arXiv 2106.09685, section 4.2); activations from Korthikanti et al. 2022
(arXiv 2205.05198, eq. 1) without the quadratic term, which fused attention never stores.
"""

from __future__ import annotations

from dataclasses import dataclass

FULL_BYTES = 4 + 4 + 8
"""Bytes per trained weight: float32 value and gradient, two float32 moments of Adam."""
COPY_BYTES = 2
"""Bytes per weight of the bfloat16 copy that arithmetic uses (of a frozen weight there is nothing else)."""
ACTIVATION_BYTES = 34
"""Bytes per layer, position and unit of width kept for the backward pass."""
SPREAD = 1.5
"""Half-width, as a factor, of the range around a likely time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a model.

    Attributes:
        parameters: All weights.
        rows: Rows of the embedding matrix.
        hidden: Width.
        layers: Depth.
        tied: Whether input and output embeddings are one matrix.
    """

    parameters: int
    rows: int
    hidden: int
    layers: int
    tied: bool = True

    @property
    def multiplied(self) -> int:
        """Weights that take part in matrix products: all but the looked-up input rows of an untied model."""
        return self.parameters - (0 if self.tied else self.rows * self.hidden)

    @property
    def adapted(self) -> int:
        """Weights of the layers, which adapters of rank r replace by about 2 r sqrt(weights per matrix)."""
        return self.parameters - self.rows * self.hidden * (1 if self.tied else 2)


@dataclass(frozen=True, slots=True)
class Adapters:
    """Low-rank adapters on all linear layers.

    Attributes:
        rank: Rank.
        rows: Embedding rows that train in full.
    """

    rank: int
    rows: int = 0


def flops_per_token(shape: Shape, length: int, adapters: Adapters | None = None) -> float:
    """Return floating-point operations of one training token, forward and backward.

    Example:
        >>> llama_8b = Shape(8_030_261_248, 128_256, 4096, 32, tied=False)
        >>> round(flops_per_token(llama_8b, 8192) / 1e9, 1)
        51.5
    """
    attention = 12 * shape.layers * shape.hidden * length / 2
    if adapters is None:
        return 6 * shape.multiplied + attention
    return 4 * shape.multiplied + 6 * adapter_weights(shape, adapters) + attention


def adapter_weights(shape: Shape, adapters: Adapters) -> int:
    """Return the trained weights: two thin matrices for each of seven linear layers, and the rows in full.

    A layer of a Llama has about 12 widths of input and output to its adapted matrices in feed-forward layers
    3.5 times as wide as the model, and 8 in attention.
    """
    matrices = 1 if shape.tied else 2
    return 20 * shape.layers * shape.hidden * adapters.rank + adapters.rows * shape.hidden * matrices


def training_seconds(
    shape: Shape, tokens: int, length: int, flops_per_second: float, *, adapters: Adapters | None = None
) -> float:
    """Return the time of the training loop on a machine of this sustained speed."""
    return tokens * flops_per_token(shape, length, adapters) / flops_per_second


def overhead_seconds(shape: Shape, passes: int, seconds_per_layer: float = 2.5e-3) -> float:
    """Return the time a processor needs just to start the operations of this many forward and backward passes.

    Below it no accelerator can go: with small models and small micro-batches it is all the time there is.
    """
    return passes * shape.layers * seconds_per_layer


def memory_bytes(
    shape: Shape, tokens_at_once: int, *, adapters: Adapters | None = None, devices: int = 1, logits: int = 1 << 27
) -> float:
    """Return the peak memory of one device while training.

    Args:
        shape: The model.
        tokens_at_once: Tokens in one forward pass of one device.
        adapters: Adapters, or None when every weight learns.
        devices: Devices that share weights, gradients and moments.
        logits: Logits held in float32 at one time.

    Example:
        >>> llama_8b = Shape(8_030_261_248, 128_256, 4096, 32, tied=False)
        >>> round(memory_bytes(llama_8b, 1024, adapters=Adapters(16)) / 1e9)
        23
    """
    learnt = shape.parameters if adapters is None else adapter_weights(shape, adapters)
    state = (FULL_BYTES * learnt + COPY_BYTES * shape.parameters) / devices
    activations = ACTIVATION_BYTES * shape.layers * shape.hidden * tokens_at_once
    return state + activations + 10 * min(logits, tokens_at_once * shape.rows)


def spread(likely: float, fixed: float = 0.0) -> tuple[float, float, float]:
    """Return (low, likely, high) around a likely time plus a fixed part.

    Example:
        >>> spread(30.0, fixed=6.0)
        (24.0, 36.0, 54.0)
    """
    return ((likely + fixed) / SPREAD, likely + fixed, (likely + fixed) * SPREAD)
