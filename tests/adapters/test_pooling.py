"""How surprising an answer is: what a prompt saves does not depend on where an answer is cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from newtongue.adapters.hf import pooling
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.pooling import SURPRISES, Shown, surprises

ANSWER = "The river rises in the hills and runs through two valleys to the sea, where boats wait. " * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp("pico"))


def shown(prompt: str, answer: str) -> Shown:
    text = f"Instruction:\n{prompt}\n\nResponse:\n{answer}"
    return Shown(text, len(text) - len(answer))


def test_a_cut_answer_is_helped_as_much_as_the_whole(model: Path) -> None:
    answers = [ANSWER, ANSWER[: len(ANSWER) * 3 // 4], "پانی پہاڑ سے آتا ہے اور سمندر تک جاتا ہے۔"]
    rows, bare = ([shown(prompt, answer) for answer in answers] for prompt in ("Where does the river go?", ""))
    found = surprises(model, rows, bare, 512, "cpu")
    assert found.shape == (3, len(SURPRISES)) and np.isfinite(found).all()
    column = SURPRISES.index("prompt_helps_little")
    assert found[0, column] == pytest.approx(found[1, column], abs=1e-3)
    assert found[2, column] != pytest.approx(found[0, column], abs=1e-3)


def test_no_prompt_helps_nothing(model: Path) -> None:
    bare = [shown("", ANSWER)]
    assert surprises(model, bare, bare, 512, "cpu")[0, SURPRISES.index("prompt_helps_little")] == 0


def test_the_window_is_counted_in_tokens_of_the_answer() -> None:
    given, alone = np.ones(100), np.full(90, 3.0)
    assert pooling._unhelped(given, alone) == -2 * pooling.HELPED_TOKENS
    assert pooling._unhelped(given[:3], alone) == -6
