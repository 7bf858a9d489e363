"""The tree of requests: every prefix once, every scored token at its place, shapes fixed by the requests alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods import prefix_tree
from newtongue.methods.prefix_tree import Asked, Row, Tree, attention_mask, plan_tree, share_trunks

IDS = st.lists(st.integers(0, 3), min_size=2, max_size=14)


def asked(rows: list[list[int]], firsts: list[int] | None = None) -> list[Asked]:
    starts = firsts or [1] * len(rows)
    return [(np.array(ids), min(first, len(ids) - 1)) for ids, first in zip(rows, starts, strict=True)]


def seen(tree: Tree, trunk: int, row: Row, node: int) -> list[int]:
    """Return the ids a node attends to, itself last, trunks first."""
    before: list[int] = []
    while trunk >= 0:
        before = tree.trunks[trunk].ids.tolist() + before
        trunk = tree.trunks[trunk].parent
    return before + row.ids[attention_mask(row.ends)[node]].tolist()


def answers(tree: Tree) -> dict[int, tuple[list[int], int, int]]:
    """Return place -> (what the model sees, the scored id, the depth it believes in)."""
    found = {}
    for trunk, rows in tree.rows.items():
        for row in rows:
            for node, target, place in zip(row.nodes, row.targets, row.places, strict=True):
                assert int(place) not in found
                found[int(place)] = seen(tree, trunk, row, int(node)), int(target), int(row.depths[node])
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(IDS, st.integers(1, 13)), min_size=1, max_size=12), st.integers(1, 30), st.integers(1, 6))
def test_every_scored_token_sees_exactly_its_prefix(
    rows: list[tuple[list[int], int]], subtree: int, trunk: int
) -> None:
    requests = asked([ids for ids, _ in rows], [first for _, first in rows])
    tree = plan_tree(requests, subtree_tokens=subtree, trunk_tokens=trunk)
    found = answers(tree)
    for number, (ids, first) in enumerate(requests):
        for token in range(first, len(ids)):
            prefix, target, depth = found[int(tree.starts[number]) + token - first]
            assert prefix == ids[:token].tolist()
            assert (target, depth) == (ids[token], token - 1)


def test_shared_prefixes_are_fed_once() -> None:
    passage = list(range(10))
    rows = [[*passage, 20 + q, 30 + c, 40] for q in range(2) for c in range(4)]
    tree = plan_tree(asked(rows))
    assert tree.nodes == 10 + 2 + 2 * 4
    assert plan_tree(asked(rows), shared=False).nodes == 8 * 12


def test_choices_of_one_token_need_no_node_of_their_own() -> None:
    tree = plan_tree(asked([[1, 2, 3, letter] for letter in range(4)], [3] * 4))
    (row,) = tree.rows[-1]
    assert tree.nodes == 3 and set(row.nodes.tolist()) == {2} and sorted(row.targets.tolist()) == [0, 1, 2, 3]


def test_what_many_requests_share_becomes_a_trunk_below_which_nothing_is_scored() -> None:
    shots = list(range(100))
    rows = [[*shots, 200 + d, *range(300 + d, 340 + d)] for d in range(30)]
    tree = plan_tree(asked(rows, [101] * 30))
    (trunk,) = tree.trunks
    assert trunk.depth == 100 and list(tree.rows) == [0]
    early = plan_tree(asked(rows, [51] * 30))
    assert early.trunks[0].depth == 50, "a scored token's node stands in a row"


def test_shapes_are_fixed_and_small_subtrees_share_rows() -> None:
    rows = [[n, *range(1000 * n, 1000 * n + 39)] for n in range(1, 41)]
    tree = plan_tree(asked(rows))
    widths = [len(row.ids) for row in tree.rows[-1]]
    assert len(widths) < 10 and all(width % prefix_tree.WIDTH_STEP == 0 for width in widths)
    assert tree.padded - tree.nodes <= 0.1 * tree.nodes


def test_the_order_of_requests_changes_the_places_only() -> None:
    rows = [[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 9], [7, 8]]
    first, second = (plan_tree(asked(r)) for r in (rows, rows[::-1]))
    assert [r.ids.tolist() for r in first.rows[-1]] == [r.ids.tolist() for r in second.rows[-1]]


def test_a_single_request_is_plain_causal_attention() -> None:
    (row,) = plan_tree(asked([list(range(300))])).rows[-1]
    assert not row.branches


def test_prompts_share_trunks_and_keep_a_token_each() -> None:
    shots = list(range(60))
    prompts = [np.array(ids) for ids in ([*shots, 1], [*shots, 2, 3], shots, [9] * 70)]
    trunks, found = share_trunks(prompts)
    assert found[3] == -1 and found[0] == found[1] == found[2] == 0
    assert trunks[0].depth == 59, "one token of the shortest prompt is left to feed"


def test_nothing_asked_is_an_empty_plan() -> None:
    assert plan_tree([]).rows == {}


@pytest.mark.parametrize("many", [4000])
def test_planning_is_fast_enough_to_vanish(many: int) -> None:
    from time import process_time

    generator = np.random.default_rng(0)
    passages = generator.integers(0, 30000, (many // 4, 200))
    rows = [(np.concatenate([p, generator.integers(0, 30000, 8)]), 200) for p in passages for _ in range(4)]
    begin = process_time()
    plan_tree(rows)
    assert process_time() - begin < 4
