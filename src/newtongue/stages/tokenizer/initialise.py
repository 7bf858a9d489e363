"""Choose and run the initialisers of both matrices, fill gaps by the stated fallback, and bound what they cost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.safetensors_file import Tensor, gather_rows
from newtongue.adapters.hf.tokenizers import batches
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods import embedding_init as start
from newtongue.methods import similarity_init
from newtongue.methods.auxiliary_vectors import context_counts
from newtongue.methods.certificates import OldRows, certify, least_bits, limited
from newtongue.methods.constrained_word2vec import Candidates, Learning, constrained_word2vec
from newtongue.methods.embedding_init import DenseRows, Initialiser
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

Maker = Initialiser | DenseRows
PER_MATRIX = frozenset({"omp", "constrained_word2vec", "vocadt", "zett", "token_distillation"})
"""Methods that look at the matrix itself, so that input and output start differently."""
MOST_CONTEXTS = 2048
NEIGHBOURS, OMP_NONZEROS, LEARNT_CANDIDATES = 10, 64, 16
FREQUENCY_BYTES = 2_000_000
"""Protected text that token frequencies are counted on, at most."""


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

    def matrix(self, head: bool) -> Tensor:
        """Return the input or the output matrix."""
        own = self.checkpoint.head
        return own if head and own is not None else self.checkpoint.input


@dataclass(frozen=True)
class Initialised:
    """Initialisers of both matrices.

    Attributes:
        input: Of the input matrix.
        head: Of the output matrix; the same object where the input's serves both.
        facts: What `expansion.json` says of them.
    """

    input: Maker
    head: Maker
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The method, or both where they differ."""
        methods = [self.facts[side]["method"] for side in ("input", "head")]
        return methods[0] if methods[0] == methods[1] else f"{methods[0]} (input), {methods[1]} (output)"


def initialise(material: Material, protected: Iterable[str]) -> Initialised:
    """Find the new rows of both matrices.

    Args:
        material: What to start from.
        protected: Text of the old language, on which the cost of new output rows is bounded.

    Raises:
        DataError: A method finds nothing for some token and the fallback is `refuse`, or its inputs do not fit.
    """
    settings, tied = material.settings, material.checkpoint.tied
    head_method = settings.head or settings.input
    if tied and head_method != settings.input:
        raise DataError(
            f"init.head is {head_method}, but input and output embeddings are one matrix",
            place=str(material.checkpoint.folder),
            fix="leave out init.head, or set it to what init.input says",
        )
    made, facts = {}, {}
    for side, method in (("input", settings.input), ("head", head_method)):
        if side == "head" and (tied or (method == settings.input and method not in PER_MATRIX)):
            made[side], facts[side] = made["input"], facts["input"]
        else:
            made[side], facts[side] = _fitted(material, method, head=side == "head")
    used = min(material.vocabulary.first_id, material.checkpoint.rows)
    old = OldRows(used, _frequencies(material.vocabulary, protected), material.padding)
    if settings.max_kl_bits is not None:
        made["head"], facts["mean_share"] = _limited(made["head"], old, settings.max_kl_bits)
        made["input"] = made["head"] if tied else made["input"]
    facts["certificate"] = certify(made["head"], old).facts()
    return Initialised(made["input"], made["head"], facts)


def measured(material: Material, protected: Iterable[str], folder: Path) -> dict[str, Any]:
    """Return what the new output rows really cost protected text, where the settings ask for it; else nothing.

    Args:
        material: What the rows were made from.
        protected: Text of the old language.
        folder: The finished model.
    """
    tokens = material.settings.measure_tokens
    if not tokens:
        return {}
    from newtongue.adapters.hf.step_zero import cost_of_new_rows

    return {"measured": cost_of_new_rows(folder, protected, material.vocabulary.first_id, tokens).facts()}


def describe(name: str, facts: Mapping[str, Any]) -> str:
    """Return a sentence on how the new rows started, for the card."""
    input_ = facts["input"]
    filled = input_["fallback_tokens"]
    gaps = f", {filled:,} of them by the fallback {input_['fallback']}" if filled else ""
    cost = facts["certificate"]["expected_bits"]
    bound = (
        "" if cost is None else f" Output rows cost protected text at most {cost:.4f} bits per token before training."
    )
    return f"New rows: {name}{gaps}; W.txt says which old rows each new one was made of.{bound}"


def _fitted(material: Material, method: InitMethod, *, head: bool) -> tuple[Maker, dict[str, Any]]:
    """Run one method and fill its gaps."""
    init = METHODS[method](material, head)
    facts: dict[str, Any] = {"method": method, "fallback": material.settings.fallback, "fallback_tokens": 0}
    if isinstance(init, DenseRows):
        return init, facts
    empty = start.empty_tokens(init)
    if len(empty) and material.settings.fallback == "refuse":
        raise DataError(
            f"{method} finds nothing for {len(empty):,} of {init.shape[0]:,} new tokens",
            fix="set init.fallback to subword_mean or mean, or give more text or vectors",
        )
    other = _mean(material, head) if material.settings.fallback == "mean" else _subword_mean(material, head)
    init, facts["fallback_tokens"] = start.with_fallback(init, other)
    return init, facts


def _limited(head: Maker, old: OldRows, most: float) -> tuple[Maker, float]:
    if not isinstance(head, Initialiser) or not head.convex:
        raise DataError(
            "init.max_kl_bits needs output rows that are averages of old rows",
            fix="set init.head to subword_mean, or leave out max_kl_bits",
        )
    mixed, share = limited(head, old, most)
    if share is None:
        bounds = [least_bits(head.shape[0], old), certify(head, old).expected_bits or 0.0]
        raise DataError(
            f"{head.shape[0]:,} new tokens may cost {min(bounds):.4f} bits per token however they are mixed",
            expected=f"init.max_kl_bits of {most}",
            fix="raise init.max_kl_bits or lower new_tokens",
        )
    return mixed, share


def _frequencies(vocabulary: Vocabulary, texts: Iterable[str]) -> NDArray[np.float64]:
    """Return the share of each old token in the first megabytes of some texts, each counted once more than seen."""
    counts: Counter[int] = Counter()
    size = 0
    for block in batches(texts):
        for encoding in vocabulary.old.backend.encode_batch_fast(block, add_special_tokens=False):
            counts.update(encoding.ids)
        size += sum(len(text.encode()) for text in block)
        if size >= FREQUENCY_BYTES:
            break
    shares = np.zeros(vocabulary.rows)
    shares[vocabulary.candidates] = 1
    for number, count in counts.items():
        shares[number] += count
    return np.asarray(shares / shares.sum(), np.float64)


def _subword_mean(material: Material, head: bool) -> Initialiser:
    return start.subword_mean(material.vocabulary.pieces, material.vocabulary.rows)


def _mean(material: Material, head: bool) -> Initialiser:
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
    return start.from_sparse(found, vectors.candidates, vectors.rows)


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
    plain = _subword_mean(material, False)
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


METHODS: dict[InitMethod, Callable[[Material, bool], Maker]] = {
    "subword_mean": _subword_mean,
    "mean": _mean,
    "mean_noise": _noisy(start.mean_noise),
    "random_normal": _noisy(start.random_normal),
    "multivariate_normal": _noisy(start.multivariate_normal),
    "lexical": _lexical,
    "wechsel": lambda material, _head: _nearest(material, by_frequency=True),
    "ofa": lambda material, _head: _nearest(material, by_frequency=False),
    "focus": _focus,
    "clp": _clp,
    "constrained_word2vec": _constrained_word2vec,
    "omp": _omp,
}
