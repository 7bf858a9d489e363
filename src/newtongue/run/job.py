"""What a runner tells its child process, and what comes back: one JSON file out, JSON lines home."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from newtongue.core.artefact import Artefact
from newtongue.core.config import StageConfig

JOB = "job.json"
MARK = "\x1e"
"""Record separator before every line meant for the runner; other output goes to the stage's log."""


@dataclass(frozen=True, slots=True)
class Job:
    """One stage to run in a fresh process.

    Attributes:
        key: Catalogue key.
        directory: Stage directory.
        payload: Folder of the artefact, empty.
        scratch: Folder of resume state.
        store: The store's folder.
        settings: The config as plain values.
        inputs: Text of each reference -> artefact.
    """

    key: str
    directory: Path
    payload: Path
    scratch: Path
    store: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, Artefact]

    def write(self) -> Path:
        """Write the job into its scratch folder and return the file."""
        inputs = {name: {**asdict(artefact), "path": str(artefact.path)} for name, artefact in self.inputs.items()}
        folders = {n: str(getattr(self, n)) for n in ("directory", "payload", "scratch", "store")}
        file = self.scratch / JOB
        file.write_text(json.dumps({"key": self.key, **folders, "settings": self.settings, "inputs": inputs}), "utf-8")
        return file

    @classmethod
    def read(cls, file: Path) -> Job:
        """Return the job written in a file."""
        values = json.loads(file.read_text("utf-8"))
        inputs = {n: Artefact(**{**facts, "path": Path(facts["path"])}) for n, facts in values.pop("inputs").items()}
        folders = {n: Path(values.pop(n)) for n in ("directory", "payload", "scratch", "store")}
        return cls(key=values["key"], settings=values["settings"], inputs=inputs, **folders)


def plain(config: StageConfig) -> dict[str, Any]:
    """Return every setting of a config as plain JSON values."""
    return config.model_dump(mode="json")
