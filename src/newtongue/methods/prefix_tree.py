"""Requests to a causal model as one tree of tokens, and the fixed shapes in which the tree is computed.

The choices of a question share the question, the questions on a passage share the passage, and everything
shares the examples of a few-shot prompt. A causal model computes the same states for the same prefix, so
each distinct prefix is computed once. The tree is cut into subtrees that fit a row; a row's tokens stand in
depth-first order, and each token sees those before it whose subtree has not ended. What very many requests share is a
trunk: computed once and kept as keys and values. Rows are filled by the requests alone, never by a batch size, so
that a batch size changes nothing but the order of equal shapes.

Shapes: R requests, W tokens of a row, E scored tokens. A node is a token that is fed; the last token of a
request is only scored.

Source: the radix tree of SGLang (Zheng et al. 2023, arXiv 2312.07104, section 3) and the tree attention of
    SpecInfer (Miao et al. 2023, arXiv 2305.09781, section 4.2); here all requests are known beforehand.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ROW_TOKENS = 256
"""Width of a row that holds several small subtrees."""
SUBTREE_TOKENS = 512
"""A subtree with more tokens below its first fork is divided further, as far as it divides."""
TRUNK_TOKENS = 48
"""Least shared prefix worth a trunk of its own."""
WIDTH_STEP = 32
"""Rows wider than ROW_TOKENS are padded to a multiple of this."""


Asked = tuple[Ints, int]
"""One request: all token ids, at least two, and the index of the first scored one, at least 1."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """A prefix computed once for many rows.

    Attributes:
        parent: Number of the trunk it continues, -1 for none.
        ids: The tokens it adds.
        depth: Tokens up to its end, those of its parents included.
    """

    parent: int
    ids: Ints
    depth: int


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens computed side by side.

    Attributes:
        ids: Token ids (W,), padded with 0.
        depths: Position of each token in its request (W,).
        ends: Index after the last token of each token's subtree (W,); a padding token's is its own next.
        branches: Whether any token has siblings or a stranger before it; else plain causal attention is right.
        nodes: Index in the row of the token before each scored one (E,).
        targets: The scored ids (E,).
        places: Where in the results each stands (E,).
    """

    ids: Ints
    depths: Ints
    ends: Ints
    branches: bool
    nodes: Ints
    targets: Ints
    places: Ints


@dataclass(frozen=True, slots=True)
class Tree:
    """The plan for a set of requests.

    Attributes:
        trunks: Shared prefixes, each after its parent.
        rows: Trunk number (-1 for none) -> its rows, widest first.
        starts: First place of every request in the results, and the end (R + 1,).
        nodes: Distinct tokens to feed, trunks included.
        padded: Tokens fed, padding included.
    """

    trunks: list[Trunk]
    rows: dict[int, list[Row]]
    starts: Ints
    nodes: int
    padded: int


def plan_tree(
    requests: Sequence[Asked],
    *,
    shared: bool = True,
    subtree_tokens: int = SUBTREE_TOKENS,
    trunk_tokens: int = TRUNK_TOKENS,
) -> Tree:
    """Arrange requests so that every shared prefix is computed once.

    Args:
        requests: What to score.
        shared: False keeps every request a row of its own, for models that cannot attend along a tree.
        subtree_tokens: A subtree with more tokens below its first fork is divided further, as far as it divides.
        trunk_tokens: Least shared prefix worth a trunk of its own.

    Returns:
        Rows and trunks. Scored token t of request r has place `starts[r] + t - first`.

    Example:
        >>> asked = [(np.array([7, 8, 9, n]), 3) for n in (1, 2)]
        >>> plan_tree(asked).nodes, plan_tree(asked, shared=False).nodes
        (3, 6)
    """
    starts = np.concatenate([[0], np.cumsum([len(ids) - first for ids, first in requests])]).astype(np.int64)
    order = sorted(range(len(requests)), key=lambda r: (requests[r][0].astype(">u4").tobytes(), r))
    sorted_requests = [requests[r] for r in order]
    common = _common_prefixes(sorted_requests) if shared else np.zeros(len(order), np.int64)
    limits = (subtree_tokens, trunk_tokens)
    alone = [(r, r + 1, -1) for r in range(len(order))]
    trunks, parts = _divide(sorted_requests, common, limits) if shared else ([], alone)
    units: dict[int, list[Row]] = {}
    for low, high, trunk in parts:
        base = trunks[trunk].depth if trunk >= 0 else 0
        unit = _subtree(sorted_requests[low:high], common[low:high], base, starts[order[low:high]])
        units.setdefault(trunk, []).append(unit)
    rows = {trunk: _packed(found, alone=not shared) for trunk, found in units.items()}
    in_trunks = sum(len(trunk.ids) for trunk in trunks)
    nodes = in_trunks + sum(len(unit.ids) for found in units.values() for unit in found)
    padded = in_trunks + sum(len(row.ids) for found in rows.values() for row in found)
    return Tree(trunks, rows, starts, nodes, padded)


def share_trunks(prompts: Sequence[Ints], trunk_tokens: int = TRUNK_TOKENS) -> tuple[list[Trunk], list[int]]:
    """Return the prefixes that several prompts share, and the deepest trunk of every prompt, -1 for none.

    At least one token of every prompt is left to feed.

    Args:
        prompts: Token ids, at least one each.
        trunk_tokens: Least shared prefix worth a trunk.
    """
    asked = [(np.append(ids, 0), len(ids)) for ids in prompts]
    order = sorted(range(len(asked)), key=lambda r: (asked[r][0].astype(">u4").tobytes(), r))
    in_order = [asked[r] for r in order]
    trunks, parts = _divide(in_order, _common_prefixes(in_order), (0, trunk_tokens))
    found = [-1] * len(prompts)
    for low, _high, trunk in parts:
        found[order[low]] = trunk
    return trunks, found


