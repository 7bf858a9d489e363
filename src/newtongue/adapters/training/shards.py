"""Tokenised documents on disk: one flat file of token ids per source, read through a memory map."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.models import end_of_text_id
from newtongue.core.errors import DataError
from newtongue.core.rows import Document

DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Ring:
    """One source, tokenised.

    Attributes:
        path: File of token ids, documents in reading order, each followed by the end-of-text token.
        dtype: `uint16` or `uint32`.
        tokens: Ids in the file.
        documents: Documents.
        utf8_bytes: Bytes of their text.
        licences: Licence -> documents.
        languages: Tags of the documents.
    """

    path: Path
    dtype: str
    tokens: int
    documents: int
    utf8_bytes: int
    licences: dict[str, int]
    languages: list[str]

    def open(self) -> NDArray[np.unsignedinteger]:
        """Map the ids into memory."""
        return np.memmap(self.path, dtype=self.dtype, mode="r")


def tokenise(documents: Iterable[Document], tokenizer: Any, file: Path, dtype: np.dtype[Any]) -> Ring:
    """Tokenise documents into `file`, or return what an earlier try finished.

    Text that spells a special token is tokenised as text. A beginning-of-text token is put before each
    document when the tokenizer puts one there itself.

    Args:
        documents: Texts in order.
        tokenizer: A fast tokenizer with an end-of-text token.
        file: Where the ids go; `file.json` beside it says that they are complete.
        dtype: Type of one id.

    Raises:
        DataError: There is no text at all.
    """
    done = file.with_suffix(".json")
    if done.is_file():
        return Ring(path=file, **json.loads(done.read_text("utf-8")))
    counts: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    languages: set[str] = set()
    with open(file, "wb") as stream:
        for batch, ids in _encoded(documents, tokenizer):
            np.asarray(ids, dtype=dtype).tofile(stream)
            counts.update(tokens=len(ids), documents=len(batch))
            counts["utf8_bytes"] += sum(len(document.text.encode()) for document in batch)
            licences.update(document.license for document in batch)
            languages |= {document.language for document in batch if document.language}
        stream.flush()
        os.fsync(stream.fileno())
    if not counts["documents"]:
        raise DataError("the corpus has no training documents", place=file.stem, fix="check its sources and filters")
    facts = dict(counts) | {"dtype": str(dtype), "licences": dict(licences), "languages": sorted(languages)}
    draft = done.with_suffix(".draft")
    draft.write_text(json.dumps(facts), "utf-8")
    os.replace(draft, done)
    return Ring(path=file, **facts)


def ring_facts(ring: Ring) -> dict[str, Any]:
    """Return what a manifest says of a ring: its counts, without the path."""
    return {key: value for key, value in asdict(ring).items() if key != "path"}


def _encoded(documents: Iterable[Document], tokenizer: Any) -> Iterator[tuple[list[Document], list[int]]]:
    end = end_of_text_id(tokenizer)
    start = _start_ids(tokenizer)
    iterator = iter(documents)
    while batch := list(islice(iterator, DOCUMENTS_AT_ONCE)):
        texts = [document.text for document in batch]
        rows = tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )["input_ids"]
        yield batch, [token for row in rows for token in (*start, *row, end)]


def _start_ids(tokenizer: Any) -> list[int]:
    ids = tokenizer("")["input_ids"]
    return [token for token in ids[:1] if token == tokenizer.bos_token_id]
