"""Lines of plain, gzip or zstd files in bounded memory; a damaged file gives up its good part first."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from newtongue.core.errors import DataError

CHUNK_BYTES = 1 << 16
KEPT_BYTES = 1000
"""How much of an unusable line is kept aside."""
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    Attributes:
        number: Counted from 1.
        content: Its bytes without the line end; of a faulty line the beginning.
        fault: Why it cannot be used (`line too long`, `truncated file`, `damaged file`), or "".
    """

    number: int
    content: bytes
    fault: str = ""


def read_lines(file: Path, max_line_bytes: int) -> Iterator[Line]:
    """Yield the lines of a file, never holding more than one allowed line and one chunk.

    A longer line comes as its beginning with a fault. Where a compressed file is cut or damaged, all lines
    before that place come first and one faulty line ends the file.

    Args:
        file: Path; `.gz` and `.zst` are decompressed on the way.
        max_line_bytes: Longest line in bytes.

    Raises:
        DataError: The file is not UTF-8 but UTF-16, or cannot be opened.
    """
    number, pending, size, fault = 0, bytearray(), 0, ""
    for chunk in _chunks(file):
        if isinstance(chunk, str):
            fault = chunk
            break
        pieces = chunk.split(b"\n")
        for last, piece in ((index == len(pieces) - 1, piece) for index, piece in enumerate(pieces)):
            size += len(piece)
            pending += piece if size <= max_line_bytes else piece[: max(0, KEPT_BYTES - len(pending))]
            if size > max_line_bytes:
                del pending[KEPT_BYTES:]
            if not last:
                number += 1
                yield _line(number, pending, size > max_line_bytes)
                pending, size = bytearray(), 0
    if fault:
        yield Line(number + 1, bytes(pending[:KEPT_BYTES]), fault)
    elif size:
        yield _line(number + 1, pending, size > max_line_bytes)


def _line(number: int, content: bytearray, too_long: bool) -> Line:
    return Line(number, bytes(content).removesuffix(b"\r"), "line too long" if too_long else "")


def _chunks(file: Path) -> Iterator[bytes | str]:
    """Yield chunks of decompressed bytes; a last string names what is wrong with the rest of the file."""
    stream = _open(file)
    first = True
    with stream:
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        while True:
            try:
                chunk = read(CHUNK_BYTES)
            except (EOFError, OSError, zlib.error) as error:
                cut = isinstance(error, EOFError) or "runcated" in str(error)
                yield "truncated file" if cut else "damaged file"
                return
            if not chunk:
                return
            if first and chunk.startswith(UTF16_MARKS):
                raise DataError(
                    "the file is UTF-16", place=str(file), expected="UTF-8", fix=f"iconv -f UTF-16 -t UTF-8 {file.name}"
                )
            yield chunk.removeprefix(UTF8_MARK) if first else chunk
            first = False


def _open(file: Path) -> BinaryIO:
    try:
        if file.name.endswith(".gz"):
            return gzip.open(file, "rb")  # type: ignore[return-value]
        if file.name.endswith(".zst"):
            import pyarrow as pa

            return pa.CompressedInputStream(pa.OSFile(str(file)), "zstd")
        return open(file, "rb")
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror or error}", place=str(file)) from None
