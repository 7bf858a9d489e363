"""Estimates lie within half of published throughputs, and within what was measured on two CPU cores."""

from __future__ import annotations

import pytest

from newtongue.methods.training_cost import Adapters, Shape, flops_per_token, memory_bytes, training_seconds

LLAMA_8B = Shape(8_030_261_248, 128_256, 4096, 32, tied=False)
LLAMA_3B = Shape(3_212_749_824, 128_256, 3072, 28)
NANO = Shape(3_443_136, 4096, 192, 6)
H100, A6000, RTX_4090, A100, TWO_CORES = 346e12, 137e12, 89e12, 160e12, 0.116e12
"""Sustained training speed of each device, floating-point operations per second (35 % of peak on an H100)."""

PUBLISHED = [
    # tokens/s of one device: torchtitan benchmarks/llama3_h100_202412; torchtune README.
    ("8B full, H100", LLAMA_8B, 8192, H100, None, 5762),
    ("8B full compiled, H100", LLAMA_8B, 8192, H100, None, 6667),
    ("8B LoRA, A6000", LLAMA_8B, 2048, A6000, Adapters(16), 4699),
    ("8B full, A6000", LLAMA_8B, 2048, A6000, None, 2579),
    ("8B LoRA, 4090", LLAMA_8B, 2048, RTX_4090, Adapters(16), 3083),
    ("8B full, 4090", LLAMA_8B, 2048, RTX_4090, None, 1650),
    ("3B full packed, A100", LLAMA_3B, 4096, A100, None, 7075),
    ("nano, two CPU cores", NANO, 256, TWO_CORES, None, 5800),
]


@pytest.mark.parametrize(("shape", "length", "speed", "adapters", "measured"), [row[1:] for row in PUBLISHED])
def test_estimates_lie_within_half_of_measurements(
    shape: Shape, length: int, speed: float, adapters: Adapters | None, measured: float
) -> None:
    predicted = 1e6 / training_seconds(shape, 1_000_000, length, speed, adapters=adapters)
    assert measured / 1.5 <= predicted <= measured * 1.5


def test_adapters_spare_a_third_of_the_arithmetic_and_most_memory() -> None:
    full, low = flops_per_token(LLAMA_8B, 1024), flops_per_token(LLAMA_8B, 1024, Adapters(16))
    assert 0.6 < low / full < 0.75
    assert memory_bytes(LLAMA_8B, 1024) > 140e9
    assert memory_bytes(LLAMA_8B, 1024, adapters=Adapters(16)) < 24e9
    assert memory_bytes(LLAMA_8B, 1024, devices=8) < 30e9
