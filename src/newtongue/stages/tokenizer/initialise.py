"""Choose and run the initialisers of both matrices, fill gaps by the stated fallback, and bound what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.tokenizers import batches
from newtongue.core.errors import DataError
from newtongue.methods.bootstrap import first_over_second, interval
from newtongue.methods.certificates import OldRows, certify, least_bits, limited
from newtongue.methods.initialiser import DenseRows, Initialiser, empty_tokens, with_fallback
from newtongue.methods.scores import as_facts
from newtongue.stages.tokenizer.auxiliary import Vocabulary
from newtongue.stages.tokenizer.init_config import InitMethod
from newtongue.stages.tokenizer.initialisers import METHODS, PER_MATRIX, Maker, Material, mean, subword_mean

FREQUENCY_BYTES = 2_000_000
"""Protected text that token frequencies are counted on, at most."""
DRAWS = 2000
"""Draws of whole texts for the interval of the measured cost."""


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

    cost = cost_of_new_rows(folder, protected, material.vocabulary.first_id, tokens)
    found = interval(np.array(cost.texts), first_over_second, draws=DRAWS, seed=0)
    return {"measured": {**cost.facts(), "kl": as_facts(found)}}


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
        return init, facts | {"fallback_tokens": init.unseen}
    empty = empty_tokens(init)
    if len(empty) and material.settings.fallback == "refuse":
        raise DataError(
            f"{method} finds nothing for {len(empty):,} of {init.shape[0]:,} new tokens",
            fix="set init.fallback to subword_mean or mean, or give more text or vectors",
        )
    other = mean(material, head) if material.settings.fallback == "mean" else subword_mean(material, head)
    init, facts["fallback_tokens"] = with_fallback(init, other)
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
