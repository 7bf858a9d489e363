"""What `select` will take.

Rows are read once and written once. On top of that come: hashed n-gram vectors per byte; clusters, about ten
passes of rows times clusters times dimensions; a choice row by row, at most rows times kept rows times dimensions (lazy
methods look at a part of them); and the nearest kept row of every row, the same product once. A pool of more than
`shard_rows` rows stays on disk: memory then grows by a few hundred bytes per row, not by its text, and each shard has
the clusters of its own size. Shards worked on at a time (`engine.processes`) are held at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.select.config import EMBEDDED, SelectConfig

START_SECONDS = 0.5
"""Process start and imports."""
SECONDS_PER_ROW = 4e-5
"""Reading, sorting and writing one short row."""
VECTOR_SECONDS_PER_BYTE = 4e-6
"""Hashed n-grams of one byte of text."""
MULTIPLY_ADDS_PER_SECOND = 2e10
"""Exact products in float32, one core."""
CLUSTER_PASSES = 10
"""Passes over all rows that finding clusters takes, samples included."""
BYTES_PER_ROW = 200
"""Memory for the id and the numbers of a row whose text stays on disk."""
SCORER_SECONDS_PER_ROW = 0.012
"""Training a scorer: a row, its spoiled twins, and one language left out in turn."""


def estimate(config: SelectConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time and the size of what is kept."""
    source = counts.get(str(config.candidates), Counts())
    available = max(1, source.documents)
    kept = min(config.keep, available) if config.keep else max(1, round(available * config.keep_fraction))
    seconds = START_SECONDS + SECONDS_PER_ROW * available
    if config.train:
        learnt = min(available, config.train.max_rows)
        seconds += SCORER_SECONDS_PER_ROW * learnt * (4 if config.train.leave_out_language else 1)
        return Estimate(
            seconds=(seconds / 1.5, seconds, 3 * seconds), disk_gb=0.01, memory_gb=0.6, makes=Counts(documents=learnt)
        )
    dimensions = _dimensions(config, counts)
    if dimensions:
        clusters = config.diversity.clusters or math.isqrt(min(available, config.shard_rows) // 2) + 1
        products = available * dimensions * (CLUSTER_PASSES * clusters + 2 * kept)
        seconds += VECTOR_SECONDS_PER_BYTE * source.utf8_bytes + products / MULTIPLY_ADDS_PER_SECOND
    held = min(available, config.shard_rows)
    texts = source.utf8_bytes if held == available else 0
    shards = min(config.engine.processes, -(-available // config.shard_rows))
    return Estimate(
        seconds=(seconds / 1.5, seconds, 3 * seconds),
        disk_gb=((2 if texts else 3) * source.utf8_bytes + 2 * available * dimensions) / 1e9,
        memory_gb=0.3 + (5 * texts + 6 * shards * held * dimensions + BYTES_PER_ROW * available) / 1e9,
        makes=Counts(documents=kept, utf8_bytes=source.utf8_bytes * kept // available),
        notes=("encoder time is not included",) if config.embeddings and config.embeddings.encoder else (),
    )


def _dimensions(config: SelectConfig, counts: Mapping[str, Counts]) -> int:
    if config.embeddings is None:
        return 384 if config.method in EMBEDDED else 0
    encoder = config.embeddings.encoder
    return (counts.get(str(encoder), Counts()).hidden or 768) if encoder else config.embeddings.dimensions
