"""The files of a model directory that say where its weights are and what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from newtongue.core.errors import DataError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def read_config(folder: Path) -> dict[str, Any]:
    """Return `config.json` of a model directory.

    Raises:
        DataError: It is missing or not JSON.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise DataError("the model directory has no config.json", place=str(folder), fix="download the whole model")
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"not valid JSON ({error})", place=str(file)) from None


def weight_places(folder: Path) -> dict[str, Path]:
    """Return the file of every tensor from the index; nothing where the weights are one file.

    Raises:
        DataError: No safetensors weights, a damaged index, or a shard is missing.
    """
    if (folder / INDEX).is_file():
        try:
            listed = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"not a valid index ({error})", place=str(folder / INDEX), fix="download it again"
            ) from None
        missing = [name for name in sorted(set(listed.values())) if not (folder / name).is_file()]
        if missing:
            raise DataError(f"shard {missing[0]} is missing", place=str(folder), fix="download the whole model")
        return {name: folder / file for name, file in listed.items()}
    if (folder / SINGLE).is_file():
        return {}
    pickled = sorted(path.name for path in folder.glob("*.bin")) + sorted(path.name for path in folder.glob("*.pt"))
    if pickled:
        raise DataError(
            f"the weights are pickled ({pickled[0]}), which could run code when loaded",
            place=str(folder),
            expected="safetensors",
            fix="convert a copy you trust: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder)",
        )
    raise DataError("the model directory has no weights", place=str(folder), expected=f"{SINGLE} or {INDEX}")
