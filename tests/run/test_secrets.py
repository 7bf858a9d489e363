"""The value of a secret appears in no file of the run directory and in no output, however hard a stage tries."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from newtongue.core import secrets

SECRET = 'sk-"Türkçe" +/ 123456'
SPELLINGS = [SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], quote(SECRET, safe="")]
TEACHER = "{url: 'env:GROW_URL', api_key: 'env:GROW_KEY'}"


def leaks(text: str) -> list[str]:
    return [spelling for spelling in [*SPELLINGS, "10.9.8.7/private"] if spelling in text]


@pytest.mark.parametrize("fault", ["leak", "bug", "provider", ""])
def test_no_file_and_no_output_holds_a_secret(tmp_path: Path, monkeypatch, command, fault):
    monkeypatch.setenv("GROW_KEY", SECRET)
    monkeypatch.setenv("GROW_URL", "http://10.9.8.7/private")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"newtongue: 1\nstages:\n  a: {{stage: grow, teacher: {TEACHER}, fault: '{fault}'}}\n")
    outputs = []
    for arguments in (
        ["plan", recipe],
        ["run", recipe],
        ["run", recipe],
        ["show"],
        ["show", "--json"],
        ["plan", recipe, "--json"],
    ):
        where = [tmp_path / "s"] if arguments[0] == "show" else ["--out", tmp_path / "s"]
        outputs += command(*arguments, *where).communicate(timeout=60)
    assert any(secrets.MARK in output for output in outputs) == (fault != "")
    assert not leaks("".join(outputs))
    files = [file for file in (tmp_path / "s").rglob("*") if file.is_file()]
    assert len(files) > 3
    for file in files:
        assert not leaks(file.read_bytes().decode("utf-8", "replace")), file
