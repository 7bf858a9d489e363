"""A store: the folder in which a recipe's stages stand sealed, found again by fingerprint."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.artefact import payload_folder
from newtongue.core.errors import RecipeError
from newtongue.run import yaml12

DIRECTORY = re.compile(r"^(?P<number>\d{2})-(?P<name>[a-z][a-z0-9_]*)-(?P<short>[0-9a-f]{8})$")
CONFIG = "config.yaml"
LOCK_FILE = "recipe.lock.yaml"
HASHES = ".hashes.json"
COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True, slots=True)
class StageDirectory:
    """One stage directory of a store.

    Attributes:
        path: The directory.
        kind: Kind of artefact it holds or will hold.
    """

    path: Path
    kind: str

    @property
    def payload(self) -> Path:
        """Folder of the artefact itself."""
        return self.path / payload_folder(self.kind)

    @property
    def scratch(self) -> Path:
        """Folder of resume state; gone after sealing."""
        return self.path / ".scratch"

    @property
    def sealed(self) -> bool:
        """Whether the stage has finished."""
        return manifest.is_sealed(self.path)


@dataclass(frozen=True, slots=True)
class Store:
    """`runs/<recipe>/`: stage directories, resolved recipes, the ledger and the locks."""

    path: Path

    def directories(self) -> Iterator[Path]:
        """Yield every stage directory, by name."""
        if self.path.is_dir():
            yield from sorted(p for p in self.path.iterdir() if p.is_dir() and DIRECTORY.match(p.name))

    def find(self, fingerprint: str) -> Path | None:
        """Return the directory of a stage by its fingerprint, sealed or not."""
        short = fingerprint[: manifest.SHORT]
        for directory in self.directories():
            if directory.name.endswith(f"-{short}") and read_config(directory).get("fingerprint") == fingerprint:
                return directory
        return None

    def latest(self, name: str) -> Path | None:
        """Return the directory most recently made for a stage of this name, for explaining what changed."""
        same = [d for d in self.directories() if (m := DIRECTORY.match(d.name)) and m["name"] == name]
        return max(same, key=lambda d: d.stat().st_mtime_ns, default=None)

    def place(self, number: int, name: str, fingerprint: str) -> Path:
        """Return where a new stage directory goes."""
        return self.path / f"{number:02d}-{name}-{fingerprint[: manifest.SHORT]}"

    def prepare(self) -> None:
        """Make the store's folder.

        Raises:
            RecipeError: It cannot be written.
        """
        locks = self.path / ".locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            (locks / f".{os.getpid()}").touch()
            (locks / f".{os.getpid()}").unlink()
        except OSError as error:
            raise RecipeError(
                f"the output folder cannot be written ({error.strerror})", place=str(self.path), fix="give --out DIR"
            ) from error

    def recipes(self) -> list[Path]:
        """Return the resolved recipes recorded here."""
        return sorted(self.path.glob("recipe-*.yaml"))


def read_config(directory: Path) -> dict[str, Any]:
    """Return what a stage directory's `config.yaml` says, or nothing when it is missing or half-written."""
    try:
        value = yaml12.parse((directory / CONFIG).read_text("utf-8"), CONFIG)
    except (OSError, RecipeError):
        return {}
    return value if isinstance(value, dict) else {}


class HashCache:
    """Remembers file hashes by (path, size, mtime, ctime, inode), so that unchanged files are read once."""

    def __init__(self, file: Path) -> None:
        """Read the cache file; a missing or broken one counts as empty."""
        self.file = file
        try:
            self.known: dict[str, str] = json.loads(file.read_text("utf-8"))
        except (OSError, json.JSONDecodeError):
            self.known = {}
        self.changed = False

    @staticmethod
    def key(path: Path) -> str:
        """Return the identity of a file's present state."""
        s = path.stat()
        return f"{path}|{s.st_size}|{s.st_mtime_ns}|{s.st_ctime_ns}|{s.st_ino}"

    def peek(self, path: Path) -> str | None:
        """Return the hash if it is known already."""
        return self.known.get(self.key(path))

    def hash(self, path: Path) -> str:
        """Return the hash, reading the file when it is not known."""
        while (key := self.key(path)) not in self.known:
            found = manifest.file_sha256(path)
            if self.key(path) == key:
                self.known[key] = found
                self.changed = True
        return self.known[key]

    def save(self) -> None:
        """Write what was learnt, if the store exists and can be written; it only saves time."""
        if self.changed and self.file.parent.is_dir():
            with contextlib.suppress(OSError):
                manifest.write_json(self.file, self.known)
                self.changed = False


class Pins:
    """The commit each hub id stands for in a store: written once into `recipe.lock.yaml`, then always the same."""

    def __init__(self, store: Path) -> None:
        """Read the lock file; a missing one locks nothing."""
        self.file = store / LOCK_FILE
        self.locked: dict[str, str] = dict(yaml12.read(self.file) or {}) if self.file.is_file() else {}

    def commit(self, ref: str) -> str | None:
        """Return the commit of `org/name[@revision]`: stated, locked, or the one already downloaded."""
        repository, _, revision = ref.partition("@")
        if COMMIT.match(revision):
            return revision
        return self.locked.get(ref) or _downloaded(repository, revision or "main")

    def lock(self, ref: str, commit: str) -> None:
        """Remember the commit of a hub id for good."""
        if self.locked.get(ref) != commit:
            self.locked[ref] = commit
            manifest.write_text(self.file, yaml12.dump(dict(sorted(self.locked.items()))))


def hub_cache() -> Path:
    """Return where downloads from the hub are kept, as Hugging Face's own tools decide it."""
    home = os.environ.get("HF_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", os.path.join(home, "hub"))).expanduser()


def _downloaded(repository: str, revision: str) -> str | None:
    for kind in ("models", "datasets"):
        named = hub_cache() / f"{kind}--{repository.replace('/', '--')}" / "refs" / revision
        if named.is_file():
            return named.read_text().strip()
    return None
