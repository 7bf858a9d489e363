"""Vectors to compare tokens by: from files of word vectors, from a donor model, or from the corpus itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint, open_checkpoint
from newtongue.adapters.hf.safetensors_file import gather_rows
from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, read_tokenizer, token_text
from newtongue.adapters.word_vectors import WordVectors, read_word_pairs, read_word_vectors
from newtongue.core.config import FileRef, ModelRef
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods.auxiliary_vectors import (
    aligned,
    context_counts,
    pooled,
    ppmi,
    principal_vectors,
    translation_pairs,
    without_rare,
)
from newtongue.methods.similarity_init import AuxiliaryVectors
from newtongue.stages.tokenizer.init_config import VectorSettings

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """Both vocabularies and the text the new one was learnt on.

    Attributes:
        old: The tokenizer before.
        new: The tokenizer after.
        first_id: Id of the first new token.
        tokens: New tokens as `tokenizer.json` writes them, in order of id.
        pieces: Old ids that spell each.
        rows: Rows of the old matrices.
        texts: Training text in the new language.
        id_map: New id of each old one, -1 where it went; None where old ids stayed.
    """

    old: FastTokenizer
    new: FastTokenizer
    first_id: int
    tokens: list[str]
    pieces: Sequence[tuple[int, ...]]
    rows: int
    texts: Sequence[str]
    id_map: Ids | None = None

    @cached_property
    def candidates(self) -> Ids:
        """Ids of ordinary old tokens."""
        ordinary = (i for token, i in self.old.ids.items() if token not in self.old.added and i < self.rows)
        return np.asarray(sorted(ordinary), np.int64)

    @cached_property
    def old_names(self) -> dict[bytes, int]:
        """Bytes of each ordinary old token -> its id."""
        return {token_text(self.old, self.old.names[int(i)]): int(i) for i in self.candidates}

    @cached_property
    def new_names(self) -> list[bytes]:
        """Bytes of each new token."""
        return [token_text(self.new, token) for token in self.tokens]

    def documents(self) -> Iterator[Ids]:
        """Yield the ids of each training text; new tokens count from `rows` up."""
        number = np.arange(self.first_id + len(self.tokens))
        if self.id_map is not None:
            number[self.id_map[self.id_map >= 0]] = np.flatnonzero(self.id_map >= 0)
        number[self.first_id :] += self.rows - self.first_id
        for block in batches(self.texts):
            for encoding in self.new.backend.encode_batch_fast(block, add_special_tokens=False):
                yield number[np.asarray(encoding.ids, np.int64)]


def vectors_from_corpus(vocabulary: Vocabulary, settings: VectorSettings, seed: int) -> AuxiliaryVectors:
    """Describe every token by the old tokens that stand around it in the corpus."""
    counts = context_counts(vocabulary.documents(), vocabulary.pieces, vocabulary.rows, settings.window)
    vectors = without_rare(principal_vectors(ppmi(counts), settings.width, seed), counts, settings.min_count)
    rows, candidates = vocabulary.rows, vocabulary.candidates
    return AuxiliaryVectors(vectors[rows:], vectors[candidates], candidates, rows)


def vectors_from_files(
    vocabulary: Vocabulary, settings: VectorSettings, context: Context, by_frequency: bool
) -> AuxiliaryVectors:
    """Pool word vectors over the words each token occurs in; turn two languages onto each other where asked.

    Args:
        vocabulary: Both vocabularies.
        settings: Which files.
        context: Gives the files behind references.
        by_frequency: Weigh words by frequency instead of equally. Files of word vectors list words by frequency, but
            do not say it; 1 / rank stands for it (Zipf).
    """
    assert settings.file is not None
    target = read_word_vectors(context[settings.file].path)
    source = target
    if settings.source_file is not None and settings.dictionary is not None:
        source = read_word_vectors(context[settings.source_file].path)
        source = _turned(source, target, read_word_pairs(context[settings.dictionary].path), settings.dictionary)
    new = _pooled(vocabulary.new, target, by_frequency)
    old = _pooled(vocabulary.old, source, by_frequency)
    first, candidates = vocabulary.first_id, vocabulary.candidates
    made = new[first : first + len(vocabulary.tokens)]
    return AuxiliaryVectors(made, old[candidates], candidates, vocabulary.rows)


def _turned(source: WordVectors, target: WordVectors, pairs: list[tuple[str, str]], place: FileRef) -> WordVectors:
    if source.vectors.shape[1] != target.vectors.shape[1]:
        raise DataError(
            f"source vectors have {source.vectors.shape[1]} values, target vectors {target.vectors.shape[1]}",
            fix="use word vectors of one width",
        )
    rows = [{word: number for number, word in enumerate(side.words)} for side in (source, target)]
    known = translation_pairs(rows[0], rows[1], pairs)
    if len(set(known)) < 2:
        raise DataError(f"{len(set(known))} of {len(pairs)} word pairs have vectors on both sides", place=str(place))
    return WordVectors(source.words, aligned(source.vectors, target.vectors, known))


def _pooled(tokenizer: FastTokenizer, words: WordVectors, by_frequency: bool) -> Floats:
    """Average word vectors over the words, as they stand and behind a space, that a token occurs in."""
    spelt = [*words.words, *(f" {word}" for word in words.words)]
    ids = [
        encoding.ids
        for block in batches(spelt)
        for encoding in tokenizer.backend.encode_batch_fast(block, add_special_tokens=False)
    ]
    weights = [1 / rank if by_frequency else 1.0 for rank in range(1, len(words.words) + 1)] * 2
    return pooled(np.tile(words.vectors, (2, 1)), ids, tokenizer.last_id + 1, weights)


@dataclass(frozen=True)
class Donor:
    """A model that has tokens of the new language.

    Attributes:
        names: Bytes of each of its ordinary tokens -> its id there.
        checkpoint: Its weights.
    """

    names: Mapping[bytes, int]
    checkpoint: Checkpoint


def open_donor(ref: ModelRef, context: Context) -> Donor:
    """Read a donor's tokenizer and the headers of its weights."""
    folder: Path = context[ref].path
    tokenizer, checkpoint = read_tokenizer(folder), open_checkpoint(folder)
    ordinary = {token: i for token, i in tokenizer.ids.items() if token not in tokenizer.added}
    names = {token_text(tokenizer, token): i for token, i in ordinary.items() if i < checkpoint.rows}
    return Donor(names, checkpoint)


