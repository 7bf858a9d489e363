"""Small corpora, contexts made by hand and calls of model stages, shared by tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from newtongue.adapters.tables import write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Document
from newtongue.stages import CATALOGUE
from newtongue.stages.merge.config import MergeConfig
from newtongue.stages.merge.stage import merge
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.stage import expand_vocabulary

URDU = [
    "یہ ایک چھوٹا سا گاؤں ہے جہاں لوگ صبح سویرے اٹھ کر کھیتوں میں کام کرتے ہیں۔",
    "بچے اسکول جاتے ہیں اور شام کو کھیلتے ہیں، پھر گھر آ کر اپنا سبق یاد کرتے ہیں۔",
    "گاؤں کے لوگ ایک دوسرے کی مدد کرتے ہیں اور خوشی غمی میں شریک ہوتے ہیں۔",
    "کسان کھیتوں میں گندم اور چاول اگاتے ہیں اور لوگ بازار میں سبزیاں بیچتے ہیں۔",
]
ENGLISH = ["Farmers grow wheat.", "café", "People help each other.", "Farmers grow wheat and rice, and people sell it."]
"""Kept text; the last one stands beside the fourth of the target's."""


def corpus(folder: Path, texts: list[str], language: str = "urd_Arab") -> Artefact:
    """Seal-like corpus: three quarters train, the rest held out."""
    rows = [
        Document(f"d{i}", text, language, "heldout" if i % 4 == 3 else "train", f"d{i}", license="CC0-1.0")
        for i, text in enumerate(texts)
    ]
    write_documents(folder / "corpus", rows)
    return Artefact("Corpus", folder / "corpus", sealed=True, name="$corpus")


def context(folder: Path, inputs: dict[str, Artefact]) -> Context:
    """Context made by hand."""
    for name in ("payload", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    quiet: Callable[..., None] = lambda *_args, **_facts: None  # noqa: E731
    return Context(folder, folder / "payload", folder / "scratch", inputs, folder, quiet, quiet)


def expand(folder: Path, model: Path, /, **settings: Any) -> tuple[Outcome, Path, dict[str, Any]]:
    """Run the stage on a model; return outcome, payload and expansion facts."""
    texts, keep = settings.pop("texts", URDU * 6), settings.pop("keep", ENGLISH)
    more = settings.pop("inputs", {})
    config = TokenizerConfig(model="./model", corpus="$corpus", **{"new_tokens": 80, **settings})
    inputs = {"./model": Artefact("Model", model, name="./model"), "$corpus": corpus(folder, texts), **more}
    for ref in config.protect:
        (folder / "keep").mkdir(parents=True, exist_ok=True)
        inputs[str(ref)] = corpus(folder / "keep", keep, "eng_Latn")
    ctx = context(folder / "out", inputs)
    outcome = expand_vocabulary(config, ctx)
    return outcome, ctx.payload, json.loads((ctx.payload / "expansion.json").read_text("utf-8"))


def conversations(file: Path) -> Artefact:
    """Twelve questions and answers in Urdu, as the user's own file."""
    turns = [
        [{"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[20:40]}] for text in URDU * 3
    ]
    rows = [{"id": str(n), "messages": messages, "language": "urd_Arab"} for n, messages in enumerate(turns)]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return Artefact("Conversations", file, name=str(file))


def run_stage(key: str, folder: Path, settings: dict[str, Any], inputs: dict[str, Artefact], /) -> tuple[Outcome, Path]:
    """Run one stage of the catalogue by hand; return outcome and payload."""
    entry = CATALOGUE[key]
    ctx = context(folder, inputs)
    return entry.load_function()(entry.load_config().model_validate(settings), ctx), ctx.payload


def combine(folder: Path, named: dict[str, Path], /, **settings: Any) -> tuple[Outcome, Path, dict[str, Any]]:
    """Run the merge stage on model directories by name; return outcome, payload and facts."""
    inputs = {f"./{name}": Artefact("Model", path, name=f"./{name}") for name, path in named.items()}
    ctx = context(folder, inputs)
    outcome = merge(MergeConfig(**settings), ctx)
    return outcome, ctx.payload, json.loads((ctx.payload / "merge.json").read_text("utf-8"))
