"""The ids of special tokens that settings files name, moved when a vocabulary is renumbered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError


def renumber_file(file: Path, id_map: Sequence[int] | NDArray[np.int64]) -> None:
    """Give the special tokens a JSON file names (`generation_config.json`) their new ids; no file, nothing to do."""
    if file.is_file():
        write_json(file, renumbered(json.loads(file.read_text("utf-8")), id_map))


def renumbered(settings: Mapping[str, Any], id_map: Sequence[int] | NDArray[np.int64]) -> dict[str, Any]:
    """Return settings with every `*_token_id` mapped to its new id.

    Raises:
        DataError: A special token the settings name is among the dropped ones.
    """
    return {
        key: renumbered(value, id_map)
        if isinstance(value, dict)
        else _renumber(key, value, id_map)
        if key.endswith(("_token_id", "_token_ids"))
        else value
        for key, value in settings.items()
    }


def _renumber(key: str, value: Any, id_map: Sequence[int] | NDArray[np.int64]) -> Any:
    if isinstance(value, list):
        return [_renumber(key, item, id_map) for item in value]
    if not isinstance(value, int) or not 0 <= value < len(id_map):
        return value
    if id_map[value] < 0:
        raise DataError(f"{key} {value} is among the dropped tokens", fix="keep every special token")
    return int(id_map[value])


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a settings file as transformers does."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
