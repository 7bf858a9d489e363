"""Artefacts from outside the recipe: the user's files, shipped assets, sealed directories, hub ids."""

from __future__ import annotations

import glob
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts
from newtongue.core.config import Ref
from newtongue.core.errors import DataError, RecipeError, WrongKind
from newtongue.core.rows import READABLE
from newtongue.run import yaml12
from newtongue.run.store import HashCache, Pins

PLAN_HASH_BYTES = 256_000_000
"""`plan` reads at most this much new data to hash it."""
HASH_BYTES_PER_SECOND = 1.5e9
PICKLES = (".bin", ".pkl", ".pt", ".pickle")
ROW_KINDS = ("Corpus", "Conversations", "Preferences")
WEIGHT_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1}
COUNT_NAMES = ("documents", "utf8_bytes", "tokens", "parameters", "rows", "hidden", "layers")


@dataclass(frozen=True, slots=True)
class External:
    """One outside artefact as the plan sees it.

    Attributes:
        artefact: Where it is; its fingerprint is "" while unknown.
        counts: Its size, as far as it can be told without reading it.
        note: What to tell the user (`unpinned`, `unknown until hashed`), or "".
    """

    artefact: Artefact
    counts: Counts
    note: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a store remembers of the outside: hashes of files, commits of hub ids, and how much may be read now."""

    cache: HashCache
    pins: Pins
    limit_bytes: int | None = None


def resolve(ref: Ref, place: str, known: Known) -> External:
    """Return the outside artefact behind a reference, checked for layout.

    Args:
        ref: Absolute path, glob, `asset:name` or hub id.
        place: Recipe key, for messages.
        known: Hashes and commits known so far.

    Raises:
        DataError: There is nothing, or nothing readable, at that place.
        WrongKind: A sealed artefact of another kind stands there.
    """
    if ref.is_hub_id:
        return _hub(ref, known.pins)
    path = asset(ref, place) if ref.startswith("asset:") else Path(ref)
    directory = sealed_directory(path)
    if directory is not None:
        return _sealed(ref, directory, place)
    kind = _kind(path, ref.kinds)
    files = _files(path, kind, f"{place}: {ref}" if place else str(ref))
    new = sum(f.stat().st_size for f in files if known.cache.peek(f) is None)
    counts = _counts(kind, path, files)
    if known.limit_bytes is not None and new > known.limit_bytes:
        note = f"unknown until hashed ({new / 1e9:.1f} GB, ~{new / HASH_BYTES_PER_SECOND:.0f} s)"
        return External(Artefact(kind, path, name=str(ref)), counts, note)
    return External(Artefact(kind, path, fingerprint=_identity(path, files, known.cache), name=str(ref)), counts)


def asset(ref: str, place: str = "") -> Path:
    """Return the path of a shipped file or folder, `asset:name`."""
    name = ref.removeprefix("asset:")
    path = Path(str(resources.files("newtongue"))) / "assets" / name
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else path.parent.parent
        shipped = ", ".join(sorted(p.name for p in folder.iterdir()))
        raise RecipeError(f"no shipped asset {name!r}", place=place, expected=shipped)
    return path


def sealed_directory(path: Path) -> Path | None:
    """Return the sealed stage directory that a path names, itself or by its payload folder; None for other paths."""
    if manifest.is_sealed(path):
        return path
    if manifest.is_sealed(path.parent) and manifest.read_manifest(path.parent).get("payload") == path.name:
        return path.parent
    return None


def unchanged(artefact: Artefact, cache: HashCache) -> bool:
    """Return whether an outside artefact still has the content it was fingerprinted with."""
    if artefact.sealed or artefact.fingerprint.startswith("hub:"):
        return True
    files = _files(artefact.path, artefact.kind, artefact.name)
    return _identity(artefact.path, files, cache) == artefact.fingerprint


def counts_of(facts: dict[str, Any]) -> Counts:
    """Return the exact size of a sealed artefact from its manifest."""
    counts: dict[str, Any] = dict(facts.get("counts", {}))
    known = {name: int(counts[name]) for name in COUNT_NAMES if name in counts}
    extra = {name: value for name, value in counts.items() if name not in COUNT_NAMES}
    return Counts(**known, tied=bool(counts.get("tied", True)), exact=True, extra=extra)


def model_counts(path: Path) -> Counts:
    """Return the size of a model directory from `config.json` and the headers of its safetensors files."""
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"config.json is not JSON ({error})", place=str(path)) from error
    config = {**config, **(config.get("text_config") or {})}
    return Counts(
        parameters=sum(_tensor_elements(file) for file in sorted(path.glob("*.safetensors"))),
        rows=int(config.get("vocab_size", 0)),
        hidden=int(config.get("hidden_size", 0)),
        layers=int(config.get("num_hidden_layers", 0)),
        tied=bool(config.get("tie_word_embeddings", True)),
        exact=True,
    )


def _sealed(ref: Ref, path: Path, place: str) -> External:
    facts = manifest.read_manifest(path)
    if facts["kind"] not in ref.kinds:
        wanted = " or ".join(ref.kinds)
        raise WrongKind(f"a {facts['kind']} stands where a {wanted} is wanted", place=f"{place}: {path}")
    payload, mark = path / facts["payload"], facts["fingerprint"]
    return External(Artefact(facts["kind"], payload, sealed=True, fingerprint=mark, name=str(ref)), counts_of(facts))


def _kind(path: Path, kinds: Sequence[str]) -> str:
    """Return which of the allowed kinds a path of the user holds."""
    return "Model" if "Model" in kinds and (len(kinds) == 1 or (path / "config.json").is_file()) else kinds[0]


def _identity(path: Path, files: Sequence[Path], cache: HashCache) -> str:
    """Return the hash of sorted relative names and contents: a copy elsewhere is the same input."""
    base = _fixed_part(path)
    return manifest.sha256(manifest.canonical({os.path.relpath(file, base): cache.hash(file) for file in files}))


def _fixed_part(path: Path) -> Path:
    """Return the folder from which names of files are told: the folder itself, or what stands before a glob."""
    if path.is_dir():
        return path
    fixed = path.parent
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return fixed


def _files(path: Path, kind: str, place: str) -> list[Path]:
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
    else:
        files = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())
    if not files:
        raise DataError("no such file, or an empty folder", place=place, fix="check the path")
    if kind == "Model":
        check_model(path, place)
    return _readable(files, place) if kind in ROW_KINDS else files


def _hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


def _readable(files: list[Path], place: str) -> list[Path]:
    pickles = [f.name for f in files if f.suffix in PICKLES]
    if pickles:
        raise DataError(
            f"{pickles[0]} can run code when it is read",
            place=place,
            expected=" ".join(READABLE),
            fix="write it as JSONL or Parquet on a machine you can lose",
        )
    good = [f for f in files if f.name.endswith(READABLE)]
    if not good:
        raise DataError(f"no readable file among {files[0].name} …", place=place, expected=" ".join(READABLE))
    return good


def check_model(path: Path, place: str) -> None:
    """Refuse a folder that is not a model directory: config, safetensors, tokenizer.

    Raises:
        DataError: Something is missing, or the weights are pickles.
    """
    if not path.is_dir() or not (path / "config.json").is_file():
        raise DataError(
            "not a model directory: config.json is missing", place=place, expected="a Hugging Face model folder"
        )
    if not list(path.glob("*.safetensors")):
        if list(path.glob("*.bin")):
            raise DataError(
                "the weights are pickles, which can run code when they are read",
                place=place,
                expected="*.safetensors",
                fix="load it once in transformers on a machine you can lose, then save_pretrained(…)",
            )
        raise DataError("no weights: *.safetensors is missing", place=place, fix="download the model again")
    if not (path / "tokenizer.json").is_file():
        raise DataError(
            "no tokenizer: tokenizer.json is missing", place=place, fix="copy it from the model's repository"
        )


def _hub(ref: Ref, pins: Pins) -> External:
    repository = str(ref).partition("@")[0]
    kind = "Model" if "Model" in ref.kinds else ref.kinds[0]
    commit = pins.commit(str(ref))
    mark = f"hub:{repository}@{commit}" if commit else ""
    note = "" if commit else "unpinned: the revision is locked when `run` asks the hub"
    return External(Artefact(kind, Path(repository), fingerprint=mark, name=str(ref)), _published(repository), note)


def _published(repository: str) -> Counts:
    """Return the size of a well-known model, from the shipped table."""
    table: dict[str, Any] = yaml12.read(asset("asset:known_models.yaml")) or {}
    facts = table.get(repository, {})
    return Counts(**{key: value for key, value in facts.items() if key in Counts.__slots__}, exact=bool(facts))


def _counts(kind: str, path: Path, files: list[Path]) -> Counts:
    if kind == "Model":
        return model_counts(path)
    factor = {".gz": 3.0, ".zst": 3.5, ".parquet": 2.5}
    size = sum(int(f.stat().st_size * factor.get(f.suffix, 0.95)) for f in files)
    return Counts(documents=max(1, size // 3000), utf8_bytes=size)


def _tensor_elements(file: Path) -> int:
    try:
        with open(file, "rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(min(length, 100_000_000)))
        spans = [(facts["data_offsets"], facts["dtype"]) for name, facts in header.items() if name != "__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("not a readable safetensors file", place=str(file), fix="download it again") from error
    return sum((end - begin) // WEIGHT_BYTES.get(dtype, 2) for (begin, end), dtype in spans)
