"""Score the continuations of many prompts with one forward pass per distinct prefix.

The plan (`methods/prefix_tree.py`) is handed in; here the model is asked. The output layer is applied only where
something is scored, in chunks, and its logits are turned into log-probabilities in float32. Whether a model can attend
along a tree is tried on a small example when it is first used, against the plain way; one that cannot (state-space
layers, a window shorter than the prompt, an unusual output layer) is asked the plain way, and the results say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.cache_utils import DynamicCache

HEAD_BYTES = 64_000_000
"""Memory one chunk of logits may use in float32."""
TIES_TOGETHER = 64
"""Targets looked at together for a tie."""
FORWARD_TOKENS = 2048
"""Tokens per forward pass at the default batch of 8 rows of 256."""
TRIAL_TOLERANCE, TRIAL_TOLERANCE_HALF = 1e-3, 0.1
"""Largest difference, nats per token, at which the tree counts as equal to the plain way: float32, 16-bit types."""
LOGIT_SETTINGS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
"""Settings of models that change logits after the output layer."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pairs = list[tuple[torch.Tensor, torch.Tensor]]
Scored = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]


class Row(Protocol):
    """Tokens computed side by side; see `methods/prefix_tree.py`."""

    ids: Ints
    depths: Ints
    ends: Ints
    branches: bool
    nodes: Ints
    targets: Ints
    places: Ints


class Trunk(Protocol):
    """A prefix computed once for many rows."""

    parent: int
    ids: Ints
    depth: int


class Tree(Protocol):
    """The plan for a set of requests."""

    trunks: list[Any]
    rows: dict[int, list[Any]]
    starts: Ints


Plan = Callable[..., Any]
"""(ids and first scored index of every request; whether prefixes are shared; …) -> Tree."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a model says of one request.

    Attributes:
        logprobs: Natural log-probability of every scored token.
        greedy: Whether each of them is the likeliest token at its place.
    """

    logprobs: Floats
    greedy: bool


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model with what was found out about it.

    Attributes:
        model: A causal language model in evaluation mode.
        plan: Arranges requests in a tree.
        shared: Whether it can attend along a tree.
        body: Whether its output layer can be applied to chosen positions alone.
        tokens: Tokens per forward pass.
    """

    model: Any
    plan: Plan
    shared: bool
    body: bool
    tokens: int = FORWARD_TOKENS


def prepare(model: Any, plan: Plan, *, longest: int, tokens: int = FORWARD_TOKENS) -> Scorer:
    """Find out how a model can be asked.

    Args:
        model: A causal language model in evaluation mode.
        plan: Arranges requests in a tree.
        longest: Tokens of the longest request.
        tokens: Tokens per forward pass.
    """
    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = np.arange(12, dtype=np.int64) * 7919 % vocabulary
    asked = [(np.append(ids, [k % vocabulary, (5 * k + 1) % vocabulary]), 9) for k in range(3)]
    alone, whole = plan(asked, shared=False), plan(asked, subtree_tokens=2, trunk_tokens=2)
    plain = score_tree(Scorer(model, plan, False, False, tokens), alone)[0]
    body = not _adjusts_logits(model) and _agrees(plain, Scorer(model, plan, False, True, tokens), alone)
    shared = sees_far(model, longest) and _agrees(plain, Scorer(model, plan, True, body, tokens), whole)
    return Scorer(model, plan, shared, body, tokens)


def _adjusts_logits(model: Any) -> bool:
    """Return whether something happens to logits after the output layer (small ones would hide it in a trial)."""
    config = model.config.get_text_config()
    return any(getattr(config, name, None) not in (None, 1, 1.0) for name in LOGIT_SETTINGS)


def sees_far(model: Any, longest: int) -> bool:
    """Return whether every layer attends over the whole of a request: no sliding window is shorter."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None) or getattr(config, "attention_chunk_size", None)
    return window is None or getattr(config, "use_sliding_window", True) is False or longest <= window


def _agrees(plain: Floats, scorer: Scorer, tree: Tree) -> bool:
    try:
        found = score_tree(scorer, tree)[0]
    except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, IndexError):
        return False
    limit = TRIAL_TOLERANCE if scorer.model.dtype == torch.float32 else TRIAL_TOLERANCE_HALF
    return bool(np.abs(found - plain).max() <= limit)


