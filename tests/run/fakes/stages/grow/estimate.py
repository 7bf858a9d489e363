"""What the test stage takes: what its settings say."""

from __future__ import annotations

from newtongue.core.budget import Counts, Estimate


def estimate(config, counts, machine):
    """Return the figures of the settings; a corpus is twice as large as its inputs."""
    size = 2 * sum(each.documents for each in counts.values()) or config.chunks
    return Estimate(
        seconds=(1.0, 2.0, 3.0),
        usd=(config.usd / 2, config.usd, config.usd * 2),
        memory_gb=config.memory_gb,
        disk_gb=config.disk_gb,
        makes=Counts(documents=size),
        cheaper="chunks: 1" if config.memory_gb > 1 else "",
    )
