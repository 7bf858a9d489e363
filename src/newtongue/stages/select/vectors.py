"""A vector for every row, computed once per content: found again in the store when the same texts are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from newtongue.core.context import Context
from newtongue.methods.corruption import Example
from newtongue.methods.hashed_embedding import embed_texts
from newtongue.methods.quality import render
from newtongue.methods.unit_grid import Grid, to_grid
from newtongue.stages.select.config import Embeddings

CHUNK_ROWS = 1024
"""Rows an encoder's results are kept in together: a stage that was killed goes on from the last ones."""
FORMAT = "1"
"""Raised when vectors of the same content would come out differently."""


def embed(config: Embeddings, context: Context, examples: Sequence[Example]) -> Grid:
    """Return unit vectors of rows on the grid: array (N, D)."""
    texts = [render(example.prompt, example.answer) for example in examples]
    folder = context.store / ".cache" / "embeddings"
    if config.encoder is None:
        key = _key(["ngrams", str(config.dimensions)], texts)
        found = _cached(folder, key, lambda: embed_texts(texts, config.dimensions))
    else:
        found = _encoded(config, context, texts, folder)
    return _centred(found) if config.centred else found


def _encoded(config: Embeddings, context: Context, texts: Sequence[str], folder: Path) -> Grid:
    from newtongue.adapters.hf.pooling import Encoder, Shown

    assert config.encoder is not None
    artefact = context[config.encoder]
    loaded: list[Encoder] = []

    def run(chunk: Sequence[str]) -> Grid:
        if not loaded:
            loaded.append(Encoder(artefact.path, config.max_tokens, config.device))
        return to_grid(loaded[0].vectors([Shown(text, 0) for text in chunk]))

    parts = []
    for first in range(0, len(texts), CHUNK_ROWS):
        chunk = texts[first : first + CHUNK_ROWS]
        key = _key(["encoder", artefact.fingerprint, str(config.max_tokens)], chunk)
        parts.append(_cached(folder if artefact.fingerprint else None, key, lambda chunk=chunk: run(chunk)))
        context.progress(first + len(chunk), len(texts), "rows", note="embedding")
    return np.concatenate(parts)


def _centred(rows: Grid) -> Grid:
    mean = rows.sum(axis=0, dtype=np.float64) / len(rows)
    return to_grid(rows - mean)


def _key(settings: Sequence[str], texts: Sequence[str]) -> str:
    made = blake2b(digest_size=16)
    for text in (FORMAT, *settings, *texts):
        made.update(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return made.hexdigest()


def _cached(folder: Path | None, key: str, make: Callable[[], Grid]) -> Grid:
    """Return the array kept under a key, made and kept when it is not there yet; nothing is kept without a folder."""
    if folder is None:
        return make()
    file = folder / f"{key}.npy"
    if file.is_file():
        return np.asarray(np.load(file, allow_pickle=False))
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{key}.{os.getpid()}.part"
    with open(part, "wb") as stream:
        np.save(stream, made, allow_pickle=False)
    os.replace(part, file)
    return made
