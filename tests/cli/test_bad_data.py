"""Bad text given to the command line: one screen, the right exit code, nothing sealed, nothing lost."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

HINDI = json.dumps({"text": "किसान सूरज निकलने से पहले पुरानी चक्की तक पानी ले गया।"}, ensure_ascii=False).encode() + b"\n"
URDU = json.dumps({"text": "کسان سورج نکلنے سے پہلے پرانی چکی تک پانی لے گیا۔"}, ensure_ascii=False).encode() + b"\n"


def curate(folder: Path, name: str, content: bytes) -> subprocess.CompletedProcess[str]:
    (folder / name).write_bytes(content)
    settings = ["--set", f"sources=[{{path: ./{name}}}]", "--set", "language=urd_Arab", "--out", "out"]
    command = [sys.executable, "-m", "newtongue.cli.main", "stage", "corpus", *settings]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "no document is left of 0 rows"),
        ("a.jsonl", HINDI * 3, "100 % of 3 documents are not Urdu (urd_Arab): 3 × other script"),
        ("a.jsonl", b"[" + URDU.strip() + b"]", "the file is one JSON array"),
        ("a.parquet", b"PAR1", "this Parquet file cannot be read"),
        ("a.bin", b"\x80\x04", "a.bin"),
    ],
    ids=["empty", "wrong-language", "array", "parquet", "pickle"],
)
def test_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    done = curate(tmp_path, name, content)
    assert done.returncode == 3, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 5
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_damaged_file_gives_what_it_holds(tmp_path: Path) -> None:
    rows = b"".join(URDU.replace(b"}", b', "id": "%d"}' % n) for n in range(3))
    broken = b'{"text": "\xd8\xff"}\n'
    packed = gzip.compress(rows[: len(rows) // 3 * 2] + broken) + gzip.compress(rows)[:-12]
    done = curate(tmp_path, "a.jsonl.gz", packed)
    assert done.returncode == 0, done.stderr
    rejected = [json.loads(x) for x in (tmp_path / "out" / "corpus" / "rejected.jsonl").read_text("utf-8").splitlines()]
    reasons = {(row["place"], row["reason"]) for row in rejected}
    assert ("a.jsonl.gz:3", "invalid UTF-8") in reasons
    assert any(reason == "truncated file" for _, reason in reasons)
