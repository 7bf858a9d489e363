"""A task file of lm-evaluation-harness, read as data: includes merged, keys checked, nothing executed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from newtongue.adapters.harness import functions
from newtongue.core.errors import DataError

OUTPUT_TYPES = ("multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until")
KEYS = {
    "task", "task_alias", "tag", "group", "group_alias", "dataset_path", "dataset_name", "dataset_kwargs",
    "training_split", "validation_split", "test_split", "fewshot_split", "process_docs", "doc_to_text", "doc_to_target",
    "doc_to_choice", "description", "target_delimiter", "fewshot_delimiter", "fewshot_config", "num_fewshot",
    "metric_list", "output_type", "generation_kwargs", "repeats", "filter_list", "should_decontaminate",
    "doc_to_decontamination_query", "gen_prefix", "metadata", "unsafe_code",
}  # fmt: skip
"""Keys that are understood; `tag`, `group`, `metadata` and aliases are kept and change nothing."""
REFUSED = {
    "doc_to_image": "images are not supported",
    "doc_to_audio": "sound is not supported",
    "custom_dataset": "code that makes a data set is never run",
    "use_prompt": "promptsource is not supported",
    "process_results": "code that scores an answer is never run",
    "class": "Python classes are never loaded",
}
FUNCTION_KEYS = ("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice")
"""Keys for which a known function may stand."""


@dataclass(frozen=True, slots=True)
class Function:
    """A value `!function module.name`, as text."""

    spec: str
    line: int
    file: Path


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task, its file's keys with all includes merged.

    Attributes:
        settings: Key -> value; functions are replaced by our own.
        folder: What relative paths are relative to.
        place: The file, for messages.
        sha256: Hash of the merged settings: equal hashes ask the same.
    """

    settings: Mapping[str, Any]
    folder: Path
    place: str
    sha256: str
    warnings: tuple[str, ...] = field(default=())


class _Loader(yaml.SafeLoader):
    """YAML as lm-evaluation-harness reads it (1.1), functions kept as text."""


def _function(loader: yaml.SafeLoader, node: yaml.Node) -> Function:
    return Function(str(node.value), node.start_mark.line + 1, Path(str(node.start_mark.name)))


_Loader.add_constructor("!function", _function)


def read_task(file: Path, root: Path | None = None) -> TaskFile:
    """Read one task file.

    Args:
        file: The YAML file.
        root: Folder that its includes must lie in; the file's own folder by default.

    Raises:
        DataError: It cannot be read, has unknown keys, or names a function that is not known here.
    """
    merged = _merged(file, (root or file.parent).resolve(), ())
    known = {key: _own(key, value, file) for key, value in merged.items()}
    return check_task(known, file.parent, str(file), _mark(merged))


def check_task(settings: Mapping[str, Any], folder: Path, place: str, mark: str = "") -> TaskFile:
    """Return a task from its settings, checked.

    Raises:
        DataError: A key is unknown or not supported, or one that must be there is missing.
    """
    for key in settings:
        if key in REFUSED:
            raise DataError(
                f"`{key}`: {REFUSED[key]}", place=place, fix="run this task in lm-evaluation-harness itself"
            )
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), sorted(KEYS), 1)
            hint = f"did you mean `{near[0]}`?" if near else "remove it"
            raise DataError(f"unknown key `{key}`", place=place, expected=", ".join(sorted(KEYS)), fix=hint)
    kind = settings.get("output_type", "generate_until")
    if kind not in OUTPUT_TYPES:
        raise DataError(f"output_type is {kind!r}", place=place, expected=", ".join(OUTPUT_TYPES))
    needed = {"multiple_choice": ("doc_to_text", "doc_to_target", "doc_to_choice"), "loglikelihood_rolling": ()}
    for key in needed.get(kind, ("doc_to_text", "doc_to_target")):
        if settings.get(key) is None:
            raise DataError(f"a task of type {kind} needs `{key}`", place=place)
    return TaskFile(dict(settings), folder, place, mark or _mark(settings))


def _merged(file: Path, root: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    real = file.resolve()
    if real in seen:
        raise DataError("the include goes round in a circle", place=" -> ".join(p.name for p in (*seen, real)))
    if not real.is_relative_to(root):
        raise DataError(
            f"includes {real.name}, which lies outside {root.name}",
            place=str(seen[-1] if seen else file),
            fix="give the folder that holds both as the path, so that all of it counts as input",
        )
    content = _yaml(file)
    includes = content.pop("include", None) or []
    found: dict[str, Any] = {}
    for name in includes if isinstance(includes, list) else [includes]:
        found.update(_merged(file.parent / str(name), root, (*seen, real)))
    return {**found, **content}


def _yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise DataError("no such task file", place=str(file), fix="check the path or the include")
    with open(file, encoding="utf-8") as stream:
        loader = _Loader(stream)
        try:
            content = loader.get_single_data()
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise DataError(f"cannot be read as YAML ({' '.join(str(error).split())})", place=str(file)) from None
        finally:
            loader.dispose()
    if not isinstance(content, dict):
        raise DataError("is not a mapping of keys", place=str(file), expected="task: …, doc_to_text: …")
    return content


def _own(key: str, value: Any, file: Path) -> Any:
    """Return a value with functions replaced by our own."""
    if isinstance(value, Function):
        own, mark = functions.find(value.spec, value.file.parent)
        if own is None or key not in FUNCTION_KEYS:
            raise _refused(value, mark)
        return own
    if isinstance(value, dict):
        return {k: _own(str(k), v, file) for k, v in value.items()}
    if isinstance(value, list):
        return [_own(key, v, file) for v in value]
    return value


def _refused(value: Function, mark: str) -> DataError:
    line = value.file.read_text("utf-8", "replace").splitlines()[value.line - 1].strip()
    found = f"content {mark}" if mark else "not found beside the file"
    return DataError(
        f"`{line}` names Python code, which is never run, and it is none we have our own for ({found})",
        place=f"{value.file}:{value.line}",
        expected='a template such as "{{question}}"',
        fix="write it as a template, or prepare the rows and give them as `data`",
    )


def _mark(settings: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(_plain(settings), sort_keys=True, allow_unicode=True)
    return sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict | Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Function):
        mark = functions.find(value.spec, value.file.parent)[1]
        return f"!function {value.spec} {mark}"
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
