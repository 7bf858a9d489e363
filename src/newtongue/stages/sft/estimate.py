"""What `sft` will take."""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.sft.config import SftConfig


def estimate(config: SftConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and the size of the model."""
    model, data = counts.get(str(config.model), Counts()), counts.get(str(config.data), Counts())
    tokens = int(config.epochs * (data.tokens or data.utf8_bytes // 3))
    seconds = 6 * model.parameters * tokens / (machine.teraflops * 1e12 * machine.devices)
    return Estimate(
        seconds=(seconds / 1.5, seconds + 5, 1.5 * seconds + 20),
        tokens=tokens,
        memory_gb=0.5 + 16 * model.parameters / 1e9,
        makes=model,
    )