def vectors_from_donor(vocabulary: Vocabulary, donor: Donor, *, head: bool = False) -> AuxiliaryVectors:
    """Take the donor's rows of the same tokens as vectors; tokens it lacks get none.

    Args:
        vocabulary: Both vocabularies.
        donor: The donor.
        head: Whether to take rows of its output matrix where it has one of its own.

    Raises:
        DataError: It shares no token with the old vocabulary.
    """
    checkpoint = donor.checkpoint
    matrix = checkpoint.head if head and checkpoint.head is not None else checkpoint.input
    shared = {name: i for name, i in vocabulary.old_names.items() if name in donor.names}
    if not shared:
        raise DataError("the donor shares no token with the model", place=str(checkpoint.folder))
    candidates = np.asarray(sorted(shared.values()), np.int64)
    name_of = {i: name for name, i in shared.items()}
    old = gather_rows(matrix, [donor.names[name_of[int(i)]] for i in candidates])
    new = np.zeros((len(vocabulary.tokens), matrix.shape[1]), np.float32)
    found = [number for number, name in enumerate(vocabulary.new_names) if name in donor.names]
    if found:
        new[found] = gather_rows(matrix, [donor.names[vocabulary.new_names[number]] for number in found])
    return AuxiliaryVectors(new, old, candidates, vocabulary.rows)
