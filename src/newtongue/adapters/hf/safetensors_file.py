"""Safetensors files at the level of bytes: headers, blocks of rows in fp32, streaming writes. No torch needed.

bfloat16 is unknown to numpy; it is read and rounded here (to nearest, ties to even) through 16-bit integers.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError

Floats = NDArray[np.float32]
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Floating-point types that can be read and written, with the numpy type of their bytes."""
ALIGNMENT = 8
COPY_BYTES = 16 * 1024 * 1024
"""Bytes asked of the kernel at a time when a stretch is copied as it stands."""
CACHED_BYTES = 256 * 1024
"""Bytes worked on at a time, so that what one step leaves the next finds in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor stands.

    Attributes:
        name: Name in the checkpoint.
        file: The safetensors file.
        dtype: Type as safetensors names it (`BF16`).
        shape: Its dimensions.
        start: Position of the first byte in the file.
        size_bytes: Length.
    """

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size_bytes: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (one slice along the first dimension)."""
        return self.size_bytes // self.shape[0] if self.shape and self.shape[0] else self.size_bytes

    @property
    def floating(self) -> bool:
        """Whether its values are floating-point numbers we can compute with."""
        return self.dtype in STORED


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file that is copied as it stands.

    Attributes:
        file: The file.
        start: Position of the first byte.
        size_bytes: Length.
    """

    file: Path
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewTensor:
    """One tensor to be written.

    Attributes:
        dtype: Type as safetensors names it.
        shape: Its dimensions.
        blocks: Its bytes, in order, in blocks of bounded size, or as stretches of a file.
    """

    dtype: str
    shape: tuple[int, ...]
    blocks: Iterable[bytes | memoryview | Span]


