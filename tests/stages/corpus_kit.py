"""Runs the corpus stage on rows or files, without a runner."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Document
from newtongue.stages.corpus.config import CorpusConfig
from newtongue.stages.corpus.stage import curate


@dataclass(frozen=True)
class Run:
    """What one run of the stage left behind."""

    folder: Path
    outcome: Outcome

    @property
    def artefact(self) -> Artefact:
        return Artefact("Corpus", self.folder / "corpus", sealed=True, name="$corpus")

    def documents(self, split: str | None = None) -> list[Document]:
        return list(read_documents(self.artefact, split))

    def rejected(self) -> list[dict[str, str]]:
        lines = (self.folder / "corpus" / "rejected.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def payload(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted((self.folder / "corpus").iterdir())}


def write_jsonl(file: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return file


def run_corpus(folder: Path, sources: list[Any], language: str, **settings: Any) -> Run:
    """Curate sources (paths, artefacts or mappings with `path`) into `folder/corpus`."""
    inputs: dict[str, Artefact] = {}
    listed = []
    for number, source in enumerate(sources):
        facts = dict(source) if isinstance(source, Mapping) else {"path": source}
        path = facts["path"]
        artefact = path if isinstance(path, Artefact) else Artefact("Corpus", Path(path), name=Path(path).name)
        name = f"./source-{number}"
        inputs[name] = artefact
        listed.append({**facts, "path": name})
    config = CorpusConfig.model_validate({"sources": listed, "language": language, **settings})
    (folder / "corpus").mkdir(parents=True)
    (folder / "scratch").mkdir()

    def silent(*_: Any, **__: Any) -> None: ...

    places = (folder, folder / "corpus", folder / "scratch")
    return Run(folder, curate(config, Context(*places, inputs, folder, silent, silent)))
