"""Checks on weights: rows against tokens, ties, values. Reads headers and the embedding matrices only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.checkpoint import Checkpoint, row_blocks, tie_problem
from newtongue.adapters.hf.embeddings import rows_digest
from newtongue.adapters.hf.row_statistics import RowStatistics, row_statistics
from newtongue.adapters.hf.safetensors_file import Tensor, gather_rows, read_rows
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.methods.initialiser import Initialiser
from newtongue.tools.doctor.findings import Finding, from_error
from newtongue.tools.doctor.tokenizer_checks import read_json

MAX_SPARE_FRACTION = 0.05
MAX_SPARE_ROWS = 1024
ROUNDING = 2**-7
"""New rows may differ from W times old rows by what bfloat16 rounds, as a share of the largest value."""
MAX_NORM_FACTOR = 4.0
"""New rows whose median norm differs from the old ones' by more than this factor deserve a look."""


def overview(checkpoint: Checkpoint) -> Finding:
    """Say what the checkpoint is."""
    dtypes = sorted({tensor.dtype for tensor in checkpoint.tensors.values()})
    kind = checkpoint.config.get("model_type", "unknown architecture")
    return Finding(
        "weights",
        "ok",
        f"{kind}, {checkpoint.parameters:,} parameters in {len(checkpoint.files)} "
        f"file{'s' if len(checkpoint.files) != 1 else ''}, {' and '.join(dtypes)}",
    )


