"""Record what published packages make of small inputs, for `tests/methods/test_initialisers_golden.py`.

    python tests/golden/record_initialisers.py focus      where deepfocus 1.0.1 and entmax 1.3 are installed
    python tests/golden/record_initialisers.py wechsel    where wechsel 0.0.4 is installed

Each writes `tests/golden/initialisers_NAME.json`. Inputs come from seeds; only outputs are stored.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np

HERE = Path(__file__).resolve().parent
NEW, OLD, WIDTH, HIDDEN = 12, 60, 16, 5
TIES = [[0.5, 0.5, 0.5, 0.1], [1.0, 1.0, -1.0, -1.0], [3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return auxiliary vectors of new and old tokens, and old rows."""
    rng = np.random.default_rng(7)
    new, old = (rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (NEW, OLD))
    new += 0.8 * old[rng.integers(0, OLD, NEW)]
    return new, old, rng.standard_normal((OLD, HIDDEN)).astype(np.float32)


def words() -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Return word vectors of two languages, one turned and noisy, and a dictionary of rows."""
    rng = np.random.default_rng(8)
    source = rng.standard_normal((40, 6))
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    return source, source @ turn + 0.05 * rng.standard_normal((40, 6)), [(i, i) for i in range(0, 40, 2)]


def record_focus() -> dict[str, object]:
    import entmax
    import torch
    from deepfocus.focus import focus_additional_token_initialization

    new, old, rows = inputs()
    overlap = {
        str(i): SimpleNamespace(auxiliary_embedding=old[i], source_embedding=torch.tensor(rows[i])) for i in range(OLD)
    }
    fresh = {str(i): SimpleNamespace(auxiliary_embedding=new[i], target=SimpleNamespace(id=i)) for i in range(NEW)}
    made = focus_additional_token_initialization(overlap, fresh, torch.zeros(NEW, HIDDEN), device="cpu")
    scores = torch.tensor(np.random.default_rng(9).normal(0, 0.4, (6, 50)).astype(np.float32))
    return {
        "focus": made.tolist(),
        "sparsemax": entmax.sparsemax(scores, dim=1).tolist(),
        "ties": entmax.sparsemax(torch.tensor(TIES), dim=1).tolist(),
    }


def record_wechsel() -> dict[str, object]:
    from scipy.linalg import orthogonal_procrustes
    from wechsel import create_target_embeddings

    new, old, rows = inputs()

    def names(ids: object) -> object:
        return str(ids) if np.isscalar(ids) else [str(i) for i in ids]  # type: ignore[attr-defined]

    class Tokenizer(dict):  # type: ignore[type-arg]
        special_tokens_map = MappingProxyType({})
        vocab = property(lambda self: self)
        convert_ids_to_tokens = staticmethod(names)

    def tokenizer(size: int) -> Tokenizer:
        return Tokenizer({str(i): i for i in range(size)})

    units = [v / (np.linalg.norm(v, axis=1)[:, np.newaxis] + 1e-8) for v in (old, new)]
    made, _missing, _sources = create_target_embeddings(
        units[0], units[1], tokenizer(OLD), tokenizer(NEW), rows.astype(np.float64), verbose=False
    )
    source, target, pairs = words()
    left, right = np.asarray(pairs).T
    matrix, _scale = orthogonal_procrustes(source[left], target[right])
    return {"wechsel": made.tolist(), "aligned": (source @ matrix).tolist()}


if __name__ == "__main__":
    name = sys.argv[1]
    found = {"focus": record_focus, "wechsel": record_wechsel}[name]()
    (HERE / f"initialisers_{name}.json").write_text(json.dumps(found) + "\n", "utf-8")
