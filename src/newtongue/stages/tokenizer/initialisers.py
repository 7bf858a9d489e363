"""Every initialiser by its name: what each needs is gathered here and handed to a method or an adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.safetensors_file import Tensor, gather_rows
from newtongue.core.context import Context
from newtongue.methods import embedding_init as start
from newtongue.methods import similarity_init
from newtongue.methods.auxiliary_vectors import context_counts
from newtongue.methods.constrained_word2vec import Candidates, Learning, constrained_word2vec
from newtongue.methods.initialiser import DenseRows, Initialiser, from_mixtures, from_sparse
from newtongue.methods.matching_pursuit import matching_pursuit
from newtongue.methods.similarity_init import AuxiliaryVectors
from newtongue.stages.tokenizer.auxiliary import (
    Donor,
    Vocabulary,
    open_donor,
    vectors_from_corpus,
    vectors_from_donor,
    vectors_from_files,
)
from newtongue.stages.tokenizer.init_config import InitMethod, InitSettings

if TYPE_CHECKING:
    from newtongue.adapters.hf.hypernetwork import Predicted
    from newtongue.adapters.training.new_rows import Lessons
    from newtongue.adapters.training.vocabulary_adapter import Adapter

Maker = Initialiser | DenseRows
PER_MATRIX = frozenset({"omp", "constrained_word2vec", "vocadt", "zett", "token_distillation"})
"""Methods that look at the matrix itself, so that input and output start differently."""
MOST_CONTEXTS = 2048
NEIGHBOURS, OMP_NONZEROS, LEARNT_CANDIDATES = 10, 64, 16


@dataclass(frozen=True)
class Material:
    """What initialisers start from.

    Attributes:
        vocabulary: Both vocabularies and the training text.
        checkpoint: The model.
        context: Gives the artefacts behind references.
        settings: Settings of the initialisers.
        seed: Seed of random and learnt ones.
        padding: Rows the matrices get beside old and new tokens.
    """

    vocabulary: Vocabulary
    checkpoint: Checkpoint
    context: Context
    settings: InitSettings
    seed: int
    padding: int = 0

    @cached_property
    def donor(self) -> Donor:
        """The donor model."""
        assert self.settings.donor is not None
        return open_donor(self.settings.donor, self.context)

    @cached_property
    def corpus_vectors(self) -> AuxiliaryVectors:
        """Vectors counted from the corpus."""
        return vectors_from_corpus(self.vocabulary, self.settings.vectors, self.seed)

    def vectors(self, *, by_frequency: bool = False) -> AuxiliaryVectors:
        """Return vectors from the first source that is named: files, donor, corpus."""
        if self.settings.vectors.file is not None:
            return vectors_from_files(self.vocabulary, self.settings.vectors, self.context, by_frequency)
        if self.settings.donor is not None:
            return vectors_from_donor(self.vocabulary, self.donor)
        return self.corpus_vectors

    @cached_property
    def adapter(self) -> tuple[Adapter, Candidates]:
        """Mixtures learnt on next-token loss, of both matrices at once."""
        from newtongue.adapters.training.vocabulary_adapter import learn_adapter

        candidates = _candidates(self)
        adapter = learn_adapter(
            self.checkpoint.folder,
            candidates.ids,
            candidates.start.astype(np.float32),
            _lessons(self),
            self.context.progress,
        )
        self.context.journal("learnt_adapter", first_loss=adapter.losses[0], last_loss=adapter.losses[-1])
        return adapter, candidates

    @cached_property
    def predicted(self) -> Predicted:
        """Rows a hypernetwork predicts, of both matrices at once."""
        from newtongue.adapters.hf.hypernetwork import predict_rows

        assert self.settings.hypernetwork is not None
        folder = self.context[self.settings.hypernetwork].path
        return predict_rows(folder, self.vocabulary.pieces, lambda ids, head: gather_rows(self.matrix(head), ids))

    def matrix(self, head: bool) -> Tensor:
        """Return the input or the output matrix."""
        own = self.checkpoint.head
        return own if head and own is not None else self.checkpoint.input


def subword_mean(material: Material, head: bool) -> Initialiser:
    """Return the mean of each token's pieces, for either matrix."""
    return start.subword_mean(material.vocabulary.pieces, material.vocabulary.rows)


def mean(material: Material, head: bool) -> Initialiser:
    """Return the mean row for every token, for either matrix."""
    return start.mean(len(material.vocabulary.tokens), material.vocabulary.rows)


def _noisy(method: Callable[..., Initialiser]) -> Callable[[Material, bool], Initialiser]:
    def make(material: Material, head: bool) -> Initialiser:
        size = len(material.vocabulary.tokens), material.vocabulary.rows
        noise = material.settings.noise
        return method(*size, material.seed, **({} if noise is None else {"noise": noise}))

    return make


def _lexical(material: Material, head: bool) -> Initialiser:
    vocabulary = material.vocabulary
    return start.lexical(vocabulary.new_names, vocabulary.old_names, vocabulary.rows)


def _nearest(material: Material, *, by_frequency: bool) -> Initialiser:
    settings = material.settings
    return similarity_init.nearest(
        material.vectors(by_frequency=by_frequency),
        neighbours=settings.neighbours or NEIGHBOURS,
        temperature=settings.temperature,
        threads=_threads(),
    )


