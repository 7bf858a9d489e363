"""Artefacts from outside the recipe: the user's files, shipped assets, sealed directories, hub ids."""

from __future__ import annotations

import glob
import json
import os
import struct
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
from newtongue.run.store import HashCache

PLAN_HASH_BYTES = 256_000_000
"""`plan` reads at most this much new data to hash it."""
WEIGHT_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1}


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


def resolve(ref: Ref, place: str, cache: HashCache, *, limit_bytes: int | None) -> External:
    """Return the outside artefact behind a reference, checked for layout.

    Args:
        ref: Absolute path, glob, `asset:name` or hub id.
        place: Recipe key, for messages.
        cache: Known hashes.
        limit_bytes: Hash at most this much new data; None hashes everything.

    Raises:
        DataError: There is nothing, or nothing readable, at that place.
        WrongKind: A sealed artefact of another kind stands there.
    """
    path = asset(ref, place) if ref.startswith("asset:") else Path(ref)
    if not ref.startswith("asset:") and ref.is_hub_id and not path.exists():
        return _hub(ref, place)
    if manifest.is_sealed(path):
        return _sealed(ref, path, place)
    files = _files(path, ref, place)
    kind = ref.kinds[0]
    new = sum(f.stat().st_size for f in files if cache.peek(f) is None)
    if limit_bytes is not None and new > limit_bytes:
        note = f"unknown until hashed ({new / 1e9:.1f} GB, ~{new / 1.5e9:.0f} s)"
        return External(Artefact(kind, path, name=str(ref)), _counts(kind, path, files), note)
    base = path if path.is_dir() else path.parent
    names = {os.path.relpath(f, base) if path.is_dir() else f.name: cache.hash(f) for f in files}
    identity = manifest.sha256(manifest.canonical(names))
    return External(Artefact(kind, path, fingerprint=identity, name=str(ref)), _counts(kind, path, files))


def asset(ref: str, place: str = "") -> Path:
    """Return the path of a shipped file or folder, `asset:name`."""
    name = ref.removeprefix("asset:")
    path = Path(str(resources.files("newtongue"))) / "assets" / name
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else path.parent.parent
        shipped = ", ".join(sorted(p.name for p in folder.iterdir()))
        raise RecipeError(f"no shipped asset {name!r}", place=place, expected=shipped)
    return path


def unchanged(artefact: Artefact, cache: HashCache) -> bool:
    """Return whether an outside artefact still has the content it was fingerprinted with."""
    if artefact.sealed or artefact.fingerprint.startswith("hub:"):
        return True
    again = resolve(_ref(artefact), "", cache, limit_bytes=None)
    return again.artefact.fingerprint == artefact.fingerprint


def _ref(artefact: Artefact) -> Ref:
    ref = Ref(artefact.name)
    type(ref).kinds = (artefact.kind,)
    return ref


def _sealed(ref: Ref, path: Path, place: str) -> External:
    facts = manifest.read_manifest(path)
    if facts["kind"] not in ref.kinds:
        raise WrongKind(
            f"a {facts['kind']} stands where a {' or '.join(ref.kinds)} is wanted", place=f"{place}: {path}"
        )
    artefact = Artefact(
        facts["kind"], path / facts["payload"], sealed=True, fingerprint=facts["fingerprint"], name=str(ref)
    )
    return External(artefact, counts_of(facts))


def _files(path: Path, ref: Ref, place: str) -> list[Path]:
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    else:
        files = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())
    spot = f"{place}: {ref}" if place else str(ref)
    if not files:
        raise DataError("no such file, or an empty folder", place=spot, fix="check the path")
    if "Model" in ref.kinds:
        _check_model(path, spot)
    elif ref.kinds and ref.kinds[0] in ("Corpus", "Conversations"):
        files = _readable(files, spot)
    return files


