"""A vector for every row, computed once per content: found again in the store when the same texts are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays
from newtongue.core.context import Context
from newtongue.methods.corruption import Example
from newtongue.methods.hashed_embedding import SLOTS, inverse_frequency, occurrences, project_texts
from newtongue.methods.quality import render
from newtongue.methods.unit_grid import Grid, to_grid
from newtongue.stages.select.config import Embeddings
from newtongue.stages.select.pool import Pool

CHUNK_ROWS = 1024
"""Rows an encoder's results are kept in together: a stage that was killed goes on from the last ones."""
BLOCK_ROWS = 65536
"""Rows whose n-grams are looked at together; a matter of memory only."""
FORMAT = "1"
"""Raised when vectors of the same content would come out differently."""


def embed(config: Embeddings, context: Context, pool: Pool) -> Grid:
    """Return unit vectors of rows on the grid: array (N, D). Those of a large pool are mapped from disk (np.memmap)."""
    folder = context.store / ".cache" / "embeddings"
    if config.encoder is None:
        rendered = (text for batch in pool.batches(BLOCK_ROWS) for text in _rendered(batch))
        key, shape = _key(["ngrams", str(config.dimensions)], rendered), (len(pool), config.dimensions)
        found = _cached(folder, key, shape, lambda: _told(_ngrams(config, pool), context, pool), pool.streamed)
    else:
        parts = _told(pool.each(Encode.of(config, context, folder), CHUNK_ROWS), context, pool)
        blocks = (part["vectors"] for part in parts)
        file = context.scratch / "vectors.npy"
        found = _filled(file, (len(pool), -1), blocks) if pool.streamed else np.concatenate(list(blocks))
    return _centred(found, context.scratch / "centred.npy" if pool.streamed else None) if config.centred else found


def _rendered(rows: Sequence[Example]) -> list[str]:
    return [render(row.prompt, row.answer) for row in rows]


def _told(parts: Iterator[Arrays], context: Context, pool: Pool) -> Iterator[Arrays]:
    """Yield vectors and report how many there are."""
    done = 0
    for part in parts:
        done += len(part["vectors"])
        context.progress(done, len(pool), "rows", note="embedding")
        yield part


def _ngrams(config: Embeddings, pool: Pool) -> Iterator[Arrays]:
    frequency = np.zeros(SLOTS, dtype=np.int64)
    for found in pool.each(count_ngrams, BLOCK_ROWS):
        frequency[found["slots"]] += found["texts"]
    return pool.each(Project(inverse_frequency(frequency, len(pool)), config.dimensions), BLOCK_ROWS)


def count_ngrams(rows: list[Example]) -> Arrays:
    """Return the slots whose n-grams occur in some rows, and in how many of them."""
    found = occurrences(_rendered(rows))
    slots = np.flatnonzero(found)
    return {"slots": slots.astype(np.int32), "texts": found[slots].astype(np.int32)}


@dataclass(frozen=True)
class Project:
    """Vectors of hashed n-grams.

    Attributes:
        rare: Rarity of the n-grams of every slot in the whole pool.
        dimensions: Numbers per vector.
    """

    rare: NDArray[np.float64]
    dimensions: int

    def __call__(self, rows: list[Example]) -> Arrays:
        """Return the vectors of some rows."""
        return {"vectors": project_texts(_rendered(rows), self.rare, self.dimensions)}


@dataclass(frozen=True)
class Encode:
    """Vectors of an encoder, kept by content as soon as they are made.

    Attributes:
        encoder: Its directory.
        fingerprint: Of the encoder; "" keeps nothing.
        folder: Where vectors are kept.
        max_tokens: Longer rows are cut.
        device: Where it runs.
        loaded: The encoder, once it is needed.
    """

    encoder: Path
    fingerprint: str
    folder: Path
    max_tokens: int
    device: str
    loaded: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, config: Embeddings, context: Context, folder: Path) -> Encode:
        """Take the settings."""
        assert config.encoder is not None
        artefact = context[config.encoder]
        return cls(artefact.path, artefact.fingerprint or "", folder, config.max_tokens, config.device)

    def __call__(self, rows: list[Example]) -> Arrays:
        """Return the vectors of some rows."""
        texts = _rendered(rows)
        chunks = (texts[first : first + CHUNK_ROWS] for first in range(0, len(texts), CHUNK_ROWS))
        return {"vectors": np.concatenate([self._kept(chunk) for chunk in chunks])}

    def _kept(self, chunk: list[str]) -> Grid:
        if not self.fingerprint:
            return self._made(chunk)
        key = _key(["encoder", self.fingerprint, str(self.max_tokens)], chunk)
        return _cached(self.folder, key, (len(chunk), -1), lambda: iter([{"vectors": self._made(chunk)}]), False)

    def _made(self, chunk: list[str]) -> Grid:
        from newtongue.adapters.hf.pooling import Encoder, Shown

        if not self.loaded:
            self.loaded.append(Encoder(self.encoder, self.max_tokens, self.device))
        return to_grid(self.loaded[0].vectors([Shown(text, 0) for text in chunk]))


def _centred(rows: Grid, file: Path | None) -> Grid:
    mean = rows.sum(axis=0, dtype=np.float64) / len(rows)
    blocks = (to_grid(rows[first : first + BLOCK_ROWS] - mean) for first in range(0, len(rows), BLOCK_ROWS))
    return _filled(file, rows.shape, blocks) if file else np.concatenate(list(blocks))


def _key(settings: Sequence[str], texts: Iterable[str]) -> str:
    made = blake2b(digest_size=16)
    for text in (FORMAT, *settings):
        made.update(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    for text in texts:
        made.update(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return made.hexdigest()


def _cached(folder: Path, key: str, shape: tuple[int, int], make: Callable[[], Iterator[Arrays]], mapped: bool) -> Grid:
    """Return the array kept under a key, made and kept when it is not there yet."""
    file = folder / f"{key}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{key}.{os.getpid()}.part"
        _filled(part, shape, (each["vectors"] for each in make()))
        os.replace(part, file)
    found: Grid = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    return found


def _filled(file: Path, shape: tuple[int, int], blocks: Iterator[Grid]) -> Grid:
    """Write blocks of rows into an array on disk, one after the other; a width of -1 is the blocks' own."""
    whole, done = None, 0
    for block in blocks:
        if whole is None:
            whole = np.lib.format.open_memmap(file, mode="w+", dtype=np.int16, shape=(shape[0], block.shape[1]))
        whole[done : done + len(block)] = block
        done += len(block)
    assert whole is not None, "a pool has a row at least"
    whole.flush()
    return whole
