"""Merging against closed forms, per row where vocabularies differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from newtongue.core.errors import DataError
from newtongue.methods.merging import align_rows, chat_vector, linear, task_arithmetic

FINITE = st.floats(-8, 8, width=32)
MATRIX = arrays(np.float32, (3, 2), elements=FINITE)


def test_linear_scales_weights_to_sum_to_one() -> None:
    out = linear([np.float32([[2, 0]]), np.float32([[4, 8]])], [3, 1])
    np.testing.assert_array_equal(out, np.float32([[2.5, 2]]))
    assert out.dtype == np.float32


def test_linear_averages_a_row_over_the_models_that_have_it() -> None:
    first, second = np.float32([[1], [1], [1]]), np.float32([[3], [0], [3]])
    present = np.array([[True, True, True], [True, False, True]])
    np.testing.assert_allclose(linear([first, second], [0.25, 0.75], present), [[2.5], [1], [2.5]])


def test_linear_keeps_a_row_only_the_first_model_has_even_at_weight_zero() -> None:
    present = np.array([[True], [False]])
    np.testing.assert_array_equal(linear([np.float32([[7]]), np.float32([[0]])], [0, 1], present), [[7]])


def test_linear_refuses_weights_that_cancel() -> None:
    with pytest.raises(DataError, match=r"the weights \[1, -1\] sum to 0"):
        linear([np.ones((1, 1), np.float32)] * 2, [1, -1])


def test_task_arithmetic_adds_differences_to_the_base() -> None:
    base, one, two = np.float32([[1.0]]), np.float32([[2.0]]), np.float32([[5.0]])
    np.testing.assert_array_equal(task_arithmetic(one, base, [one, two], [1, 0.5]), [[4.0]])


def test_task_arithmetic_leaves_rows_the_base_lacks_to_the_first_model() -> None:
    own, base, other = np.float32([[9], [9]]), np.float32([[1], [0]]), np.float32([[2], [5]])
    shared = np.array([[True, False], [True, False]])
    np.testing.assert_array_equal(task_arithmetic(own, base, [own, other], [1, 1], shared), [[10], [9]])


def test_chat_vector_moves_only_shared_rows() -> None:
    adapted, base, instruct = np.float32([[1], [1]]), np.float32([[2], [0]]), np.float32([[2.5], [0]])
    np.testing.assert_array_equal(chat_vector(adapted, base, instruct, 2.0, np.array([True, False])), [[2], [1]])


@settings(max_examples=50, deadline=None)
@given(adapted=MATRIX, base=MATRIX)
def test_a_chat_vector_of_nothing_changes_nothing(adapted: np.ndarray, base: np.ndarray) -> None:
    np.testing.assert_array_equal(chat_vector(adapted, base, base), adapted)


@settings(max_examples=50, deadline=None)
@given(one=MATRIX, two=MATRIX, weight=st.floats(0.1, 0.9))
def test_two_task_vectors_that_sum_to_one_are_the_average(one: np.ndarray, two: np.ndarray, weight: float) -> None:
    base = np.zeros_like(one)
    arithmetic = task_arithmetic(one, base, [one, two], [weight, 1 - weight])
    np.testing.assert_allclose(arithmetic, linear([one, two], [weight, 1 - weight]), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(MATRIX, st.lists(st.floats(0.1, 2), min_size=1, max_size=4))
def test_averaging_a_model_with_itself_changes_at_most_a_rounding(tensor: np.ndarray, weights: list[float]) -> None:
    np.testing.assert_allclose(linear([tensor] * len(weights), weights), tensor, rtol=1e-6, atol=1e-6)


def test_rows_are_aligned_by_token_in_any_script() -> None:
    result = {"the": 0, "کتاب": 2, "किताब": 1, "书": 5}
    other = {"书": 0, "किताब": 7, "the": 3}
    assert align_rows(result, other, 4).tolist() == [3, 7, -1, -1]
