"""Every file kind, and every way in which a file can be bad."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from newtongue.adapters.tables import Reject, columns_of, read_rows, require_columns
from newtongue.core.errors import DataError

TEXTS = ["plain words", "اردو زبان", "हिन्दी भाषा", "ภาษาไทย", "漢字とかな"]
ROWS = [{"id": str(number), "text": text} for number, text in enumerate(TEXTS)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def read(path: Path, **settings: Any) -> list[tuple[str, Any]]:
    return list(read_rows(path, **settings))


def good(path: Path) -> list[Any]:
    return [row for _, row in read(path) if not isinstance(row, Reject)]


def rejects(path: Path, **settings: Any) -> list[Reject]:
    return [row for _, row in read(path, **settings) if isinstance(row, Reject)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.jsonl", b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n")),
        ("a.jsonl", LINES.rstrip(b"\n")),
        ("a.jsonl", LINES.replace(b"\n", b"\n\n")),
        ("a.jsonl.gz", gzip.compress(LINES)),
        ("a.jsonl.gz", gzip.compress(LINES[:20]) + gzip.compress(LINES[20:])),
        ("a.jsonl.zst", zstd(LINES)),
        ("a.jsonl.zst", zstd(LINES[:20]) + zstd(LINES[20:])),
        ("a.tsv", b"id\ttext\n" + "".join(f"{r['id']}\t{r['text']}\n" for r in ROWS).encode()),
    ],
)
def test_line_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert good(tmp_path / name) == ROWS
    assert rejects(tmp_path / name) == []


def test_column_files(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    assert good(tmp_path / "a.parquet") == ROWS
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert good(tmp_path / "b.arrow") == ROWS


def test_saved_datasets_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    assert good(tmp_path / "saved") == ROWS


def test_text_is_cut_at_empty_lines_and_no_line_is_lost(tmp_path: Path) -> None:
    paragraphs = [f"{text} " * 40 + str(number) for number in range(60) for text in TEXTS]
    (tmp_path / "a.txt").write_text("\n\n".join(paragraphs), "utf-8")
    documents = [row["text"] for row in good(tmp_path / "a.txt")]
    assert 10 < len(documents) < len(paragraphs)
    assert [p.strip() for d in documents for p in d.split("\n\n")] == [p.strip() for p in paragraphs]
    (tmp_path / "lines.txt").write_text("\n".join(paragraphs), "utf-8")
    assert len(good(tmp_path / "lines.txt")) > 5
    (tmp_path / "short.txt").write_text("ایک سطر", "utf-8")
    assert good(tmp_path / "short.txt") == [{"text": "ایک سطر"}]


def test_folders_and_globs_are_read_in_order_with_relative_places(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "a.jsonl", "sub/c.jsonl", "notes.md", ".hidden.jsonl"):
        (tmp_path / name).write_bytes(LINES)
    assert [place for place, _ in read(tmp_path)][::5] == ["a.jsonl:1", "b.jsonl:1", "sub/c.jsonl:1"]
    assert [place for place, _ in read(tmp_path / "*.jsonl")][::5] == ["a.jsonl:1", "b.jsonl:1"]
    assert next(place for place, _ in read(tmp_path / "**" / "c.jsonl")) == "sub/c.jsonl:1"
    assert read(tmp_path / "b.jsonl")[4][0] == "b.jsonl:5"


def test_bad_rows_are_set_aside_with_place_and_reason(tmp_path: Path) -> None:
    lines = [b'{"text": "ok"}', b'{"text": "\xff\xfe"}', b"{no json", b"[1]", b'{"text": "fine", "score": NaN}', b'"x"']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    assert [(r.place, r.reason) for r in rejects(tmp_path / "a.jsonl")] == [
        ("a.jsonl:2", "invalid UTF-8"),
        ("a.jsonl:3", "invalid JSON"),
        ("a.jsonl:4", "not an object"),
        ("a.jsonl:6", "not an object"),
    ]
    assert rejects(tmp_path / "a.jsonl")[0].content == '{"text": "\\xff\\xfe"}'
    assert [row["text"] for row in good(tmp_path / "a.jsonl")] == ["ok", "fine"]


def test_bad_tsv_and_text_lines(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"id\ttext\n1\tone\n2\n3\t\xff\n4\tfour\n")
    assert [(r.place, r.reason) for r in rejects(tmp_path / "a.tsv")] == [
        ("a.tsv:3", "not 2 columns"),
        ("a.tsv:4", "invalid UTF-8"),
    ]
    assert [row["text"] for row in good(tmp_path / "a.tsv")] == ["one", "four"]
    (tmp_path / "a.txt").write_bytes(b"one\n\xff\ntwo\n")
    assert good(tmp_path / "a.txt") == [{"text": "one\ntwo"}]
    assert rejects(tmp_path / "a.txt")[0].place == "a.txt:2"


def test_invalid_utf8_in_parquet_costs_one_row(tmp_path: Path) -> None:
    values = pa.array([b"one", b"\xff\xfe", "تین".encode()]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
    assert [row["text"] for row in good(tmp_path / "a.parquet")] == ["one", "تین"]
    assert [(r.place, r.reason) for r in rejects(tmp_path / "a.parquet")] == [("a.parquet:2", "invalid UTF-8")]


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gz", "zst"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.999])
def test_truncated_file_keeps_the_rows_before_it(tmp_path: Path, pack: Any, kept: float) -> None:
    rows = [{"id": str(n), "text": os.urandom(400).hex()} for n in range(2000)]
    packed = pack("".join(json.dumps(row) + "\n" for row in rows).encode())
    file = tmp_path / ("a.jsonl.gz" if pack is gzip.compress else "a.jsonl.zst")
    file.write_bytes(packed[: int(kept * len(packed))])
    found = good(file)
    assert found == rows[: len(found)]
    assert len(found) > (kept - 0.2) * len(rows)
    assert [(r.place, r.reason) for r in rejects(file)] == [(f"{file.name}:{len(found) + 1}", "truncated file")]


def test_a_file_that_is_not_what_it_says_is_a_counted_reject(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.zst"):
        (tmp_path / name).write_bytes(b"this is not compressed at all")
        assert [r.reason for r in rejects(tmp_path / name)] == ["damaged file"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_unreadable_column_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="file cannot be read"):
        read(tmp_path / name)


def test_long_line_is_set_aside_and_the_next_is_read(tmp_path: Path) -> None:
    long = json.dumps({"text": "x" * 300_000}).encode()
    (tmp_path / "a.jsonl").write_bytes(LINES + long + b"\n" + LINES + long)
    found = rejects(tmp_path / "a.jsonl", max_line_bytes=200_000)
    assert [(r.place, r.reason, len(r.content)) for r in found] == [
        ("a.jsonl:6", "line too long", 1000),
        ("a.jsonl:12", "line too long", 1000),
    ]
    assert len(read(tmp_path / "a.jsonl", max_line_bytes=200_000)) == 12
    assert rejects(tmp_path / "a.jsonl", max_line_bytes=len(long)) == []


@pytest.mark.parametrize("name", ["big.jsonl", "big.jsonl.zst", "big.txt"])
def test_a_line_of_200_megabytes_is_never_held(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith(".zst"):
        file.write_bytes(zstd(b"\n".join([LINES.strip(), bytes(200_000_000), LINES])))
    else:
        with open(file, "wb") as stream:  # sparse: the zeros take no disk
            stream.write(LINES)
            stream.seek(200_000_000, os.SEEK_CUR)
            stream.write(b"\n" + LINES)
    code = (
        "import resource, sys; from pathlib import Path; from newtongue.adapters.tables import read_rows, Reject\n"
        "list(read_rows(Path(sys.argv[2])))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "reasons = [row.reason for _, row in read_rows(Path(sys.argv[1])) if isinstance(row, Reject)]\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(reasons, (after - before) / (1 if sys.platform == 'darwin' else 1024) / 1e3)"
    )
    (tmp_path / "small.jsonl").write_bytes(LINES)
    command = [sys.executable, "-c", code, str(file), str(tmp_path / "small.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reasons, grown = done.stdout.rsplit(" ", 1)
    assert reasons == "['line too long']"
    assert float(grown) < 110, f"memory grew by {grown} MB"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"x", ".bin files are refused: they may run code when opened"),
        ("a.pkl", b"x", ".pkl files are refused"),
        ("a.csv", b"x", "unknown kind of file `.csv`"),
        ("a.json", b"[]", "unknown kind of file `.json`"),
        ("a.jsonl", b'[{"text": "a"}]', "the file is one JSON array"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "the file is UTF-16"),
        ("a.txt", "متن".encode("utf-16"), "iconv -f UTF-16 -t UTF-8 a.txt"),
    ],
)
def test_refused_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert message in caught.value.text()
    assert str(tmp_path / name) in caught.value.text()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"x")
    (tmp_path / "b.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no readable file among 2 × \.bin"):
        read(tmp_path)


def test_columns_are_listed_and_required(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"broken\n" + json.dumps({"content": "x", "url": "y"}).encode())
    assert columns_of(file) == ["content", "url"]
    require_columns(file, ["content"])
    with pytest.raises(DataError) as caught:
        require_columns(file, ["text"])
    assert caught.value.text() == (
        f"{file}: no column `text`; the columns are content, url\n"
        "  fix: name the column in the recipe, or rename it in the file"
    )
    (tmp_path / "empty.jsonl").write_bytes(b"")
    require_columns(tmp_path / "empty.jsonl", ["text"])
