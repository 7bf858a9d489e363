"""What `report` will take.

Resampling, which grows with the models compared times `bootstrap_draws`; nothing is trained or generated.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.report.config import ReportConfig

START_SECONDS = 0.7
"""Starting a process and reading manifests."""
SECONDS_PER_COMPARISON = 0.1
"""Bootstrap of one model's sets, at the default number of draws."""


def estimate(config: ReportConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return the time to resample; nothing is trained or generated."""
    comparisons = 2 + len(config.steps) + len(config.controls)
    seconds = START_SECONDS + SECONDS_PER_COMPARISON * comparisons * config.bootstrap_draws / 10_000
    return Estimate(seconds=(0.5 * seconds, seconds, 3 * seconds), memory_gb=0.3, disk_gb=0.001)
