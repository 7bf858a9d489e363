"""What `corpus` will take.

Time grows with the bytes of text and falls with `workers`; looking for near duplicates halves the speed. Memory grows
with the number of documents, not with their length. Disk holds the text once more while the stage runs, a signature
per document, and about half the size of the text in Parquet for good.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.corpus.config import CorpusConfig

BYTES_PER_SECOND = 5e6
"""Read, clean and find near duplicates, one core (measured on Urdu documents and English books)."""
BYTES_PER_SECOND_EXACT = 10e6
"""The same without near duplicates."""
START_SECONDS = 0.8
KEPT_FRACTION = 0.97
"""Share of text that usually stays."""
MEMORY_PER_DOCUMENT = 600
"""Bytes for hashes, ids and places."""
TEXT_PER_DOCUMENT = 3000
"""Bytes assumed where nothing is known of a source."""


def estimate(config: CorpusConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, memory and the size of the corpus."""
    sources = [counts.get(str(source.path), Counts()) for source in config.sources]
    documents, text = sum(one.documents for one in sources), sum(one.utf8_bytes for one in sources)
    unknown = [str(source.path) for source, one in zip(config.sources, sources, strict=True) if not one.utf8_bytes]
    if unknown and config.max_documents is not None:
        documents, text = config.max_documents, config.max_documents * TEXT_PER_DOCUMENT
    elif config.max_documents is not None and documents > config.max_documents:
        text = text * config.max_documents // documents
        documents = config.max_documents
    speed = BYTES_PER_SECOND if config.near_duplicates else BYTES_PER_SECOND_EXACT
    seconds = text / speed / config.workers
    kept = int(KEPT_FRACTION * text)
    heldout = int(kept * config.heldout_fraction)
    filtered = any(source.only or source.exclude for source in config.sources)
    return Estimate(
        seconds=(START_SECONDS + 0.6 * seconds, START_SECONDS + seconds, 2 * START_SECONDS + 2 * seconds),
        memory_gb=0.3 + documents * MEMORY_PER_DOCUMENT / 1e9,
        disk_gb=(text + documents * 448 + 0.5 * kept) / 1e9,
        makes=Counts(
            documents=documents,
            utf8_bytes=kept,
            extra={"train_utf8_bytes": kept - heldout, "heldout_utf8_bytes": heldout},
        ),
        notes=_notes(unknown, filtered),
    )


def _notes(unknown: list[str], filtered: bool) -> tuple[str, ...]:
    notes = [f"the size of {name} is not known before it is here" for name in unknown]
    if filtered:
        notes.append("`only` and `exclude` may leave less text than the files hold")
    return tuple(notes)
