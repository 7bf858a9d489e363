"""Stage directories: how one is started, and how a finished one is promised for good."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.config import Ref, references, semantic
from newtongue.core.context import Outcome
from newtongue.core.errors import DataError
from newtongue.core.secrets import redact
from newtongue.run import sources, yaml12
from newtongue.run.plan import Plan, PlannedStep
from newtongue.run.store import CONFIG, HASHES, HashCache, StageDirectory

PACKAGES = ("newtongue", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow")


def start_directory(step: PlannedStep, plan: Plan) -> None:
    """Make the stage directory, write its config, empty the payload folder; scratch stays."""
    place = step.place
    facts = {
        "stage": step.step.entry.key,
        "version": step.step.entry.version,
        "fingerprint": step.fingerprint,
        "settings": semantic(step.step.config),
        "inputs": {where: shown(ref, plan) for where, ref in references(step.step.config)},
    }
    try:
        place.scratch.mkdir(parents=True, exist_ok=True)
        manifest.write_text(place.path / CONFIG, yaml12.dump(facts))
        if place.payload.exists():
            shutil.rmtree(place.payload)
        place.payload.mkdir()
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", place=str(place.path), fix="give --out DIR") from error


def shown(ref: Ref, plan: Plan) -> str:
    """Return a reference as it may be written down: paths are told from the store, so that it can be moved."""
    return str(ref) if ref.startswith(("$", "asset:")) or ref.is_hub_id else os.path.relpath(ref, plan.store.path)


def seal(step: PlannedStep, plan: Plan, outcome: Outcome, costs: Mapping[str, float]) -> None:
    """Make the payload durable and promise it: sync, hash, check the inputs again, write the manifest last.

    Raises:
        DataError: An input changed while the stage ran; nothing is promised and the partial work is dropped.
    """
    place = step.place
    manifest.write_text(place.path / "card.md", redact(_card(step, outcome)))
    manifest.sync_tree(place.payload)
    files = manifest.describe_payload(place.payload, tuple(outcome.volatile))
    _check_inputs(step, plan, place)
    facts = json.loads(redact(json.dumps(_facts(step, outcome, files, costs), ensure_ascii=False)))
    for file in manifest.files_below(place.payload):
        file.chmod(0o444)
    manifest.write_json(place.path / manifest.MANIFEST, facts)
    shutil.rmtree(place.scratch, ignore_errors=True)


def _check_inputs(step: PlannedStep, plan: Plan, place: StageDirectory) -> None:
    cache = HashCache(plan.store.path / HASHES)
    for artefact in step.inputs.values():
        if not sources.unchanged(artefact, cache):
            shutil.rmtree(place.scratch, ignore_errors=True)
            where = f"stages.{step.step.name}: {artefact.name}"
            raise DataError("changed while the stage ran; its work is void", place=where, fix="run again")


def _facts(
    step: PlannedStep, outcome: Outcome, files: Mapping[str, Mapping[str, Any]], costs: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "kind": step.place.kind,
        "stage": step.step.entry.key,
        "name": step.step.name,
        "version": step.step.entry.version,
        "fingerprint": step.fingerprint,
        "digest": manifest.digest(files),
        "payload": step.place.payload.name,
        "files": files,
        "settings": semantic(step.step.config),
        "inputs": {where: _input(step.inputs[str(ref)]) for where, ref in references(step.step.config)},
        "counts": dict(outcome.counts),
        "metrics": dict(outcome.metrics),
        "licences": dict(outcome.licences),
        "languages": list(outcome.languages),
        "card": list(outcome.card),
        "gate": outcome.gate,
        "costs": {**outcome.costs, **costs},
        "versions": _versions(),
    }


def _input(artefact: Artefact) -> dict[str, str]:
    digest = str(manifest.read_manifest(artefact.path.parent)["digest"]) if artefact.sealed else ""
    outside = os.path.isabs(artefact.name)
    name = os.path.basename(artefact.name) if outside else artefact.name
    return {"name": name, "fingerprint": artefact.fingerprint, "digest": digest}


def _card(step: PlannedStep, outcome: Outcome) -> str:
    parts = [f"# {step.step.name}", f"A {step.place.kind} made by the stage `{step.step.entry.key}`.", *outcome.card]
    for title, numbers in (("Counts", outcome.counts), ("Licences", outcome.licences)):
        if numbers:
            parts += [f"## {title}", "\n".join(f"- {name}: {number:,}" for name, number in numbers.items())]
    return "\n\n".join(parts) + "\n"


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
