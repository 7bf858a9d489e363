"""Load the model the way training and serving do, and generate a few tokens. The only check that needs torch."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.core.errors import DataError
from newtongue.tools.doctor.environment import free_memory_bytes, installed
from newtongue.tools.doctor.findings import Finding, Level, from_error
from newtongue.tools.doctor.tokenizer_checks import SCRIPTS

NEW_TOKENS = 8
MEMORY_SHARE = 0.7
"""Weights may take this share of free memory; otherwise the model is not loaded."""


def generation(folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Load model and tokenizer through transformers, compare token ids, generate greedily."""
    if not installed("torch") or not installed("transformers"):
        return [Finding("generation", "warning", "not tried: torch is not installed", "pip install 'newtongue[train]'")]
    size, free = sum(tensor.size_bytes for tensor in checkpoint.tensors.values()), free_memory_bytes()
    if free is not None and size > free * MEMORY_SHARE:
        sentence = f"not tried: {size / 1e9:.1f} GB of weights, {free / 1e9:.1f} GB of memory free"
        return [Finding("generation", "warning", sentence, "run doctor on a machine with more memory")]
    try:
        auto = _load_tokenizer(folder)
        return [_same_ids(auto, tokenizer), *_generate(folder, auto)]
    except DataError as error:
        return [from_error("generation", error)]


def _load_tokenizer(folder: Path) -> Any:
    from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer

    return load_auto_tokenizer(folder)


def _same_ids(auto: Any, tokenizer: FastTokenizer) -> Finding:
    """Compare what tokenizer.json does with what transformers makes of it."""
    code = files("newtongue").joinpath("assets/protected/code.txt").read_text("utf-8")
    texts = [*SCRIPTS.values(), code]
    ours = [tokenizer.backend.encode(text).ids for text in texts]
    theirs = [auto.backend_tokenizer.encode(text).ids for text in texts]
    if ours != theirs:
        sentence = f"transformers ({type(auto).__name__}) gives other ids than tokenizer.json"
        fix = 'set "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json'
        return Finding("loaded_tokenizer", "warning", sentence, fix)
    return Finding("loaded_tokenizer", "ok", f"transformers ({type(auto).__name__}) gives the ids of tokenizer.json")


def _generate(folder: Path, auto: Any) -> list[Finding]:
    from newtongue.adapters.hf.loading import try_model

    trial = try_model(folder, auto("Hello")["input_ids"], NEW_TOKENS)
    findings = []
    if trial.missing or trial.unexpected:
        names = f"{len(trial.missing)} missing {sorted(trial.missing)[:2]}, "
        names += f"{len(trial.unexpected)} not used {sorted(trial.unexpected)[:2]}"
        level: Level = "error" if trial.missing else "warning"
        findings.append(Finding("loading", level, f"weights: {names}", "save the model again with save_pretrained"))
    if not trial.finite:
        return [*findings, Finding("generation", "error", "the model's logits are not finite", "download it again")]
    if trial.logits < len(auto):
        sentence = f"{trial.logits:,} logits for {len(auto):,} tokens"
        return [*findings, Finding("generation", "error", sentence, "resize the output matrix")]
    return [*findings, Finding("generation", "ok", f"loads; {len(trial.generated)} tokens generated greedily")]
