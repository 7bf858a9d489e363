"""W on disk: as numbers, and as text that says what each new row was made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.methods.initialiser import Initialiser
from newtongue.stages.tokenizer.initialise import Initialised
from newtongue.stages.tokenizer.initialisers import Maker
from newtongue.stages.tokenizer.measure import readable

MOST_WRITTEN = 64
"""Old tokens named per new token in the text; the arrays hold all."""


def write_initialisers(
    folder: Path, made: Initialised, tokenizers: tuple[FastTokenizer, FastTokenizer], first_id: int, uses: Counter[int]
) -> None:
    """Write `W.npz` (CSR) and `W.txt`, one line per new token, and `W_head.*` where the output rows start otherwise.

    Rows that no matrix made (a hypernetwork, distillation) stand in the model alone; their text says so.
    """
    _write(folder, "W", made.input, tokenizers, (first_id, uses))
    if made.head is not made.input:
        _write(folder, "W_head", made.head, tokenizers, (first_id, uses))


def _write(
    folder: Path,
    name: str,
    init: Maker,
    tokenizers: tuple[FastTokenizer, FastTokenizer],
    new: tuple[int, Counter[int]],
) -> None:
    (old, tokenizer), (first_id, uses) = tokenizers, new
    if isinstance(init, Initialiser):
        arrays = {"indptr": init.indptr, "indices": init.indices, "data": init.data, "mean_share": init.mean_share}
        arrays["noise"] = np.asarray(init.noise)
        if init.rank:
            arrays["rank"] = np.asarray(init.rank)
        np.savez(folder / f"{name}.npz", allow_pickle=False, shape=np.asarray(init.shape), **arrays)
        tokens = init.shape[0]
    else:
        tokens = len(init.values)
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as stream:
        stream.write("id\ttoken\tuses\trow\n")
        for number in range(tokens):
            token = first_id + number
            stream.write(f"{token}\t{readable(tokenizer, token)}\t{uses[token]}\t{_mixture(init, number, old)}\n")


def _mixture(init: Maker, number: int, tokenizer: FastTokenizer) -> str:
    """Return one row of W as text, the largest weights first."""
    if not isinstance(init, Initialiser):
        return "made, not mixed"
    found = sorted(init.row(number), key=lambda item: (-abs(item[1]), item[0]))
    parts = [f"{weight:.6g} {readable(tokenizer, i)}" for i, weight in found[:MOST_WRITTEN]]
    if len(found) > MOST_WRITTEN:
        parts.append(f"{len(found) - MOST_WRITTEN} more")
    if init.mean_share[number]:
        parts.append(f"{init.mean_share[number]:.6g} mean")
    if init.rank:
        parts[-1] += f" (in {init.rank} directions)"
    if init.noise:
        parts.append(f"noise {init.noise:.6g}")
    return " + ".join(parts)
