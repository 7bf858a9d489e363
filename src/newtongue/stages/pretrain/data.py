"""From corpora to batches: tokenised sources, their shares, and the sequences of every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from newtongue.adapters.hf.replay import sampled_documents
from newtongue.adapters.tables import read_documents
from newtongue.adapters.training.plan import Batch
from newtongue.adapters.training.shards import Ring, tokenise
from newtongue.core.context import Context
from newtongue.core.rows import Document
from newtongue.methods.mixing import hashed, interleave, mixture
from newtongue.methods.packing import gather, narrowest, window_starts
from newtongue.stages.pretrain.config import PretrainConfig

REPLAY = "replay"


def target_corpora(config: PretrainConfig) -> Mapping[str, str]:
    """Return name -> reference of the target text; a single corpus is called `target`."""
    return config.corpus if isinstance(config.corpus, dict) else {"target": config.corpus}


def tokenised_sources(config: PretrainConfig, context: Context, tokenizer: object) -> dict[str, Ring]:
    """Tokenise every source into scratch, the replay last; what an earlier try finished is taken as it is."""
    dtype = narrowest(len(tokenizer))  # type: ignore[arg-type]
    rings = {}
    for name, ref in target_corpora(config).items():
        documents = read_documents(context[ref], "train")
        rings[name] = tokenise(documents, tokenizer, context.scratch / f"{name}.tokens", dtype)
        context.journal("tokenised", source=name, tokens=rings[name].tokens)
    if config.replay is not None:
        documents = replay_documents(config, context)
        rings[REPLAY] = tokenise(documents, tokenizer, context.scratch / f"{REPLAY}.tokens", dtype)
    return rings


def replay_documents(config: PretrainConfig, context: Context) -> Iterable[Document]:
    """Return the replayed documents: from files or a stage, else sampled from a model at temperature 1."""
    replay = config.replay
    if replay.corpus is not None:
        return read_documents(context[replay.corpus], "train")
    return sampled_documents(
        context[replay.sampled_from].path,
        tokens=replay.tokens,
        seed=config.seed,
        scratch=context.scratch / "replay",
        device=config.device,
        progress=context.progress,
    )


@dataclass(frozen=True)
class Sequences:
    """Step -> batch, for packed sequences drawn from rings in fixed shares.

    Attributes:
        rings: Token ids of each source.
        shares: Share of each source, in the same order.
        per_step: Sequences per step.
        length: Tokens per sequence.
        seed: Seed of the order.
    """

    rings: tuple[np.ndarray, ...]
    shares: tuple[float, ...]
    per_step: int
    length: int
    seed: int

    def __call__(self, step: int) -> Batch:
        """Return the sequences of optimiser step `step`, counted from 0."""
        places = np.arange(step * self.per_step, (step + 1) * self.per_step)
        sources, numbers = interleave(places, self.shares)
        inputs = np.empty((self.per_step, self.length), dtype=np.int64)
        labels = np.empty_like(inputs)
        for source, ring in enumerate(self.rings):
            rows = np.flatnonzero(sources == source)
            if len(rows):
                seed = hashed(self.seed, source)
                starts = window_starts(numbers[rows], len(ring), self.length, seed)
                inputs[rows], labels[rows] = gather(ring, starts, self.length)
        return Batch(inputs, labels, sources)


def shares_of(config: PretrainConfig, rings: Mapping[str, Ring]) -> dict[str, float]:
    """Return the share of each source in the training tokens, in the order of `rings`."""
    sizes = {name: ring.tokens for name, ring in rings.items()}
    return mixture(sizes, config.weights, config.replay.share if config.replay else 0.0)
