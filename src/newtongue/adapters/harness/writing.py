"""Write a task as lm-evaluation-harness reads it: a YAML file and its rows as JSONL beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from newtongue.adapters.harness.task_file import check_task
from newtongue.core.errors import DataError


def write_task(name: str, settings: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Write a task and its rows; return the YAML file.

    Args:
        name: What the task calls itself, and its files.
        settings: Keys of a task file, as a layout or `read_task` gives them.
        rows: The rows to ask about.
        folder: Where to; made when it is missing.

    Raises:
        DataError: A key is unknown, or a value is one of our own functions, which no file can name.
    """
    own = [key for key, value in settings.items() if callable(value)]
    if own:
        raise DataError(f"`{own[0]}` is a function of ours, which a task file cannot name", place=name)
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}}, "test_split": "test"}
    content = {**settings, "task": name, **data}
    check_task(content, folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(dict(row)) + b"\n" for row in rows))
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120), "utf-8")
    return file
