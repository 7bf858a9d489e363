"""What `pretrain` will take."""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.pretrain.config import Architecture, PretrainConfig


def estimate(config: PretrainConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and the size of the model."""
    if isinstance(config.model, Architecture):
        shape = config.model
        body = shape.layers * (4 * shape.hidden_size**2 + 3 * shape.hidden_size * shape.intermediate_size)
        rows = shape.vocabulary * shape.hidden_size
        makes = Counts(
            parameters=body + rows * (1 if shape.tied else 2),
            rows=shape.vocabulary,
            hidden=shape.hidden_size,
            layers=shape.layers,
            tied=shape.tied,
        )
    else:
        makes = counts.get(str(config.model), Counts())
    seconds = 6 * makes.parameters * config.tokens / (machine.teraflops * 1e12 * machine.devices)
    return Estimate(
        seconds=(seconds / 1.5, seconds + 5, 1.5 * seconds + 20),
        tokens=config.tokens,
        memory_gb=0.5 + 16 * makes.parameters / 1e9,
        makes=makes,
    )
