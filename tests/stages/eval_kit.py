"""Pico models and a hand-made context for tests of measuring stages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from newtongue.core.artefact import Artefact
from newtongue.core.config import StageConfig, references
from newtongue.core.context import Context

TEXTS = {
    "eng_Latn": "The river ran quietly past the old mill, and nobody spoke of the flood that had taken it.",
    "urd_Arab": "دریا خاموشی سے پرانی چکی کے پاس سے گزرا اور کسی نے سیلاب کی بات نہ کی۔",
    "hin_Deva": "नदी चुपचाप पुरानी चक्की के पास से बही और किसी ने बाढ़ की बात नहीं की।",
    "tha_Thai": "แม่น้ำไหลผ่านโรงสีเก่าอย่างเงียบงันและไม่มีใครพูดถึงน้ำท่วม",
    "jpn_Jpan": "川は古い水車小屋のそばを静かに流れ、誰も洪水の話をしなかった。",
}
ANSWERS = {"eng_Latn": "Water.", "urd_Arab": "پانی۔", "hin_Deva": "पानी।", "tha_Thai": "น้ำ", "jpn_Jpan": "水。"}

CHOICE_TASK = """
task: plain
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
doc_to_text: question
doc_to_choice: choices
doc_to_target: answer
"""
"""A task file that asks `rows.jsonl` beside it: `question`, `choices`, `answer`."""


def make_model(folder: Path, *, vocabulary: int = 300, seed: int = 0, texts: Iterable[str] = ()) -> Path:
    """Write a random two-layer Llama with a byte-level BPE tokenizer."""
    from newtongue.adapters.hf.create import create_llama, train_tokenizer

    tokenizer = train_tokenizer(texts or list(TEXTS.values()) * 3, vocabulary, folder, max_positions=96)
    model = create_llama(
        rows=len(tokenizer),
        hidden_size=32,
        layers=2,
        heads=2,
        intermediate_size=48,
        max_positions=96,
        tied=True,
        end_of_text=0,
        seed=seed,
    )
    for weight in model.parameters():  # a spread of probabilities worth measuring
        weight.data.mul_(4)
    model.save_pretrained(folder)
    return folder


def write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write JSONL."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return file


def documents(file: Path, language: str, count: int = 4) -> Path:
    """Write documents of growing length."""
    rows = [{"id": f"d{n}", "text": " ".join([TEXTS[language]] * (n + 1)), "split": "heldout"} for n in range(count)]
    return write_lines(file, rows)


def context_for(config: StageConfig, folder: Path, inputs: dict[str, Artefact] | None = None) -> Context:
    """Return a context with fresh folders whose inputs are the paths the config names."""
    payload, scratch = folder / config.makes().lower(), folder / ".scratch"
    for place in (payload, scratch):
        place.mkdir(parents=True, exist_ok=True)
    found = {str(ref): Artefact("File", Path(ref), name=str(ref)) for _place, ref in references(config)}
    found |= inputs or {}
    return Context(folder, payload, scratch, found, folder, lambda *_, **__: None, lambda *_, **__: None)
