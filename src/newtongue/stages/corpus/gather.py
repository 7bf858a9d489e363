"""The first pass: every row is read and examined once; good ones wait in a draft, the others stand aside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.tables import Draft, DraftWriter, Reject, RejectWriter
from newtongue.core.context import Context
from newtongue.core.language import LanguageCard
from newtongue.methods.deduplication import comparable, first_of_each, jaccard, shingles
from newtongue.stages.corpus.config import CorpusConfig, NearDuplicates
from newtongue.stages.corpus.examine import Examined
from newtongue.stages.corpus.reading import EXCERPT_CHARS, Reading
from newtongue.stages.corpus.workers import examined

PROGRESS_ROWS = 64
CACHED_SHINGLE_SETS = 32


@dataclass(frozen=True, slots=True)
class Gathered:
    """Documents that passed their own checks.

    Attributes:
        draft: The documents, by row number.
        signatures: File of MinHash signatures, row by row.
        origins: Per row the first row with the same content.
        places: Per row where it was read.
    """

    draft: Draft
    signatures: Path
    origins: list[int]
    places: list[str]

    def near_duplicates(self, near: NearDuplicates) -> NDArray[np.int64]:
        """Return per row the number of the earlier row it nearly repeats, or -1."""
        if not self.origins:
            return np.empty(0, dtype=np.int64)
        signatures: Any = np.memmap(self.signatures, dtype=np.uint32, mode="r").reshape(-1, near.hashes)

        @lru_cache(maxsize=CACHED_SHINGLE_SETS)
        def shingle_set(row: int) -> NDArray[np.uint64]:
            return shingles(comparable(self.draft.text(row)), near.shingle_chars)

        return first_of_each(signatures, near.jaccard, lambda kept, row: jaccard(shingle_set(kept), shingle_set(row)))


def gather(
    reading: Reading, config: CorpusConfig, context: Context, card: LanguageCard, aside: RejectWriter
) -> Gathered:
    """Read and examine every row of the sources.

    Args:
        reading: The sources.
        config: Settings of the stage.
        context: Its scratch folder takes the draft.
        card: Card of the language.
        aside: Takes the rows that do not get in.
    """
    files = context.scratch / "draft.arrow", context.scratch / "signatures.u4"
    first: dict[bytes, int] = {}
    origins: list[int] = []
    places: list[str] = []
    with DraftWriter(files[0]) as draft, open(files[1], "wb") as signatures:
        for place, found in examined(reading, config, card.script_ranges):
            if reading.rows % PROGRESS_ROWS == 0:
                context.progress(reading.rows, config.max_documents, "documents")
            origin = -1 if isinstance(found, Reject) else first.get(found.content, len(origins))
            reject = _reject(place, found, config, places[origin] if 0 <= origin < len(origins) else "")
            if reject is not None:
                aside.add(reject)
            elif isinstance(found, Examined):
                first.setdefault(found.content, origin)
                origins.append(origin)
                places.append(place)
                draft.add(found.document)
                signatures.write(b"" if found.signature is None else found.signature.tobytes())
    return Gathered(Draft(files[0]), files[1], origins, places)


def _reject(place: str, found: Examined | Reject, config: CorpusConfig, same_as: str) -> Reject | None:
    if isinstance(found, Reject):
        return found
    if found.fault:
        return Reject(place, found.fault, found.document.text[:EXCERPT_CHARS])
    if same_as and config.drop_exact_duplicates:
        return Reject(place, "exact duplicate", f"same as {same_as}")
    return None