def _readable(files: list[Path], place: str) -> list[Path]:
    pickles = [f.name for f in files if f.suffix in (".bin", ".pkl", ".pt", ".pickle")]
    if pickles:
        raise DataError(f"{pickles[0]} can run code when it is read", place=place, expected=" ".join(READABLE))
    good = [f for f in files if f.name.endswith(READABLE)]
    if not good:
        raise DataError(f"no readable file among {files[0].name} …", place=place, expected=" ".join(READABLE))
    return good


def _check_model(path: Path, place: str) -> None:
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
        raise DataError("no weights: *.safetensors is missing", place=place)
    if not (path / "tokenizer.json").is_file():
        raise DataError(
            "no tokenizer: tokenizer.json is missing", place=place, fix="copy it from the model's repository"
        )


def _hub(ref: Ref, place: str) -> External:
    repository, _, revision = str(ref).partition("@")
    home = Path(os.environ.get("HF_HOME", os.path.expanduser("~/.cache/huggingface")))
    cached = home / "hub" / f"models--{repository.replace('/', '--')}"
    commit = cached / "refs" / (revision or "main")
    known = commit.read_text().strip() if commit.is_file() else revision
    snapshot = cached / "snapshots" / known if known else None
    counts = _known_model(repository)
    if snapshot and snapshot.is_dir():
        return External(Artefact("Model", snapshot, fingerprint=f"hub:{repository}@{known}", name=str(ref)), counts)
    note = "" if revision else "unpinned: the revision is locked when it is downloaded"
    kind = ref.kinds[0] if ref.kinds else "Model"
    return External(
        Artefact(kind, Path(str(ref)), fingerprint=f"hub:{repository}@{revision}", name=str(ref)), counts, note
    )


def _known_model(repository: str) -> Counts:
    from newtongue.run import yaml12

    table: dict[str, Any] = yaml12.read(asset("asset:known_models.yaml")) or {}
    facts = table.get(repository, {})
    return Counts(**{key: value for key, value in facts.items() if key in Counts.__slots__}, exact=bool(facts))


def counts_of(facts: dict[str, Any]) -> Counts:
    """Return the exact size of a sealed artefact from its manifest."""
    counts: dict[str, Any] = dict(facts.get("counts", {}))
    known = ("documents", "utf8_bytes", "tokens", "parameters", "rows", "hidden", "layers")
    extra = {key: value for key, value in counts.items() if key not in known}
    return Counts(
        **{k: int(counts[k]) for k in known if k in counts},
        tied=bool(counts.get("tied", True)),
        exact=True,
        extra=extra,
    )


def _counts(kind: str, path: Path, files: list[Path]) -> Counts:
    if kind == "Model":
        return model_counts(path)
    factor = {".gz": 3.0, ".zst": 3.5, ".parquet": 2.5}
    size = sum(int(f.stat().st_size * factor.get(f.suffix, 0.95)) for f in files)
    return Counts(documents=max(1, size // 3000), utf8_bytes=size)


def model_counts(path: Path) -> Counts:
    """Return the size of a model directory from `config.json` and the headers of its safetensors files."""
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"config.json is not JSON ({error})", place=str(path)) from error
    config = {**config, **(config.get("text_config") or {})}
    parameters = sum(_tensor_elements(file) for file in sorted(path.glob("*.safetensors")))
    return Counts(
        parameters=parameters,
        rows=int(config.get("vocab_size", 0)),
        hidden=int(config.get("hidden_size", 0)),
        layers=int(config.get("num_hidden_layers", 0)),
        tied=bool(config.get("tie_word_embeddings", True)),
        exact=True,
    )


def _tensor_elements(file: Path) -> int:
    try:
        with open(file, "rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(length))
    except (struct.error, json.JSONDecodeError, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise DataError("not a readable safetensors file", place=str(file), fix="download it again") from error
    total = 0
    for name, facts in header.items():
        if name != "__metadata__":
            begin, end = facts["data_offsets"]
            total += (end - begin) // WEIGHT_BYTES.get(facts["dtype"], 2)
    return total