def read_header(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of one file.

    Raises:
        DataError: It is not a complete safetensors file.
    """
    try:
        with open(file, "rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > 512 * 1024 * 1024:
                raise ValueError("header too long")
            header = json.loads(stream.read(length))
    except (struct.error, ValueError) as error:
        raise DataError(
            f"not a safetensors file ({error})", place=str(file), fix="download or convert the model again"
        ) from None
    metadata = header.pop("__metadata__", {})
    try:
        tensors = {name: _tensor(name, entry, file, 8 + length) for name, entry in header.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the header is damaged ({error})", place=str(file), fix="download it again") from None
    _check_layout(tensors, file, 8 + length)
    needed = max((t.start + t.size_bytes for t in tensors.values()), default=0)
    if file.stat().st_size < needed:
        raise DataError(
            f"the file is cut off: {file.stat().st_size:,} of {needed:,} bytes",
            place=str(file),
            fix="download it again",
        )
    return tensors, metadata


def _tensor(name: str, entry: Mapping[str, object], file: Path, base: int) -> Tensor:
    first, last = entry["data_offsets"]  # type: ignore[misc]
    shape = tuple(entry["shape"])  # type: ignore[arg-type]
    return Tensor(name, file, str(entry["dtype"]), shape, base + first, last - first)


def _check_layout(tensors: Mapping[str, Tensor], file: Path, base: int) -> None:
    """Refuse a header whose tensors overlap, begin before the data or do not fill their shapes."""
    at, previous = base, ""
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].size_bytes)):
        width = WIDTH.get(tensor.dtype)
        problem = ""
        if width is not None and prod(tensor.shape) * width != tensor.size_bytes * 8:
            problem = f"{name}: {tensor.size_bytes:,} bytes for shape {list(tensor.shape)} of {tensor.dtype}"
        elif tensor.start < at:
            problem = f"{name} begins inside {previous or 'the header'}"
        if problem:
            raise DataError(f"the header is damaged ({problem})", place=str(file), fix="download it again")
        at, previous = tensor.start + tensor.size_bytes, name


def raw(tensor: Tensor, first_row: int = 0, last_row: int | None = None) -> bytes:
    """Return the stored bytes of some rows (all of them for a tensor without dimensions)."""
    start, size = tensor.start, tensor.size_bytes
    if tensor.shape:
        last = tensor.shape[0] if last_row is None else last_row
        start, size = tensor.start + first_row * tensor.row_bytes, max(0, last - first_row) * tensor.row_bytes
    with open(tensor.file, "rb", buffering=0) as stream:
        stream.seek(start)
        return stream.read(size) or b""


def read_rows(tensor: Tensor, first_row: int = 0, last_row: int | None = None) -> Floats:
    """Return some rows in fp32."""
    values = decode(raw(tensor, first_row, last_row), tensor)
    return values.reshape(-1, *tensor.shape[1:]) if tensor.shape else values


def raw_rows(tensor: Tensor, rows: Sequence[int] | NDArray[np.int64]) -> bytes:
    """Return the stored bytes of chosen rows, one after the other; neighbours are read at one go."""
    wanted, width = np.asarray(rows, np.int64), tensor.row_bytes
    first = np.flatnonzero(np.diff(wanted, prepend=-2) != 1)
    sizes = np.diff(first, append=len(wanted)) * width
    with open(tensor.file, "rb", buffering=0) as stream:
        places = zip((tensor.start + wanted[first] * width).tolist(), sizes.tolist(), strict=True)
        return b"".join([os.pread(stream.fileno(), size, place) for place, size in places])


def gather_rows(tensor: Tensor, rows: Sequence[int] | NDArray[np.int64]) -> Floats:
    """Return chosen rows in fp32; only their pages are touched."""
    return decode(raw_rows(tensor, rows), tensor).reshape(len(rows), *tensor.shape[1:])


def decode(data: bytes, tensor: Tensor) -> Floats:
    """Return stored bytes as fp32 values.

    Raises:
        DataError: The type is not a floating-point type we know.
    """
    if not tensor.floating:
        raise DataError(
            f"{tensor.name} has type {tensor.dtype}",
            place=str(tensor.file),
            expected=" ".join(STORED),
            fix="use the unquantised model",
        )
    stored = np.frombuffer(data, STORED[tensor.dtype])
    if tensor.dtype != "BF16":
        return stored.astype(np.float32)
    values = np.empty(stored.shape, np.float32)
    np.left_shift(stored, np.uint32(16), out=values.view(np.uint32))
    return values


def encode(values: Floats, dtype: str) -> bytes:
    """Return fp32 values as stored bytes, rounded once, to nearest with ties to even.

    Source: IEEE 754 rounding; bfloat16 keeps the upper 16 bits of fp32.
    """
    exact = np.ascontiguousarray(values, np.float32)
    if dtype != "BF16":
        return exact.astype(STORED[dtype]).tobytes()
    flat = exact.reshape(-1)
    rounded = np.empty(flat.shape, "<u2")
    for at in range(0, len(flat), CACHED_BYTES // 4):
        bits = flat[at : at + CACHED_BYTES // 4].view(np.uint32)
        rounded[at : at + CACHED_BYTES // 4] = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    rounded[np.isnan(flat)] = 0x7FC0
    return rounded.tobytes()


def write_file(file: Path, tensors: Mapping[str, NewTensor], metadata: Mapping[str, str]) -> int:
    """Write one safetensors file, block by block; return the bytes of its tensors.

    Tensors whose bytes are at hand are written first, those that may still be in the making last.

    Raises:
        DataError: A tensor's blocks do not add up to its shape (nothing usable is left behind).
    """
    sizes = {name: prod(t.shape) * WIDTH[t.dtype] // 8 for name, t in tensors.items()}
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at, starts = 0, {}
    for name, tensor in tensors.items():
        starts[name] = at
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, at + sizes[name]]}
        at += sizes[name]
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(file, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in sorted(tensors.items(), key=lambda item: not isinstance(item[1].blocks, Sequence)):
            stream.seek(8 + len(text) + starts[name])
            written = sum(_write(stream, block) for block in tensor.blocks)
            if written != sizes[name]:
                raise DataError(f"{name}: {written:,} bytes for shape {tensor.shape}, {sizes[name]:,} expected")
    return at


def _write(stream: BinaryIO, block: bytes | memoryview | Span) -> int:
    if not isinstance(block, Span):
        return stream.write(block)
    stream.flush()
    with open(block.file, "rb") as source:
        left = block.size_bytes
        while left and (copied := _copy(source, stream, block.start + block.size_bytes - left, left)):
            left -= copied
    return block.size_bytes - left


def _copy(source: BinaryIO, target: BinaryIO, start: int, size: int) -> int:
    """Copy some bytes inside the kernel where it can, and say how many."""
    count = min(size, COPY_BYTES)
    try:
        return os.sendfile(target.fileno(), source.fileno(), start, count)
    except OSError:
        source.seek(start)
        written = target.write(source.read(count))
        target.flush()
        return written


WIDTH = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
    "U16": 16, "U32": 32, "U64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "C64": 64,
}  # fmt: skip
"""Bits of one value of each type; untouched tensors of any of them are copied."""
