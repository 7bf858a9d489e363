"""A vector for every row, computed once per content: found again in the store when the same texts are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from newtongue.core.context import Context
from newtongue.methods.hashed_embedding import project_texts, rarity
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
    """Return unit vectors of rows on the grid: array (N, D). Those of a large pool are mapped from disk."""
    folder = context.store / ".cache" / "embeddings"
    if config.encoder is None:
        key = _key(["ngrams", str(config.dimensions)], (text for part in _texts(pool, BLOCK_ROWS) for text in part))
        found = _cached(folder, key, (len(pool), config.dimensions), lambda: _ngrams(config, pool), pool.streamed)
    else:
        found = _encoded(config, context, pool, folder)
    return _centred(found, context.scratch / "centred.npy" if pool.streamed else None) if config.centred else found


def _texts(pool: Pool, size: int) -> Iterator[list[str]]:
    return ([render(row.prompt, row.answer) for row in batch] for batch in pool.batches(size))


def _ngrams(config: Embeddings, pool: Pool) -> Iterator[Grid]:
    rare = rarity(_texts(pool, BLOCK_ROWS))
    return (project_texts(texts, rare, config.dimensions) for texts in _texts(pool, BLOCK_ROWS))


def _encoded(config: Embeddings, context: Context, pool: Pool, folder: Path) -> Grid:
    from newtongue.adapters.hf.pooling import Encoder, Shown

    assert config.encoder is not None
    artefact = context[config.encoder]
    loaded: list[Encoder] = []

    def encoder() -> Encoder:
        if not loaded:
            loaded.append(Encoder(artefact.path, config.max_tokens, config.device))
        return loaded[0]

    def run(chunk: Sequence[str]) -> Grid:
        return to_grid(encoder().vectors([Shown(text, 0) for text in chunk]))

    def parts() -> Iterator[Grid]:
        done = 0
        for chunk in _texts(pool, CHUNK_ROWS):
            if artefact.fingerprint:
                key = _key(["encoder", artefact.fingerprint, str(config.max_tokens)], chunk)
                shape = (len(chunk), -1)
                yield _cached(folder, key, shape, lambda chunk=chunk: iter([run(chunk)]), False)
            else:
                yield run(chunk)
            context.progress(done := done + len(chunk), len(pool), "rows", note="embedding")

    if not pool.streamed:
        return np.concatenate(list(parts()))
    return _filled(context.scratch / "vectors.npy", (len(pool), -1), parts())


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


def _cached(folder: Path, key: str, shape: tuple[int, int], make: Callable[[], Iterator[Grid]], mapped: bool) -> Grid:
    """Return the array kept under a key, made and kept when it is not there yet."""
    file = folder / f"{key}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{key}.{os.getpid()}.part"
        _filled(part, shape, make())
        os.replace(part, file)
    return np.asarray(np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False))


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
