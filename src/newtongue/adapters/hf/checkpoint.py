"""Surgery on checkpoints: only the tensors that change are rewritten, in blocks; other files are linked or copied.

Memory stays near the size of one block plus the rows that are read; the data type stays what it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.safetensors_file import NewTensor, Span, Tensor, raw, read_header, write_file
from newtongue.adapters.hf.token_ids import renumbered, write_json
from newtongue.adapters.hf.weight_files import INDEX, SINGLE, read_config, weight_places
from newtongue.core.errors import DataError

INPUT_NAMES = (
    "embed_tokens.weight",
    "wte.weight",
    "embed_in.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
)
HEAD_NAMES = ("lm_head.weight", "embed_out.weight", "output.weight")
HEAD_BIAS_NAMES = ("lm_head.bias", "embed_out.bias")
BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """A model directory's weights and config.

    Attributes:
        folder: The directory.
        files: Safetensors files in the order of their names.
        tensors: Every tensor by name, in file order.
        metadata: File name -> its metadata.
        config: `config.json`.
        sharded: Whether there is an index.
    """

    folder: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Mapping[str, str]]
    config: Mapping[str, Any]
    sharded: bool

    @cached_property
    def input(self) -> Tensor:
        """The input embedding matrix."""
        found = self._ending(INPUT_NAMES)
        if found is None or len(found.shape) != 2:
            raise DataError(
                "no input embedding matrix was found among the tensors",
                place=str(self.folder),
                expected=" or ".join(INPUT_NAMES),
                fix="use a decoder model in the layout of transformers",
            )
        return found

    @cached_property
    def head(self) -> Tensor | None:
        """The output matrix, when it is stored apart from the input matrix."""
        return self._ending(HEAD_NAMES)

    @cached_property
    def head_bias(self) -> Tensor | None:
        """The bias of the output layer, when there is one."""
        return self._ending(HEAD_BIAS_NAMES)

    @property
    def rows(self) -> int:
        """Rows of the input embedding matrix."""
        return self.input.shape[0]

    @property
    def hidden(self) -> int:
        """Width of the embeddings."""
        return self.input.shape[1]

    @property
    def parameters(self) -> int:
        """Values in all stored tensors."""
        from math import prod

        return sum(prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def tied_flag(self) -> bool | None:
        """What the config says of tying; None when it says nothing."""
        for config in (self.text_config, self.config):
            if "tie_word_embeddings" in config:
                return bool(config["tie_word_embeddings"])
        return None

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The part of the config that describes the text decoder."""
        inner = self.config.get("text_config")
        return inner if isinstance(inner, dict) else self.config

    @cached_property
    def tied(self) -> bool:
        """Whether input and output embeddings are one matrix, judged by what is stored.

        Raises:
            DataError: The config's flag contradicts what is stored.
        """
        problem = tie_problem(self)
        if problem is not None:
            raise problem
        return self.head is None or bool(self.tied_flag)

    def vocabulary_tensors(self) -> list[Tensor]:
        """Return the stored tensors with one row per token: input, and output and its bias where stored."""
        return [tensor for tensor in (self.input, self.head, self.head_bias) if tensor is not None]

    def _ending(self, names: tuple[str, ...]) -> Tensor | None:
        for ending in names:
            for name, tensor in self.tensors.items():
                if name == ending or name.endswith("." + ending):
                    return tensor
        return None


