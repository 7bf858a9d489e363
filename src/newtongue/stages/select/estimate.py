"""What `select` will take.

Time and memory grow with the rows; everything is read once, sorted and written once.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.select.config import SelectConfig

START_SECONDS = 0.7
"""Process start and imports."""
SECONDS_PER_ROW = 2e-5
"""Reading, sorting and writing one short row."""


def estimate(config: SelectConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time and the size of what is kept."""
    source = counts.get(str(config.candidates), Counts())
    available = max(1, source.documents)
    kept = min(config.keep, available) if config.keep else max(1, round(available * config.keep_fraction))
    seconds = START_SECONDS + SECONDS_PER_ROW * available
    return Estimate(
        seconds=(seconds / 1.5, seconds, 3 * seconds),
        disk_gb=2 * source.utf8_bytes / 1e9,
        memory_gb=0.3 + 5 * source.utf8_bytes / 1e9,
        makes=Counts(documents=kept, utf8_bytes=source.utf8_bytes * kept // available),
    )
