"""New rows from similar tokens: published packages, dense algebra, closed forms."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from newtongue.core.errors import DataError
from newtongue.methods import similarity_init
from newtongue.methods.auxiliary_vectors import aligned, pooled, translation_pairs
from newtongue.methods.initialiser import Initialiser, empty_tokens
from newtongue.methods.similarity_init import AuxiliaryVectors, clp, focus, most_similar, nearest

GOLDEN = Path(__file__).parent.parent / "golden"
RECORDER = runpy.run_path(str(GOLDEN / "record_initialisers.py"))


def recorded(name: str, key: str) -> np.ndarray:
    return np.asarray(json.loads((GOLDEN / f"initialisers_{name}.json").read_text("utf-8"))[key])


def vectors() -> tuple[AuxiliaryVectors, np.ndarray]:
    new, old, rows = RECORDER["inputs"]()
    return AuxiliaryVectors(new, old, np.arange(len(old)), len(old)), rows


def applied(init: Initialiser, rows: np.ndarray) -> np.ndarray:
    return init.rows(rows[init.support()], rows.mean(0), np.zeros(0, np.float32))


def cosines(given: AuxiliaryVectors) -> np.ndarray:
    sides = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (given.new_NK, given.old_CK)]
    return sides[0] @ sides[1].T


def test_focus_gives_the_rows_of_deepfocus() -> None:
    given, rows = vectors()
    np.testing.assert_allclose(applied(focus(given), rows), recorded("focus", "focus"), atol=1e-5)


def test_wechsel_gives_the_rows_of_wechsel() -> None:
    given, rows = vectors()
    np.testing.assert_allclose(applied(nearest(given), rows), recorded("wechsel", "wechsel"), atol=1e-5)


def test_two_languages_are_turned_as_by_scipy() -> None:
    source, target, pairs = RECORDER["words"]()
    made = aligned(source, target, pairs)
    np.testing.assert_allclose(made, recorded("wechsel", "aligned"), atol=1e-5)
    assert np.linalg.norm(made - target) < np.linalg.norm(source - target) / 4


def test_a_dictionary_is_matched_in_the_cases_wechsel_tries() -> None:
    source, target, _pairs = RECORDER["words"]()
    first, second, entries = RECORDER["cased_dictionary"]()
    pairs = translation_pairs(*({word: at for at, word in enumerate(side)} for side in (first, second)), entries)
    assert len(pairs) > len(entries)
    np.testing.assert_allclose(aligned(source, target, pairs), recorded("wechsel", "cased"), atol=1e-5)


def test_word_vectors_are_pooled_by_frequency_as_by_wechsel() -> None:
    source, _target, _pairs = RECORDER["words"]()
    _words, spelt, often = RECORDER["spelt_words"]()
    made = pooled(np.tile(source, (2, 1)).astype(np.float32), spelt, 25, often * 2)
    np.testing.assert_allclose(made, recorded("wechsel", "pooled"), atol=1e-5)
    assert not made[24].any()


def test_weights_are_convex_and_reach_only_candidates() -> None:
    given, _rows = vectors()
    shifted = AuxiliaryVectors(given.new_NK, given.old_CK, np.arange(60) * 3 + 100, 400)
    for init in (focus(shifted), nearest(shifted, neighbours=4)):
        assert init.convex
        assert set(init.indices.tolist()) <= set(shifted.candidates.tolist())
        assert init.shape == (12, 400)


def test_clp_weighs_all_candidates_by_their_cosine() -> None:
    given, rows = vectors()
    scores = cosines(given)
    expected = (scores / scores.sum(1, keepdims=True)) @ rows
    np.testing.assert_allclose(applied(clp(given), rows), expected, rtol=1e-3, atol=1e-3)
    assert (clp(given).data < 0).any()
    assert np.diff(clp(given, neighbours=5).indptr).tolist() == [5] * 12


def test_clp_refuses_what_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity_init, "MOST_WEIGHTS", 100)
    with pytest.raises(DataError, match=r"CLP would keep 720 weights\n.*at most 100\n.*set init\.neighbours"):
        clp(vectors()[0])


def test_a_token_without_a_vector_gets_no_weights_and_others_do_not_move() -> None:
    given, rows = vectors()
    holes = given.new_NK.copy()
    holes[[0, 5]] = 0
    init = focus(AuxiliaryVectors(holes, given.old_CK, given.candidates, given.rows))
    assert empty_tokens(init).tolist() == [0, 5]
    np.testing.assert_allclose(applied(init, rows)[1:5], applied(focus(given), rows)[1:5], atol=1e-6)


def test_candidates_without_a_vector_are_never_chosen() -> None:
    given, _rows = vectors()
    old = given.old_CK.copy()
    old[::2] = 0
    assert set((focus(AuxiliaryVectors(given.new_NK, old, given.candidates, 60)).indices % 2).tolist()) == {1}
    nothing = focus(AuxiliaryVectors(given.new_NK, old * 0, given.candidates, 60))
    assert len(empty_tokens(nothing)) == 12


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    given, rows = vectors()
    whole = focus(given)
    monkeypatch.setattr(similarity_init, "BLOCK_SCORES", 180)
    small = focus(given, threads=threads)
    assert np.array_equal(small.indices, whole.indices)
    np.testing.assert_allclose(applied(small, rows), applied(whole, rows), atol=1e-6)


def test_the_most_similar_come_with_their_cosines() -> None:
    given, _rows = vectors()
    found = most_similar(given, 3)
    expected = np.sort(cosines(given), axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(found.data.reshape(12, 3), expected, atol=1e-6)
