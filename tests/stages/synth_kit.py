"""A small synth stage made by hand: seeds, documents, context, and a way to read what it wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.tables import read_conversations, write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Conversation, Document
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.stage import synthesise

SAMPLE = Path(str(files("newtongue") / "assets" / "sample"))
SEEDS = SAMPLE / "seeds.urd_Arab.jsonl"
OFFLINE: dict[str, Any] = {"serve": "offline", "license": "Apache-2.0"}


def sample_documents(folder: Path, language: str, count: int = 60) -> Artefact:
    """A sealed-like corpus of sample documents; every fourth group is held out."""
    lines = (SAMPLE / f"{language}.jsonl").read_text("utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["group"])[:count]
    documents = [
        Document(r["id"], r["text"], language, "heldout" if i % 4 == 3 else "train", r["group"], license="CC0-1.0")
        for i, r in enumerate(rows)
    ]
    write_documents(folder / language / "corpus", documents)
    return Artefact("Corpus", folder / language / "corpus", sealed=True, name=f"${language}")


def context(folder: Path, inputs: dict[str, Artefact], cap_micro_usd: int | None = 0) -> Context:
    """A context made by hand; the folder is also the store."""
    for name in ("payload", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for file in (folder / "payload").iterdir():
        file.unlink()
    Ledger(folder / "ledger.db", cap_micro_usd).close()
    quiet = {"journal": lambda event, **facts: None, "progress": lambda *a, **k: None}
    return Context(folder, folder / "payload", folder / "scratch", inputs, folder, **quiet)  # type: ignore[arg-type]


def run(folder: Path, cap_micro_usd: int | None = 0, documents: bool = True, **settings: Any) -> Outcome:
    """Run the stage in `folder` on the shipped seeds, with documents and their translations."""
    inputs = {"seeds": Artefact("Conversations", SEEDS, name="seeds")}
    chosen: dict[str, Any] = {"teacher": OFFLINE, "language": "urd_Arab", "seeds": "seeds", "rows": 40, **settings}
    if documents:
        inputs |= {tag: sample_documents(folder, tag) for tag in ("urd_Arab", "eng_Latn")}
        chosen |= {"documents": "urd_Arab", "translations": "eng_Latn"}
    if "seeds_file" in chosen:
        inputs["seeds"] = Artefact("Conversations", chosen.pop("seeds_file"), name="seeds")
    config = SynthConfig.model_validate(chosen)
    return synthesise(config, context(folder, inputs, cap_micro_usd))


def rows_of(folder: Path) -> Sequence[Conversation]:
    """The conversations a run wrote."""
    return list(read_conversations(Artefact("Conversations", folder / "payload", sealed=True)))


def payload(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of everything a run wrote, what is volatile left out."""
    files = sorted((folder / "payload").iterdir())
    return {file.name: file.read_bytes() for file in files if file.name != "summary.md"}


def rejected(folder: Path) -> list[dict[str, Any]]:
    """The rows a run set aside."""
    return [json.loads(line) for line in (folder / "payload" / "rejected.jsonl").read_text("utf-8").splitlines()]
