"""Pico models and hand-made contexts for the training stages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from newtongue.adapters.hf.create import create_llama, train_tokenizer
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context

SENTENCES = [
    "The farmer carried water to the old mill before sunrise, and nobody thanked her for it.",
    "کسان سورج نکلنے سے پہلے پرانی چکی تک پانی لے گیا، اور کسی نے شکریہ نہ کہا۔",
    "किसान सूरज निकलने से पहले पुरानी चक्की तक पानी ले गया।",
    "ชาวนานำน้ำไปที่โรงสีเก่าก่อนพระอาทิตย์ขึ้น",
    "农夫在日出之前把水运到老磨坊。",
]


@pytest.fixture(scope="session")
def pico_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of pico Llama directories: `pico_model(tied=True, new_rows=0)`."""
    made: dict[tuple[bool, int], Path] = {}

    def make(*, tied: bool = True, new_rows: int = 0) -> Path:
        if (tied, new_rows) not in made:
            folder = tmp_path_factory.mktemp("pico")
            tokenizer = train_tokenizer(SENTENCES * 4, 400, folder, max_positions=256)
            rows = len(tokenizer)
            model = create_llama(
                rows=rows, hidden_size=32, layers=2, heads=2, intermediate_size=64, max_positions=256,
                tied=tied, end_of_text=0, seed=1,
            )  # fmt: skip
            model.save_pretrained(folder)
            if new_rows:
                (folder / "expansion.json").write_text(json.dumps({"first_new_id": rows - new_rows}))
            made[tied, new_rows] = folder
        return made[tied, new_rows]

    return make


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """Return a JSONL file of sixty short documents in five scripts."""
    rows = [{"id": str(n), "text": f"{n}. {SENTENCES[n % 5]} {SENTENCES[(n * 3 + 1) % 5]}"} for n in range(60)]
    file = tmp_path / "corpus.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return file


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """Return a maker of contexts: `make_context("name", corpus=path, model=path)`; scratch survives a second call."""

    def make(name: str, **inputs: Path) -> Context:
        return hand_made_context(tmp_path / name, inputs)

    return make


def hand_made_context(base: Path, inputs: dict[str, Path], **extra: Any) -> Context:
    """Return a context over plain folders; references are written `./name`."""
    for folder in ("model", "scratch"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    artefacts = {f"./{name}": Artefact("Corpus", path, name=f"./{name}") for name, path in inputs.items()}
    silent: dict[str, Any] = {"journal": lambda event, **facts: None, "progress": lambda *args, **kwargs: None}
    return Context(base, base / "model", base / "scratch", artefacts, base, **(silent | extra))