def _common_prefixes(requests: list[Asked]) -> Ints:
    """Return how many fed tokens each request shares with the one before it."""
    found = np.zeros(len(requests), np.int64)
    for r in range(1, len(requests)):
        left, right = requests[r - 1][0], requests[r][0]
        most = min(len(left), len(right)) - 1
        differ = left[:most] != right[:most]
        place = int(differ.argmax()) if most else 0
        found[r] = place if most and differ[place] else most
    return found


def _divide(
    requests: list[Asked], common: Ints, limits: tuple[int, int]
) -> tuple[list[Trunk], list[tuple[int, int, int]]]:
    """Return trunks, and (first request, end, trunk) of the subtrees, in sorted order."""
    fed = np.array([len(ids) - 1 for ids, _ in requests], np.int64)
    firsts = np.array([first for _, first in requests], np.int64)
    grown = np.concatenate([[0], np.cumsum(fed - common)])
    trunks: list[Trunk] = []
    parts: list[tuple[int, int, int]] = []
    stack = [(0, len(requests), -1)] if requests else []
    while stack:
        low, high, trunk = stack.pop()
        base = trunks[trunk].depth if trunk >= 0 else 0
        size = int(fed[low] - base + grown[high] - grown[low + 1])
        split = int(common[low + 1 : high].min(initial=int(fed[low])))
        if high - low == 1 or size - (split - base) <= limits[0]:
            parts.append((low, high, trunk))
            continue
        depth = min(split, int(firsts[low:high].min()) - 1)
        if depth - base >= limits[1]:
            trunks.append(Trunk(trunk, requests[low][0][base:depth], depth))
            trunk = len(trunks) - 1
        cuts = [low, *(low + 1 + np.flatnonzero(common[low + 1 : high] == split)).tolist(), high]
        stack.extend((a, b, trunk) for a, b in zip(cuts[-2::-1], cuts[:0:-1], strict=True))
    return trunks, parts


def _subtree(requests: list[Asked], common: Ints, base: int, starts: Ints) -> Row:
    """Return the tokens of some requests in depth-first order, without those of their trunk."""
    fed = [len(ids) - 1 for ids, _ in requests]
    kept = [base, *map(int, common[1:])]
    ids, depths, ends = (np.zeros(sum(fed) - sum(kept), np.int64) for _ in range(3))
    path = np.zeros(max(fed) + 1, np.int64)
    nodes, targets, places = [], [], []
    done, open_to = 0, base
    for (shown, first), start, old, size in zip(requests, starts, kept, fed, strict=True):
        ends[path[old:open_to]] = done
        new = np.arange(done, done + size - old)
        ids[new], depths[new], path[old:size] = shown[old:size], np.arange(old, size), new
        done, open_to = done + len(new), size
        nodes.append(path[first - 1 : size].copy())
        targets.append(shown[first:])
        places.append(np.arange(start, start + len(shown) - first))
    ends[path[base:open_to]] = done
    branches = bool((ends < done).any())
    return Row(ids, depths, ends, branches, *(np.concatenate(x).astype(np.int64) for x in (nodes, targets, places)))


def _packed(units: list[Row], *, alone: bool) -> list[Row]:
    """Return rows of fixed widths that hold the subtrees: large ones alone, small ones side by side."""
    order = sorted(range(len(units)), key=lambda u: (-len(units[u].ids), u))
    bins: list[list[Row]] = []
    room: list[tuple[int, int]] = []  # free tokens and number of each open row, sorted
    for unit in (units[u] for u in order):
        size = len(unit.ids)
        found = bisect_left(room, (size, -1))
        if size > ROW_TOKENS or found == len(room):
            bins.append([unit])
            if size < ROW_TOKENS and not alone:
                insort(room, (ROW_TOKENS - size, len(bins) - 1))
            continue
        free, number = room.pop(found)
        bins[number].append(unit)
        insort(room, (free - size, number))
    return [_side_by_side(found) for found in bins]


def _side_by_side(units: list[Row]) -> Row:
    sizes = [len(unit.ids) for unit in units]
    width = -(-sum(sizes) // WIDTH_STEP) * WIDTH_STEP
    shifts = np.concatenate([[0], np.cumsum(sizes)])
    pad = width - int(shifts[-1])
    tail = np.arange(shifts[-1], width) + 1
    join = np.concatenate
    return Row(
        join([*(u.ids for u in units), np.zeros(pad, np.int64)]),
        join([*(u.depths for u in units), np.zeros(pad, np.int64)]),
        join([*(u.ends + s for u, s in zip(units, shifts, strict=False)), tail]),
        len(units) > 1 or units[0].branches,
        join([u.nodes + s for u, s in zip(units, shifts, strict=False)]),
        join([u.targets for u in units]),
        join([u.places for u in units]),
    )


def attention_mask(ends: Ints) -> NDArray[np.bool_]:
    """Return which token sees which along a tree in depth-first order: array (W, W), query first.

    Example:
        >>> attention_mask(np.array([3, 2, 3])).astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    """
    place = np.arange(len(ends))
    return np.asarray((place[None, :] <= place[:, None]) & (place[:, None] < ends[None, :]))