def score(
    scorer: Scorer, requests: Sequence[tuple[Ints, int]], progress: Callable[[int], None] = lambda tokens: None
) -> list[Found]:
    """Return the log-probability of every scored token of every request, in the order given.

    Args:
        scorer: What `prepare` returned.
        requests: Token ids and index of the first scored one; the longest at most as long as the model allows.
        progress: Told the number of tokens fed so far.
    """
    tree = scorer.plan(requests, shared=scorer.shared)
    values, greedy = score_tree(scorer, tree, progress)
    spans = zip(tree.starts[:-1], tree.starts[1:], strict=True)
    return [Found(values[a:b], bool(greedy[a:b].all())) for a, b in spans]


@torch.inference_mode()
def score_tree(
    scorer: Scorer, tree: Tree, progress: Callable[[int], None] = lambda tokens: None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return log-probability, and whether it is the likeliest token, for every place of a plan."""
    values, greedy = np.zeros(int(tree.starts[-1])), np.zeros(int(tree.starts[-1]), bool)
    fed = 0
    todo = list(jobs(tree, scorer.tokens))
    for job, (places, found, best) in zip(todo, run_jobs(scorer, tree.trunks, todo), strict=True):
        values[places], greedy[places] = found, best
        fed += sum(len(row.ids) for row in job.rows)
        progress(fed)
    return values, greedy


@torch.inference_mode()
def run_jobs(scorer: Scorer, trunks: list[Trunk], todo: Sequence[Job]) -> Iterator[Scored]:
    """Yield what came of each forward pass: places, log-probabilities, whether each is the likeliest token."""
    kept = Trunks(scorer, trunks)
    for job in todo:
        yield _run(scorer, kept, job)


@dataclass(frozen=True, slots=True)
class Job:
    """Rows of one shape below one trunk."""

    trunk: int
    rows: list[Row]


def jobs(tree: Tree, tokens: int) -> Iterator[Job]:
    """Yield the forward passes of a plan: rows of one width, trunks together."""
    for trunk in sorted(tree.rows):
        kinds: dict[tuple[int, bool], list[Row]] = {}
        for row in tree.rows[trunk]:
            kinds.setdefault((len(row.ids), row.branches or trunk >= 0), []).append(row)
        for width, found in ((width, found) for (width, _), found in kinds.items()):
            size = max(1, tokens // width)
            yield from (Job(trunk, found[k : k + size]) for k in range(0, len(found), size))


class Trunks:
    """Keys and values of the trunk in use and of its parents."""

    def __init__(self, scorer: Scorer, trunks: list[Trunk]) -> None:
        self._model, self._trunks = scorer.model, trunks
        self._kept: dict[int, Pairs] = {}

    def depth(self, number: int) -> int:
        """Return the tokens of a trunk with its parents."""
        return self._trunks[number].depth if number >= 0 else 0

    def cache(self, number: int, rows: int) -> DynamicCache:
        """Return a cache that shows the same keys and values to every row, without copying them."""
        return _repeated(self.pairs(number), rows)

    def pairs(self, number: int) -> Pairs:
        """Return keys and values of every layer, computed after those of the trunk's parents."""
        line = [number]
        while self._trunks[line[-1]].parent >= 0:
            line.append(self._trunks[line[-1]].parent)
        self._kept = {k: pairs for k, pairs in self._kept.items() if k in line}
        for place in reversed(line):
            if place not in self._kept:
                self._kept[place] = self._extended(self._trunks[place])
        return self._kept[number]

    def _extended(self, trunk: Trunk) -> Pairs:
        cache = _repeated(self._kept[trunk.parent], 1) if trunk.parent >= 0 else DynamicCache(config=self._model.config)
        ids = torch.from_numpy(trunk.ids)[None].to(self._model.device)
        positions = torch.arange(trunk.depth - len(trunk.ids), trunk.depth, device=ids.device)[None]
        self._model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys, layer.values) for layer in cache.layers]


