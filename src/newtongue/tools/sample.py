"""Sampling a model's own text into a file, to be replayed later where its training data is not to be had.

The shipped `assets/sample/replay.jsonl.gz` was made with it:

    from newtongue.tools.sample import sample_replay
    sample_replay("assets/nano-en", "replay.jsonl.gz", tokens=700_000, language="eng_Latn", license="Apache-2.0")
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson

from newtongue.adapters.hf.replay import sampled_documents


def sample_replay(
    model: Path | str,
    out: Path | str,
    *,
    tokens: int,
    seed: int = 0,
    language: str = "",
    license: str = "unknown",
    device: str = "auto",
    progress: Callable[..., None] = lambda *_, **__: None,
) -> dict[str, int]:
    """Write documents sampled at temperature 1 as JSONL, gzipped when the name ends in `.gz`.

    Interrupted, it goes on where it stopped when called again with the same arguments. The same machine,
    model and arguments give the same bytes.

    Args:
        model: Model directory.
        out: File to write.
        tokens: Tokens to sample; the last round may go a little beyond.
        seed: Seed of the draws.
        language: Tag written into every row.
        license: Licence written into every row.
        device: `auto`, `cpu` or `cuda`.
        progress: Called with tokens done, tokens wanted, unit.

    Returns:
        Number of `documents` and `utf8_bytes` written.
    """
    target = Path(out)
    rounds = target.parent / f".{target.name}.rounds"
    found = sampled_documents(Path(model), tokens=tokens, seed=seed, scratch=rounds, device=device, progress=progress)
    lines, size = [], 0
    for document in found:
        size += len(document.text.encode())
        row = {"id": document.id, "text": document.text, "language": language, "source": "sampled", "license": license}
        lines.append(orjson.dumps(row) + b"\n")
    data = b"".join(lines)
    draft = target.with_name(f".{target.name}.draft")
    draft.write_bytes(gzip.compress(data, mtime=0) if target.suffix == ".gz" else data)
    os.replace(draft, target)
    shutil.rmtree(rounds)
    return {"documents": len(lines), "utf8_bytes": size}
