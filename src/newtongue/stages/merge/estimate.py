"""What a merge takes: reading every model once and writing one.

Time grows with stored bytes times models, `base` and `instruct` counted. Memory does not grow with the models: tensors
stream through in blocks. Disk is one model, less the shards that can be hard links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.merge.config import MergeConfig

START_SECONDS = 0.25
MODEL_MB_PER_SECOND = 350.0
"""Reading, adding in fp32 and rounding on one core, 10^6 stored bytes per second and model."""
WEIGHT_BYTES = 2


def estimate(config: MergeConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and disk of the stage; the result is as large as the first model."""
    first = counts.get(str(config.models[0]), Counts())
    models = len(config.models) + (config.base is not None) + (config.instruct is not None)
    megabytes = first.parameters * WEIGHT_BYTES / 1e6
    likely = START_SECONDS + models * megabytes / MODEL_MB_PER_SECOND
    return Estimate(
        seconds=(likely / 2, likely, likely * 3),
        memory_gb=0.3 + 0.1 * models,
        disk_gb=megabytes / 1e3,
        makes=replace(first, exact=False),
    )
