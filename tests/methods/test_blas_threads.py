"""Products of one thread: for as long as somebody wants them, and not longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from newtongue.methods.blas_threads import products_of_one_thread, thread_controls


@pytest.fixture
def count() -> Iterator[Callable[[], int]]:
    """Let products take two threads, and say how many they take."""
    controls = thread_controls()
    if controls is None:
        pytest.skip("numpy's algebra is not OpenBLAS")
    before = controls[0]()
    controls[1](2)
    yield controls[0]
    controls[1](before)


def test_products_take_one_thread_each_and_get_theirs_back(count: Callable[[], int]) -> None:
    with pytest.raises(ZeroDivisionError), products_of_one_thread() as alone:
        assert alone and count() == 1
        _ = 1 / 0
    assert count() == 2


def test_the_last_who_wanted_one_thread_gives_the_others_back(count: Callable[[], int]) -> None:
    first, second = products_of_one_thread(), products_of_one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert count() == 1
    second.__exit__(None, None, None)
    assert count() == 2