def embedding_rows(_folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Compare the tokenizer's highest id, the config and the matrices."""
    rows, last = checkpoint.rows, tokenizer.last_id
    stated = checkpoint.text_config.get("vocab_size", rows)
    uneven = [t for t in checkpoint.vocabulary_tensors() if t.shape[0] != rows]
    if last >= rows:
        sentence = f"the tokenizer uses ids up to {last:,}, the embedding matrix has {rows:,} rows"
        return [Finding("embedding_rows", "error", sentence, "use the tokenizer the model was trained with")]
    if uneven:
        sentence = f"{uneven[0].name} has {uneven[0].shape[0]:,} rows, {checkpoint.input.name} {rows:,}"
        return [Finding("embedding_rows", "error", sentence, "save the model again after resizing both matrices")]
    if stated != rows:
        sentence = f"config.json says vocab_size {stated:,}, the embedding matrix has {rows:,} rows"
        return [Finding("embedding_rows", "error", sentence, f"set vocab_size to {rows}")]
    spare = rows - last - 1
    sentence = f"{rows:,} rows for {last + 1:,} ids, {spare:,} of them padding"
    if spare > max(MAX_SPARE_ROWS, rows * MAX_SPARE_FRACTION):
        return [Finding("embedding_rows", "warning", sentence, "check that this is the model's own tokenizer")]
    return [Finding("embedding_rows", "ok", sentence)]


def tied_head(_folder: Path, checkpoint: Checkpoint, _tokenizer: FastTokenizer) -> list[Finding]:
    """Compare the tied flag of the config with what is stored."""
    problem = tie_problem(checkpoint)
    if problem is not None:
        return [from_error("tied_head", problem)]
    said = "tied" if checkpoint.tied else "separate"
    return [Finding("tied_head", "ok", f"input and output embeddings are {said}")]


def row_values(_folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Look for rows of used ids that are not finite or all zero (the padding token's may be zero)."""
    padding = checkpoint.text_config.get("pad_token_id")
    known = {number for number in tokenizer.ids.values() if number < checkpoint.rows and number != padding}
    used = np.asarray(sorted(known), np.int64)
    findings = []
    for tensor in checkpoint.vocabulary_tensors():
        norms = row_norms(tensor)[used]
        broken, empty = used[~np.isfinite(norms)], used[norms == 0]
        for level, rows, what in (("error", broken, "not finite"), ("warning", empty, "all zero")):
            if len(rows):
                named = ", ".join(repr(tokenizer.names[int(i)]) for i in rows[:3])
                sentence = f"{tensor.name}: {len(rows):,} rows of used ids are {what} ({named})"
                fix = "download the model again" if level == "error" else "expand or train these rows before using them"
                findings.append(Finding("row_values", level, sentence, fix))  # type: ignore[arg-type]
    return findings or [Finding("row_values", "ok", f"the rows of all {len(used):,} used ids are finite and not zero")]


def new_rows(folder: Path, checkpoint: Checkpoint, _tokenizer: FastTokenizer) -> list[Finding]:
    """Compare the norms of rows added by the tokenizer stage with the old ones, where it left its facts."""
    facts = read_json(folder / "expansion.json")
    if not facts:
        return []
    first, last = facts["first_new_id"], facts["first_new_id"] + facts["new_tokens"]
    if first == last:
        return []
    norms = row_norms(checkpoint.input)
    old, new = float(np.median(norms[:first])), float(np.median(norms[first:last]))
    sentence = f"median norm of {last - first:,} new rows {new:.3g}, of old rows {old:.3g}"
    near = old / MAX_NORM_FACTOR <= new <= old * MAX_NORM_FACTOR
    fix = "" if near else "train the new rows, or start them with init: subword_mean"
    return [Finding("new_rows", "ok" if near else "warning", sentence, fix)]


def kept_rows(folder: Path, checkpoint: Checkpoint, _tokenizer: FastTokenizer) -> list[Finding]:
    """Compare the old rows with the digests the tokenizer stage wrote of its source, where it left them."""
    facts = read_json(folder / "expansion.json")
    digests, first = facts.get("kept_rows"), facts.get("first_new_id", 0)
    if not digests or not (folder / "W.txt").is_file():  # later stages carry the facts on, and train old rows
        return []
    stored = {tensor.name: tensor for tensor in checkpoint.vocabulary_tensors()}
    changed = [
        name for name, digest in digests.items() if name not in stored or rows_digest(stored[name], first) != digest
    ]
    if changed:
        sentence = f"the first {first:,} rows of {changed[0]} are not those of the model that was expanded"
        return [Finding("kept_rows", "error", sentence, "run the tokenizer stage again")]
    return [Finding("kept_rows", "ok", f"the {first:,} old rows are those of the source, bit for bit")]


def mixed_rows(folder: Path, checkpoint: Checkpoint, _tokenizer: FastTokenizer) -> list[Finding]:
    """Make the new rows again from the saved W and compare them with what is stored."""
    facts = read_json(folder / "expansion.json")
    found = []
    for tensor in (t for t in checkpoint.vocabulary_tensors() if len(t.shape) == 2):
        own = folder / "W_head.npz"
        file = own if tensor is not checkpoint.input and own.is_file() else folder / "W.npz"
        if file.is_file() and facts.get("new_tokens"):
            found += _compare_with_w(file, tensor, facts["first_new_id"])
    return found


def _compare_with_w(file: Path, tensor: Tensor, first: int) -> list[Finding]:
    with np.load(file, allow_pickle=False) as saved:
        init = Initialiser(
            tuple(saved["shape"].tolist()),
            *(saved[k] for k in ("indptr", "indices", "data", "mean_share")),
            rank=int(saved["rank"]) if "rank" in saved else 0,
        )
        noisy = "noise" in saved and float(saved["noise"]) > 0
    if noisy:
        return []
    used = np.arange(min(first, tensor.shape[0]))
    known = RowStatistics(np.zeros(tensor.shape[1], np.float32), np.zeros(0, np.float32))
    if init.reads_mean:
        known = row_statistics(tensor, used, str, init.spread)
    made = init.rows(gather_rows(tensor, init.support()), known.mean, known.spread)
    stored = read_rows(tensor, first, first + init.shape[0])
    error = float(np.abs(made - stored).max(initial=0)) / max(float(np.abs(stored).max(initial=0)), 1e-30)
    if error > ROUNDING:
        sentence = (
            f"{tensor.name}: new rows differ from what {file.name} says by up to {error:.1%} of the largest value"
        )
        return [Finding("mixed_rows", "warning", sentence, "run the tokenizer stage again, unless they were trained")]
    return [Finding("mixed_rows", "ok", f"the new rows of {tensor.name} are the mixtures {file.name} says")]


def remote_code(_folder: Path, checkpoint: Checkpoint, _tokenizer: FastTokenizer) -> list[Finding]:
    """Say when the model asks to run its own code."""
    if "auto_map" not in checkpoint.config:
        return []
    sentence = "the model comes with its own code (auto_map), which is never run"
    return [Finding("remote_code", "warning", sentence, "use a model whose architecture transformers knows")]


def row_norms(tensor: Tensor) -> NDArray[np.float64]:
    """Return the norm of every row, block by block; NaN or infinite where a value is."""
    norms = np.empty(tensor.shape[0])
    for first, last in row_blocks(tensor):
        block = read_rows(tensor, first, last).reshape(last - first, -1).astype(np.float64)
        norms[first:last] = np.sqrt((block**2).sum(1))
    return norms
