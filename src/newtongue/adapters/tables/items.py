"""One row per measured item, to and from Parquet: what every figure of an evaluation is summed from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from newtongue.core.errors import Corrupt

ITEM_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("set", "kind", "item", "group")],
        *[(n, pa.int64()) for n in ("bytes", "characters", "tokens", "words", "shortened", "spanning")],
        ("bits", pa.float64()),
        ("bits_alone", pa.float64()),
        ("ids_digest", pa.string()),
        *[(name, pa.string()) for name in ("task", "prompt", "reference", "output")],
        *[(name, pa.float64()) for name in ("script_fraction", "f1", "rouge_l", "chrf", "chance")],
        *[(n, pa.bool_()) for n in ("in_script", "in_language", "line_pass", "word_pass", "native_digits")],
        *[(n, pa.bool_()) for n in ("native_marks", "stopped", "looped", "empty", "faithful", "correct")],
        *[(n, pa.bool_()) for n in ("exact", "in_language_and_exact", "off_target", "loose")],
        *[(n, pa.string()) for n in ("language", "wording")],
        *[(n, pa.bool_()) for n in ("correct_norm", "correct_bytes", "contaminated")],
        *[(n, pa.float64()) for n in ("score", "margin")],
        ("choice", pa.int64()),
        ("spoils", pa.int64()),
    ]
)


def write_items(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of the item schema; absent columns are null. The file appears whole or not at all."""
    part = file.with_name(file.name + ".part")
    pq.write_table(pa.Table.from_pylist(list(rows), ITEM_SCHEMA), part, compression="zstd")
    os.replace(part, file)


def read_items(file: Path) -> list[dict[str, Any]]:
    """Return the rows of an `items.parquet`, columns by name.

    Raises:
        Corrupt: The file cannot be read or is not one of ours.
    """
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise Corrupt(f"cannot be read ({error})", place=str(file), fix="run the eval stage again") from error
    missing = {"set", "kind", "item", "group"} - set(table.column_names)
    if missing:
        raise Corrupt(f"has no column {', '.join(sorted(missing))}", place=str(file), expected="rows of an eval stage")
    return table.to_pylist()