def tie_problem(checkpoint: Checkpoint) -> DataError | None:
    """Return how the tied flag contradicts storage, or None."""
    place, head = str(checkpoint.folder / "config.json"), checkpoint.head
    if head is None and checkpoint.tied_flag is False:
        return DataError(
            "tie_word_embeddings is false, and no output matrix is stored",
            place=place,
            expected=HEAD_NAMES[0],
            fix="set tie_word_embeddings to true if the model was trained tied, else save it again with its head",
        )
    if head is not None and checkpoint.tied_flag is True and not same_bytes(checkpoint.input, head):
        return DataError(
            f"tie_word_embeddings is true, but {checkpoint.input.name} and {head.name} hold different values",
            place=place,
            fix="set tie_word_embeddings to false, or save the model again after loading it",
        )
    return None


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read config and headers of a model directory.

    Raises:
        DataError: No safetensors weights, no config, or a shard is missing or cut off.
    """
    places = weight_places(folder)
    files = sorted(set(places.values())) if places else [folder / SINGLE]
    tensors: dict[str, Tensor] = {}
    metadata = {}
    for file in files:
        found, facts = read_header(file)
        tensors.update(found)
        metadata[file.name] = facts
    absent = [name for name, file in places.items() if name not in tensors or tensors[name].file != file]
    if absent:
        raise DataError(
            f"{INDEX} says that {absent[0]} is in {places[absent[0]].name}, where it is not",
            place=str(folder),
            fix="download the whole model, index and shards of one revision",
        )
    return Checkpoint(folder, tuple(files), tensors, metadata, read_config(folder), bool(places))


def same_bytes(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors hold the same bytes, block by block."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    return all(a == b for a, b in zip(blocks(one), blocks(other), strict=True))


def blocks(tensor: Tensor) -> Iterator[bytes]:
    """Yield the stored bytes of a tensor in blocks of bounded size."""
    for first, last in row_blocks(tensor):
        yield raw(tensor, first, last)


def row_blocks(tensor: Tensor, rows: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield (first row, end) of consecutive blocks that cover a tensor of `rows` rows (its own number by default)."""
    total = (tensor.shape[0] if tensor.shape else 1) if rows is None else rows
    step = max(1, BLOCK_BYTES // max(1, tensor.row_bytes))
    for first in range(0, total, step):
        yield first, min(total, first + step)


def rewrite(checkpoint: Checkpoint, changes: Mapping[str, NewTensor], target: Path, *, link: bool) -> None:
    """Write a checkpoint with some tensors replaced; leave no weights behind where a new tensor cannot be made.

    Args:
        checkpoint: The source.
        changes: Name -> new tensor.
        target: Folder to write to.
        link: Whether files without a change may be hard-linked (sealed or content-addressed sources only,
            because a link shares later edits); else they are copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        total = sum(_rewrite_file(checkpoint, changes, file, target, link=link) for file in checkpoint.files)
    except DataError:
        for file in checkpoint.files:
            (target / file.name).unlink(missing_ok=True)
        raise
    if checkpoint.sharded:
        _write_index(checkpoint, target, total)


def _rewrite_file(
    checkpoint: Checkpoint, changes: Mapping[str, NewTensor], file: Path, target: Path, *, link: bool
) -> int:
    """Write one file and return the bytes of its tensors."""
    here = {name: tensor for name, tensor in checkpoint.tensors.items() if tensor.file == file}
    if not changes.keys() & here.keys():
        link_or_copy(file, target / file.name, link=link)
        return sum(tensor.size_bytes for tensor in here.values())
    new = {name: changes.get(name) or unchanged(tensor) for name, tensor in here.items()}
    return write_file(target / file.name, new, checkpoint.metadata[file.name])


def unchanged(tensor: Tensor) -> NewTensor:
    """Return a tensor to be written as it stands."""
    return NewTensor(tensor.dtype, tensor.shape, [Span(tensor.file, tensor.start, tensor.size_bytes)])


def _write_index(checkpoint: Checkpoint, target: Path, total_bytes: int) -> None:
    index = json.loads((checkpoint.folder / INDEX).read_text("utf-8"))
    index["metadata"] = {**index.get("metadata", {}), "total_size": total_bytes}
    (target / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")


def link_or_copy(source: Path, target: Path, *, link: bool) -> None:
    """Hard-link a file where that is allowed and possible, else copy it."""
    real = source.resolve()
    if link or "blobs" in real.parts:
        try:
            os.link(real, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(real, target)


def write_config(
    checkpoint: Checkpoint, target: Path, rows: int, id_map: Sequence[int] | NDArray[np.int64] | None = None
) -> None:
    """Write `config.json` with the new number of embedding rows, wherever the source states it.

    Args:
        checkpoint: The source.
        target: Folder to write to.
        rows: Rows of the new matrices.
        id_map: New id of each old row, -1 where it was dropped; special tokens the config names move with it.
    """
    config = json.loads(json.dumps(checkpoint.config))
    for part in (config, config.get("text_config")):
        if isinstance(part, dict) and ("vocab_size" in part or part is not config):
            part["vocab_size"] = rows
    config.setdefault("vocab_size", rows) if "text_config" not in config else None
    write_json(target / "config.json", config if id_map is None else renumbered(config, id_map))
