"""What `transform` will take: time by bytes of text, no money."""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.transform.config import TransformConfig

BYTES_PER_SECOND = (4e6, 1.5e6, 5e5)
"""Reading, changing and writing on one core: good, likely, bad."""
START_SECONDS = 1.5
"""Process start."""


def estimate(config: TransformConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time and the size of the transformed set."""
    given = counts[str(config.data)]
    rows = min(given.documents, config.rows or given.documents)
    size = given.utf8_bytes * rows / max(1, given.documents)
    fast, usual, slow = (START_SECONDS + size / speed for speed in BYTES_PER_SECOND)
    return Estimate(
        seconds=(fast, usual, slow),
        memory_gb=0.3,
        disk_gb=2e-9 * size,
        makes=Counts(documents=rows, utf8_bytes=int(size)),
    )
