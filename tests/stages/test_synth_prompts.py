"""A prompt file of one's own: its texts reach the generator, the rest stays as shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from stages.synth_kit import OFFLINE, SEEDS, context

from newtongue.adapters.prompts import load_prompts
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.stage import begin
from newtongue.stages.synth.units import make_kit


def settings(folder: Path, text: str, **more: object) -> tuple[SynthConfig, dict[str, Artefact]]:
    (folder / "mine.yaml").write_text(text, "utf-8")
    chosen = {"teacher": OFFLINE, "language": "urd_Arab", "seeds": "seeds", "prompts": "mine.yaml", **more}
    inputs = {"seeds": Artefact("Conversations", SEEDS), "mine.yaml": Artefact("File", folder / "mine.yaml")}
    return SynthConfig.model_validate(chosen), inputs


def test_self_instruct_asks_with_ones_own_text(tmp_path: Path) -> None:
    config, inputs = settings(tmp_path, 'examples: "Look at these:"')
    asked = begin(config, context(tmp_path / "run", inputs)).plan()
    text = str(asked[0].question.messages)
    assert "Look at these:" in text and "Answer with a JSON array" in text


def test_chains_take_ones_own_text(tmp_path: Path) -> None:
    generator = {"generator": {"kind": "evolve"}, "instructions": "seeds"}
    name, shipped = next((n, t) for n, t in load_prompts("evolve").items() if isinstance(t, str))
    config, inputs = settings(tmp_path, f"{name}: mine", **generator)
    texts = make_kit(config, context(tmp_path / "run", inputs)).texts
    assert texts == {**load_prompts("evolve"), name: "mine"} and shipped != "mine"


@pytest.mark.parametrize("text", ["no_such_text: x", 'examples: "{unknown}"', "- a"])
def test_a_wrong_prompt_file_is_named(text: str, tmp_path: Path) -> None:
    config, inputs = settings(tmp_path, text)
    with pytest.raises(DataError, match=r"mine\.yaml"):
        begin(config, context(tmp_path / "run", inputs))


def test_ones_own_prompts_are_over_the_english_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave `prompt_language` out"):
        settings(tmp_path, "a: b", prompt_language="target")