def _repeated(pairs: Pairs, rows: int) -> DynamicCache:
    return DynamicCache([tuple(part.expand(rows, -1, -1, -1) for part in pair) for pair in pairs])


def _run(scorer: Scorer, kept: Trunks, job: Job) -> Scored:
    """Return places, log-probabilities and whether each is the likeliest, for the rows of one forward pass."""
    device, width = scorer.model.device, len(job.rows[0].ids)
    ids, depths = (torch.from_numpy(np.stack([getattr(r, n) for r in job.rows])).to(device) for n in ("ids", "depths"))
    given: dict[str, Any] = {"position_ids": depths, "use_cache": job.trunk >= 0}
    if job.trunk >= 0 or any(row.branches for row in job.rows):
        given["attention_mask"] = _mask(scorer.model, job.rows, kept.depth(job.trunk))
    if job.trunk >= 0:
        given["past_key_values"] = kept.cache(job.trunk, len(job.rows))
    flat = [row.nodes + width * number for number, row in enumerate(job.rows)]
    nodes, which = np.unique(np.concatenate(flat), return_inverse=True)
    targets, places = (np.concatenate([getattr(r, n) for r in job.rows]) for n in ("targets", "places"))
    states, layer = _states(scorer, ids, given)
    return places, *_head(layer, states[torch.from_numpy(nodes).to(device)], which, targets)


def _states(scorer: Scorer, ids: torch.Tensor, given: dict[str, Any]) -> tuple[torch.Tensor, Any]:
    """Return what the output layer is given at every token, and the layer."""
    if scorer.body:
        found = scorer.model.base_model(input_ids=ids, **given).last_hidden_state
        return found.flatten(0, 1), scorer.model.get_output_embeddings()
    return scorer.model(input_ids=ids, **given).logits.flatten(0, 1), torch.nn.Identity()


def _head(
    layer: Any, states: torch.Tensor, which: NDArray[np.int64], targets: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return log-probability and likeliness of every target under the logits of its node, chunk by chunk."""
    rows = int(getattr(layer, "out_features", 0) or states.shape[-1])
    step = max(1, HEAD_BYTES // (4 * rows))
    values, best = np.zeros(len(which)), np.zeros(len(which), bool)
    order = np.argsort(which, kind="stable")
    cuts = range(0, len(states), step)
    bounds = np.searchsorted(which[order], [*cuts, len(states)])
    for number, cut in enumerate(cuts):
        logits = layer(states[cut : cut + step]).float()
        asked = order[bounds[number] : bounds[number + 1]]
        nodes, wanted = (torch.from_numpy(x).to(states.device) for x in (which[asked] - cut, targets[asked]))
        chosen, top = logits[nodes, wanted], logits.amax(dim=-1)
        best[asked] = _likeliest(logits, nodes, wanted, chosen == top[nodes])
        total = logits.sub_(top[:, None]).exp_().sum(dim=-1).log_().add_(top)
        values[asked] = (chosen - total[nodes]).double().cpu().numpy()
    return values, best


def _likeliest(logits: torch.Tensor, nodes: torch.Tensor, wanted: torch.Tensor, highest: torch.Tensor) -> Any:
    """Return which targets are the likeliest; of equal ones the first in the vocabulary is, as `argmax` has it."""
    found = highest.clone()
    for part in torch.nonzero(highest)[:, 0].split(TIES_TOGETHER):
        found[part] = logits[nodes[part]].argmax(dim=-1) == wanted[part]
    return found.cpu().numpy()


def _mask(model: Any, rows: list[Row], depth: int) -> torch.Tensor:
    """Return what is added to attention scores (rows, 1, W, depth + W): all of the trunk, ancestors in the row."""
    device, width = model.device, len(rows[0].ids)
    ends = torch.from_numpy(np.stack([row.ends for row in rows])).to(device)
    place = torch.arange(width, device=device)
    seen = (place[None, None, :] <= place[None, :, None]) & (place[None, :, None] < ends[:, None, :])
    mask = torch.zeros(len(rows), 1, width, depth + width, dtype=model.dtype, device=device)
    mask[:, 0, :, depth:].masked_fill_(~seen, torch.finfo(model.dtype).min)
    return mask
