"""Make the first answer of the CPU's vector mathematics as exact as every later one.

PyTorch hands the cosine, exponential and square root of whole arrays to MKL, a piece to each thread. MKL up to
2024.2 looks for the kernel of each function when it is first called; when two threads call it first at once, one of
them can be given the kernel of the lowest accuracy for that call: its piece is then wrong in the fourth digit.
"""

from __future__ import annotations

from functools import cache

import torch

FUNCTIONS = (
    *("acos", "asin", "atan", "cos", "erf", "erfc", "erfinv", "exp", "expm1", "lgamma", "log", "log10", "log1p"),
    *("log2", "sin", "sqrt", "tan", "tanh", "trunc"),
)
"""What PyTorch hands to MKL (`aten/src/ATen/cpu/vml.h`), and some that cost nothing to ask as well."""


@cache
def settle_vector_math() -> None:
    """Call every function once on a single number, which one thread does alone; later calls find their kernels.

    Source: pytorch/pytorch#188792. Found here as two evaluations of the same weights whose first forward pass differed
    in the sixth digit: the cosines of one half of the positions (`experiments/first_call.py`).
    """
    for dtype in (torch.float32, torch.float64):
        number = torch.full((1,), 0.5, dtype=dtype)
        for name in FUNCTIONS:
            getattr(torch, name)(number)
