"""Run every check that applies; a check that cannot read its input says so, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from newtongue.adapters.hf.checkpoint import Checkpoint, open_checkpoint
from newtongue.adapters.hf.tokenizers import FastTokenizer, read_tokenizer
from newtongue.core.errors import DataError
from newtongue.tools.doctor import chat_checks, tokenizer_checks, weight_checks
from newtongue.tools.doctor.environment import environment
from newtongue.tools.doctor.findings import Finding, from_error, worst

Read = TypeVar("Read")
Check = Callable[[Path, Checkpoint, FastTokenizer], list[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("embedding_rows", weight_checks.embedding_rows),
    ("tied_head", weight_checks.tied_head),
    ("row_values", weight_checks.row_values),
    ("new_rows", weight_checks.new_rows),
    ("kept_rows", weight_checks.kept_rows),
    ("mixed_rows", weight_checks.mixed_rows),
    ("tokenizer_kind", tokenizer_checks.kind),
    ("token_ids", tokenizer_checks.ids),
    ("special_tokens", tokenizer_checks.special_tokens),
    ("round_trip", tokenizer_checks.round_trip),
    ("chat_template", chat_checks.chat_template),
    ("remote_code", weight_checks.remote_code),
)


def examine(model: Path | None = None, *, generate: bool = True) -> list[Finding]:
    """Check a model directory without changing it; without one, check this computer.

    Args:
        model: A Hugging Face model directory, or None.
        generate: Whether to load the model and generate a few tokens (loads torch; skipped when the weights
            would not fit into free memory).
    """
    if model is None:
        return environment()
    folder = _model_folder(Path(model).expanduser())
    if not folder.is_dir():
        return [Finding("folder", "error", f"{model}: no such directory", "give a model or stage directory")]
    findings: list[Finding] = []
    checkpoint = _read(findings, "weights", lambda: open_checkpoint(folder))
    tokenizer = _read(findings, "tokenizer", lambda: read_tokenizer(folder))
    if checkpoint is None or tokenizer is None:
        return findings
    findings.append(weight_checks.overview(checkpoint))
    for name, check in CHECKS:
        findings += _read(findings, name, lambda check=check: check(folder, checkpoint, tokenizer)) or []  # type: ignore[misc]
    if generate and worst(findings) != "error":
        from newtongue.tools.doctor.generation_check import generation

        findings += generation(folder, checkpoint, tokenizer)
    return findings


def _model_folder(path: Path) -> Path:
    """Accept a stage directory as well as the model directory inside it."""
    inside = path / "model"
    return inside if not (path / "config.json").is_file() and (inside / "config.json").is_file() else path


def _read(findings: list[Finding], check: str, read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except DataError as error:
        findings.append(from_error(check, error))
        return None
