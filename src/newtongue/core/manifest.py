"""Identity and sealing: what a stage's directory promises, and how the promise is kept.

A fingerprint says what a stage was asked to do (settings and inputs); a digest says which bytes came out.
`manifest.json` is written last and atomically: where it stands, the stage has finished and nothing changes again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from newtongue.core.errors import Corrupt, NotSealed

MANIFEST = "manifest.json"
SHORT = 8
BLOCK_BYTES = 1 << 22


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces, UTF-8: equal values give equal bytes.

    Example:
        >>> canonical({"b": 1, "a": [1.5, None]})
        b'{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(key: str, version: int, settings: Any, inputs: Mapping[str, str], cards: Mapping[str, str]) -> str:
    """Return the identity of what a stage is asked to do.

    Args:
        key: Catalogue key.
        version: Stage version.
        settings: Semantic settings that differ from their defaults.
        inputs: Dotted place in the config -> fingerprint of the artefact there.
        cards: Language tag -> sha256 of its card.
    """
    parts = {"stage": key, "version": version, "settings": settings, "inputs": dict(inputs), "cards": dict(cards)}
    return sha256(canonical(parts))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every regular file below `folder`, sorted by relative name."""
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def describe_payload(payload: Path, volatile: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return relative name -> bytes and sha256 (no sha256 for volatile files) of a payload folder."""
    described: dict[str, dict[str, Any]] = {}
    for file in files_below(payload):
        name = file.relative_to(payload).as_posix()
        facts: dict[str, Any] = {"bytes": file.stat().st_size}
        described[name] = {"volatile": True} if name in volatile else {**facts, "sha256": file_sha256(file)}
    return described


def digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the identity of the bytes a stage made: names and hashes of its files, volatile ones left out."""
    return sha256(canonical({name: facts["sha256"] for name, facts in files.items() if "sha256" in facts}))


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make every file and folder below `folder` durable."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with open(path, "rb") as stream:
                os.fsync(stream.fileno())


def write_json(file: Path, value: Any) -> None:
    """Write readable JSON atomically and durably."""
    write_text(file, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a file atomically and durably: temporary file, fsync, rename, fsync of the folder."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a sealed stage directory.

    Raises:
        NotSealed: There is none: the stage has not finished.
        Corrupt: It is not JSON.
    """
    file = directory / MANIFEST
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except FileNotFoundError as error:
        raise NotSealed("not sealed: the stage has not finished", place=str(directory), fix="run it") from error
    except json.JSONDecodeError as error:
        raise Corrupt(f"the manifest is not JSON ({error})", place=str(file), fix=f"rm -r {directory}") from error


def is_sealed(directory: Path) -> bool:
    """Return whether the stage of this directory has finished."""
    return (directory / MANIFEST).is_file()


def missing(directory: Path) -> list[str]:
    """Return the payload files of a sealed directory that are gone or of another size; reads no content."""
    facts = read_manifest(directory)
    payload, files = directory / facts["payload"], facts["files"]
    return [name for name, file in files.items() if not _as_large(payload / name, file.get("bytes"))]


def _as_large(file: Path, size: int | None) -> bool:
    return file.is_file() and size in (None, file.stat().st_size)


def verify(directory: Path) -> list[str]:
    """Return the differences between a sealed directory and its manifest; empty when intact."""
    manifest = read_manifest(directory)
    payload = directory / manifest["payload"]
    promised: dict[str, dict[str, Any]] = manifest["files"]
    problems = [f"{name}: missing" for name in promised if not (payload / name).is_file()]
    for file in files_below(payload):
        name = file.relative_to(payload).as_posix()
        facts = promised.get(name)
        if facts is None:
            problems.append(f"{name}: not in the manifest")
        elif "sha256" in facts and file_sha256(file) != facts["sha256"]:
            problems.append(f"{name}: bytes differ")
    return problems
