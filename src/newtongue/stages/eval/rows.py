"""Where a task's rows come from: the recipe, or local files its task file names; and the examples drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.adapters.harness.documents import Placed, read_placed
from newtongue.adapters.harness.prompting import Sampler
from newtongue.adapters.harness.task_file import TaskFile
from newtongue.core.errors import DataError

Row = Mapping[str, Any]
Chat = Callable[..., str]
BUILDERS = ("json", "csv", "parquet", "text", "arrow")
"""Values of `dataset_path` that mean local files; anything else is a name on the hub."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a task is to be asked, beyond what its file says.

    Attributes:
        data: Rows that replace those of the evaluated split, or None.
        rows: The same, already read.
        fewshot_data: Rows that replace those examples are drawn from, or None.
        num_fewshot: Examples per prompt; None takes the file's.
        limit: Items at most.
        chat: Renders messages under the model's chat template; None asks in plain text.
        several_turns: Whether examples are turns of their own in a chat.
    """

    data: Path | None = None
    rows: list[Placed] | None = None
    fewshot_data: Path | None = None
    num_fewshot: int | None = None
    limit: int | None = None
    chat: Chat | None = None
    several_turns: bool = False


def split_rows(file: TaskFile, wanted: Wanted) -> list[Placed]:
    """Return the rows a task asks about: those given, or those of its evaluated split.

    Raises:
        DataError: There are none to be had, or they lie where they would not count as input.
    """
    settings = file.settings
    split = settings.get("test_split") or settings.get("validation_split")
    if wanted.rows is not None:
        rows = wanted.rows
    elif wanted.data is not None:
        rows = read_placed(wanted.data)
    elif split is None:
        raise DataError("neither `test_split` nor `validation_split` is set", place=file.place)
    else:
        rows = _rows_of(file, str(split))
    return list(_processed(rows, settings.get("process_docs")))


def _rows_of(file: TaskFile, split: str) -> list[Placed]:
    """Return the rows of one split from the local files a task names."""
    path, given = file.settings.get("dataset_path"), dict(file.settings.get("dataset_kwargs") or {})
    if path not in BUILDERS:
        raise DataError(
            f"the data is on the hub ({path!r}), and nothing is downloaded for a task",
            place=file.place,
            fix="bring the rows and name them as `data`",
        )
    files = given.get("data_files")
    if isinstance(files, Mapping):
        if split not in files:
            raise DataError(f"no files for the split `{split}`", place=file.place, expected=", ".join(map(str, files)))
        files = files[split]
    named = files if isinstance(files, list) else [files]
    folder = (file.folder / str(given.get("data_dir") or "")).resolve()
    if files is None:
        raise DataError("`dataset_kwargs.data_files` is missing", place=file.place)
    return [row for name in named for row in _inside(file, folder / str(name))]


def _inside(file: TaskFile, path: Path) -> list[Placed]:
    """Return the rows of a file below the task's folder; what lies elsewhere would not count as input."""
    if not path.resolve().is_relative_to(file.folder.resolve()):
        raise DataError(
            f"its data {path.name} lies outside the task's folder",
            place=file.place,
            fix="name it in the recipe as `data`, so that a change of it is noticed",
        )
    return read_placed(path)


def _processed(rows: list[Placed], own: Callable[[Row], Any] | None) -> Iterator[Placed]:
    for placed in rows:
        if own is None or placed.row is None:
            yield placed
            continue
        try:
            yield Placed(placed.place, own(placed.row))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            yield Placed(placed.place, None, f"process_docs cannot use this row ({error})")


def few_shot(file: TaskFile, wanted: Wanted, rows: list[Placed], count: int) -> Sampler | None:
    """Return what draws `count` examples per prompt; None for no examples.

    Raises:
        DataError: The sampler is unknown, or the rows to draw from cannot be read.
    """
    if not count:
        return None
    config, settings = dict(file.settings.get("fewshot_config") or {}), file.settings
    if not isinstance(kind := config.get("sampler", "default"), str) or kind not in ("default", "first_n"):
        raise DataError(f"unknown few-shot sampler {kind!r}", place=file.place, expected="default, first_n")
    evaluated = settings.get("test_split") or settings.get("validation_split")
    split = config.get("split") or settings.get("fewshot_split") or settings.get("training_split")
    split = split or settings.get("validation_split") or evaluated
    if wanted.fewshot_data is not None:
        pool = list(_processed(read_placed(wanted.fewshot_data), settings.get("process_docs")))
    elif isinstance(config.get("samples"), list) and "split" not in config:
        pool = [Placed(f"fewshot_config.samples.{n}", dict(row)) for n, row in enumerate(config["samples"])]
    elif split == evaluated:
        pool = rows
    else:
        pool = list(_processed(_rows_of(file, str(split)), settings.get("process_docs")))
    return Sampler([p.row for p in pool if p.row is not None], kind, count)
