"""Handles on what stages make. A handle is a place and a kind; reading and writing happens elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["Corpus", "Model", "Conversations", "Preferences", "Scorer", "Suite", "Scores", "Report", "File"]
KINDS: tuple[str, ...] = get_args(Kind)
PARTS: dict[str, tuple[str, ...]] = {
    "Corpus": ("train", "heldout"),
    "Conversations": ("train", "heldout"),
    "Preferences": ("train", "heldout"),
    "Model": ("W",),
    "Scorer": (),
    "Suite": (),
    "Scores": (),
    "Report": (),
}
"""Parts of each kind that a recipe can name: `$corpus.train`, `$tokenizer.W`."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One input of a stage, resolved to a place on this machine.

    Attributes:
        kind: What it is.
        path: The payload folder of a sealed stage, or the user's own file, folder or glob.
        part: `train`, `heldout`, … when the recipe asked for one part, else None.
        sealed: Whether `path` is the payload of a sealed stage (its rows carry `split`).
        fingerprint: Identity of the content: the stage's fingerprint or the hash of the user's files.
        name: How the recipe wrote it, for messages.
    """

    kind: str
    path: Path
    part: str | None = None
    sealed: bool = False
    fingerprint: str = ""
    name: str = ""

    @property
    def directory(self) -> Path:
        """The stage directory of a sealed artefact (manifest, card), else the path itself."""
        return self.path.parent if self.sealed else self.path


def payload_folder(kind: str) -> str:
    """Return the name of the payload folder of a kind: `model`, `corpus`, ….

    Example:
        >>> payload_folder("Conversations")
        'conversations'
    """
    return kind.lower()
