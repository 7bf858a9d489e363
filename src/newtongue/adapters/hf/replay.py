"""Text a model writes by itself: the replay when nobody has its training data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.hf.models import end_of_text_id, generate, load_model, load_tokenizer, pick_device
from newtongue.core.rows import Document

TOKENS_PER_DOCUMENT = 512
DOCUMENTS_PER_ROUND = 128


def sampled_documents(
    path: Path,
    *,
    tokens: int,
    seed: int,
    scratch: Path,
    device: str = "auto",
    progress: Callable[..., None] = lambda *_, **__: None,
) -> Iterator[Document]:
    """Sample documents from a model at temperature 1, starting from the end-of-text token alone.

    Every finished round is kept in `scratch`, so a killed run goes on where it stopped.

    Args:
        path: Model directory.
        tokens: Tokens to sample in all; the last round may go a little beyond.
        seed: Seed of the draws.
        scratch: Folder for finished rounds.
        device: Where to sample.
        progress: Called with tokens done and tokens wanted.

    Yields:
        Documents in a fixed order; empty ones are left out.

    Source: Sun et al. 2020 (LAMOL, arXiv 1909.03329), without its task token.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    documents = max(1, min(DOCUMENTS_PER_ROUND, tokens // TOKENS_PER_DOCUMENT))
    done, number, model = 0, 0, None
    while done < tokens:
        file = scratch / f"round-{number:06d}.json"
        if not file.is_file():
            model = model or load_model(path, "float32", pick_device(device))
            _write(file, _round(model, load_tokenizer(path), documents, seed * 1_000_003 + number))
        found = orjson.loads(file.read_bytes())
        done += found["tokens"]
        progress(min(done, tokens), tokens, "tokens", note="sampling replay")
        for place, text in enumerate(found["texts"]):
            if text.strip():
                yield Document(id=f"sampled-{number:06d}-{place:03d}", text=text, language="", source="sampled")
        number += 1


def _round(model: Any, tokenizer: Any, documents: int, seed: int) -> dict[str, object]:
    end = end_of_text_id(tokenizer)
    rows = generate(
        model,
        [[end]] * documents,
        max_new_tokens=TOKENS_PER_DOCUMENT,
        stop_ids=[end],
        temperature=1.0,
        seed=seed,
        batch_size=documents,
    )
    texts = [text.rstrip("\ufffd") for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]
    return {"tokens": sum(len(row) for row in rows), "texts": texts}


def _write(file: Path, facts: dict[str, object]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(facts))
    os.replace(draft, file)
