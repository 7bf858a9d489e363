"""Aligned text comes as pairs, whatever it was written as; what is no pair is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from newtongue.adapters.tables import Reject, read_bitext
from newtongue.core.errors import DataError

PAIRS = [("1", "one", "ایک"), ("2", "two", "دو")]


@pytest.mark.parametrize("layout", ["columns", "translation", "tsv"])
def test_layouts(tmp_path: Path, layout: str) -> None:
    if layout == "tsv":
        file = tmp_path / "a.tsv"
        file.write_text("id\ten\tur\n" + "".join("\t".join(pair) + "\n" for pair in PAIRS), "utf-8")
    else:
        file = tmp_path / "a.jsonl"
        sides = [{"en": en, "ur": ur} for _, en, ur in PAIRS]
        rows = sides if layout == "columns" else [{"translation": side} for side in sides]
        lines = [json.dumps({"id": str(n), **row}) for n, row in enumerate(rows, 1)]
        file.write_text("\n".join(lines), "utf-8")
    assert list(read_bitext(file, ("en", "ur"))) == PAIRS


def test_two_files_and_their_faults(tmp_path: Path) -> None:
    one, other = tmp_path / "a.en.txt", tmp_path / "a.ur.txt"
    one.write_text("one\n\nthree\n", "utf-8")
    other.write_text("ایک\nدو\nتین\n", "utf-8")
    assert list(read_bitext((one, other), ("en", "ur"))) == [
        ("1", "one", "ایک"),
        Reject("a.en.txt:2", "one side is empty", "دو"),
        ("3", "three", "تین"),
    ]
    other.write_text("ایک\nدو\n", "utf-8")
    with pytest.raises(DataError, match=r"a\.en\.txt has more lines than a\.ur\.txt"):
        list(read_bitext((one, other), ("en", "ur")))


def test_missing_column_is_named_with_those_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"en": "one", "de": "eins"}', "utf-8")
    with pytest.raises(DataError, match="no column `ur`; the columns are de, en"):
        list(read_bitext(tmp_path / "a.jsonl", ("en", "ur")))


def test_real_bitext(shared_data: Path) -> None:
    pairs = list(read_bitext(shared_data / "parallel" / "en-ur.jsonl", ("en", "ur")))
    assert len(pairs) > 1000
    assert not any(isinstance(pair, Reject) for pair in pairs)