def _focus(material: Material, head: bool) -> Initialiser:
    return similarity_init.focus(material.vectors(), threads=_threads())


def _clp(material: Material, head: bool) -> Initialiser:
    vectors = vectors_from_donor(material.vocabulary, material.donor)
    return similarity_init.clp(vectors, neighbours=material.settings.neighbours, threads=_threads())


def _omp(material: Material, head: bool) -> Initialiser:
    vectors = vectors_from_donor(material.vocabulary, material.donor, head=head)
    found = matching_pursuit(vectors.new_NK, vectors.old_CK, material.settings.neighbours or OMP_NONZEROS)
    return from_sparse(found, vectors.candidates, vectors.rows)


def _constrained_word2vec(material: Material, head: bool) -> Initialiser:
    vocabulary = material.vocabulary
    counts = context_counts(vocabulary.documents(), vocabulary.pieces, vocabulary.rows, 1)[vocabulary.rows :]
    often = np.sort(np.argsort(-np.asarray(counts.sum(0)), kind="stable")[:MOST_CONTEXTS])
    matrix, candidates = material.matrix(head), _candidates(material)
    ids = np.unique(candidates.ids)
    init, losses = constrained_word2vec(
        np.asarray(counts[:, often].todense(), np.float32),
        gather_rows(matrix, often),
        (ids, gather_rows(matrix, ids)),
        candidates,
        Learning(),
    )
    material.context.journal("learnt_mixtures", first_loss=losses[0], last_loss=losses[-1])
    return Initialiser(
        (init.shape[0], vocabulary.rows), init.indptr, init.indices, init.data, init.mean_share, seed=material.seed
    )


def _candidates(material: Material) -> Candidates:
    """Return each new token's pieces and most similar old tokens, nearly all weight on the pieces."""
    size = material.settings.neighbours or LEARNT_CANDIDATES
    similar = similarity_init.most_similar(material.vectors(), size, threads=_threads())
    plain = subword_mean(material, False)
    ids = np.zeros((plain.shape[0], size), np.int64)
    weights = np.zeros(ids.shape)
    for number in range(plain.shape[0]):
        mixture = dict(plain.row(number)[:size])
        further = [i for i, _score in similar.row(number) if i not in mixture][: size - len(mixture)]
        found = [*mixture.items(), *((i, 0.2 / size) for i in further)]
        ids[number, : len(found)] = [i for i, _weight in found]
        weights[number, : len(found)] = [weight for _i, weight in found]
    return Candidates(ids, weights / weights.sum(1, keepdims=True))


def _threads() -> int:
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) > 0 else os.cpu_count() or 1


def _lessons(material: Material) -> Lessons:
    from newtongue.adapters.training.new_rows import Lessons

    how, vocabulary = material.settings.learning, material.vocabulary
    return Lessons(
        documents=list(vocabulary.documents()),
        rows=vocabulary.rows,
        tokens=how.tokens,
        sequence_length=how.sequence_length,
        sequences_per_step=how.sequences_per_step,
        learning_rate=how.learning_rate,
        seed=material.seed,
    )


def _vocadt(material: Material, head: bool) -> Initialiser:
    adapter, candidates = material.adapter
    weights = adapter.head if head else adapter.input
    mixtures = [
        {int(i): float(w) for i, w in zip(ids, row, strict=True) if w}
        for ids, row in zip(candidates.ids, weights, strict=True)
    ]
    return from_mixtures(mixtures, material.vocabulary.rows)


def _zett(material: Material, head: bool) -> DenseRows:
    return DenseRows(material.predicted.head if head else material.predicted.input)


def _token_distillation(material: Material, head: bool) -> Maker:
    """Return distilled input rows; output rows of their own start as the mean of their pieces."""
    if head:
        return subword_mean(material, head)
    from newtongue.adapters.training.token_distillation import distil_rows

    plain, matrix = subword_mean(material, head), material.matrix(False)
    rows = gather_rows(matrix, plain.support())
    first = plain.rows(rows, np.zeros(matrix.shape[1], np.float32), np.zeros(0, np.float32))
    vocabulary, context = material.vocabulary, material.context
    folder = material.checkpoint.folder
    learnt = distil_rows(folder, vocabulary.pieces, first, _lessons(material), context.progress)
    context.journal("distilled", first_loss=learnt.losses[0], last_loss=learnt.losses[-1], unseen=learnt.unseen)
    return DenseRows(learnt.rows, learnt.unseen)


METHODS: dict[InitMethod, Callable[[Material, bool], Maker]] = {
    "subword_mean": subword_mean,
    "mean": mean,
    "mean_noise": _noisy(start.mean_noise),
    "random_normal": _noisy(start.random_normal),
    "multivariate_normal": _noisy(start.multivariate_normal),
    "lexical": _lexical,
    "wechsel": lambda material, _head: _nearest(material, by_frequency=True),
    "ofa": lambda material, _head: replace(_nearest(material, by_frequency=False), rank=material.settings.rank or 0),
    "focus": _focus,
    "clp": _clp,
    "constrained_word2vec": _constrained_word2vec,
    "omp": _omp,
    "vocadt": _vocadt,
    "zett": _zett,
    "token_distillation": _token_distillation,
}
