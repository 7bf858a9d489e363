"""`compare` reads two eval directories and says what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stages.eval_kit import context_for, documents, make_model, write_lines

from newtongue.core.errors import DataError
from newtongue.run.compare import compare, render
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compare")
    turns = [{"role": "user", "content": "کیا؟"}, {"role": "assistant", "content": "پانی۔"}]
    asked = write_lines(folder / "c.jsonl", [{"messages": turns, "id": str(n)} for n in range(3)])
    text = documents(folder / "d.jsonl", "urd_Arab", 3)
    for seed in (0, 1):
        config = EvalConfig(
            model=str(make_model(folder / f"model-{seed}", seed=seed)),
            text={"urdu": {"corpus": str(text), "language": "urd_Arab", "role": "target"}},
            generation={"answers": {"data": str(asked), "language": "urd_Arab", "max_new_tokens": 4}},
        )
        evaluate(config, context_for(config, folder / f"eval-{seed}"))
    return [folder / "eval-0", folder / "eval-1"]


def test_two_directories_give_figures_and_verdicts(measured: list[Path]) -> None:
    result = compare(*measured)
    assert set(result["sets"]) == {"urdu", "answers", "answers.generated"}
    assert result["sets"]["urdu"]["change"]["changed_windows"] == 0
    assert result["verdicts"]["retention"] is None
    json.dumps(result, allow_nan=False)


def test_the_scores_folder_itself_is_accepted(measured: list[Path]) -> None:
    assert compare(measured[0] / "scores", measured[1]) == compare(*measured)


def test_text_names_sets_and_verdicts(measured: list[Path]) -> None:
    text = render(compare(*measured))
    assert "urdu" in text and "answers.generated stopped" in text and "overall: " in text


def test_another_directory_is_refused(tmp_path: Path, measured: list[Path]) -> None:
    with pytest.raises(DataError, match=r"holds no scores\.json"):
        compare(tmp_path, measured[1])
