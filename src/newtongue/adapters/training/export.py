"""Writing a trained model: weights in the type of their source, everything else carried over byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from newtongue.adapters.hf.models import DTYPES

CARRIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "expansion.json",
)


def save_model(model: Any, source: Path, out: Path, *, dtype: str) -> None:
    """Write weights and config of a trained model and copy the tokenizer of the model it came from.

    Args:
        model: The trained model, float32.
        source: Directory it was loaded from.
        out: Folder to write into.
        dtype: Type of the exported weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    exported = model.to(device="cpu", dtype=DTYPES[dtype])
    exported.config.dtype = DTYPES[dtype]
    exported.save_pretrained(out, safe_serialization=True, max_shard_size="4GB")
    for name in CARRIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
    for weights in out.glob("*.safetensors"):
        weights.chmod(0o644)


def model_counts(out: Path) -> dict[str, int]:
    """Return the size of a written model, for the estimates of stages that come after."""
    from safetensors import safe_open

    config = json.loads((out / "config.json").read_text("utf-8"))
    config |= config.get("text_config") or {}
    parameters = 0
    for file in sorted(out.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            parameters += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return {
        "parameters": parameters,
        "rows": int(config["vocab_size"]),
        "hidden": int(config["hidden_size"]),
        "layers": int(config["num_hidden_layers"]),
        "tied": int(bool(config.get("tie_word_embeddings", True))),
    }


def write_log(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON line per entry of a training log."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
