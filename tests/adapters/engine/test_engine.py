"""The data engine: pieces on disk, results in order, errors that arrive; the same without Daft, with it, and on Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from adapters.engine.engine_work import Lengths, refuse
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.adapters import engine as module
from newtongue.adapters.engine import PieceWriter, pieces, read_piece, run_over
from newtongue.adapters.engine import runner_of as chosen
from newtongue.core.engine import Engine
from newtongue.core.errors import DataError, MissingExtra
from newtongue.core.process import is_alive

TESTS = Path(__file__).resolve().parents[2]
ROWS = [(f"row {n}", "متن" * (n % 5), "ไทย\x00\n\u2028") for n in range(50)]


def written(folder: Path) -> list[str]:
    with PieceWriter(folder, ["a", "b", "c"]) as writer:
        for row in ROWS:
            writer.add(*row)
    return writer.files


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Fifty rows in seven pieces, and a way for other processes to find the tests' work."""
    monkeypatch.setattr(pieces, "PIECE_ROWS", 8)
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{TESTS.parent / 'src'}")
    return written(tmp_path / "pieces")


def lengths(engine: Engine, files: list[str]) -> list[int]:
    found = list(run_over(engine, Lengths(3), files))
    return np.concatenate([part["lengths"] for part in found]).tolist()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=40), st.integers(1, 9), st.integers(1, 60))
def test_rows_come_back_as_they_went(rows: list[tuple[str, str]], most_rows: int, most_chars: int) -> None:
    import tempfile

    rows = [tuple(t.encode("utf-8", "replace").decode() for t in row) for row in rows]  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", most_rows)
        patch.setattr(pieces, "PIECE_CHARS", most_chars)
        (Path(folder) / "piece-00000099.parquet").touch()
        with PieceWriter(Path(folder), ["a", "b"]) as writer:
            for row in rows:
                writer.add(*row)
        assert [row for file in writer.files for row in read_piece(file)] == rows
        assert sorted(map(str, Path(folder).iterdir())) == writer.files


def test_results_come_in_the_order_of_pieces(small: list[str]) -> None:
    assert len(small) == 7
    assert lengths(Engine(runner="plain"), small) == [3 * sum(map(len, row)) for row in ROWS]
    assert list(run_over(Engine(runner="plain"), refuse, [])) == []


def test_a_runner_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert chosen(Engine()) == "plain"
    with pytest.raises(MissingExtra, match=r"the package daft, .*\n  fix: pip install 'newtongue\[corpus\]'"):
        chosen(Engine(runner="native"))
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "ray" else name)
    assert chosen(Engine()) == "native"
    with pytest.raises(MissingExtra, match=r"the package ray, .*\n  fix: pip install 'newtongue\[scale\]'"):
        run_over(Engine(runner="ray"), refuse, ["0"])


def test_an_error_of_the_work_is_raised_where_it_was_called() -> None:
    with pytest.raises(DataError, match="holds nothing"):
        list(run_over(Engine(runner="plain"), refuse, ["0", "1"]))


@pytest.mark.parametrize("processes", [1, 2])
def test_daft_gives_what_the_plain_loop_gives(small: list[str], processes: int) -> None:
    pytest.importorskip("daft", reason="needs the extra `corpus`")
    engine = Engine(runner="native", processes=processes)
    assert lengths(engine, small) == lengths(Engine(runner="plain"), small)
    workers = {int(part["process"][0]) for part in run_over(engine, Lengths(1), small)}
    assert len(workers - {os.getpid()}) <= processes
    with pytest.raises(DataError, match=r"^1: holds nothing\n  fix: fill it"):
        list(run_over(engine, refuse, ["0", "1"]))
    assert list(run_over(engine, refuse, [])) == []


def test_workers_die_with_the_process_that_started_them(small: list[str], tmp_path: Path) -> None:
    pytest.importorskip("daft", reason="needs the extra `corpus`")
    code = (
        "from newtongue.adapters.engine import run_over; from newtongue.core.engine import Engine;"
        "from adapters.engine.engine_work import hang; import sys;"
        "list(run_over(Engine(runner='native', processes=2), hang, sys.argv[1:]))"
    )
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    started = subprocess.Popen([sys.executable, "-c", code, *map(str, folders)])
    pids = _wait(lambda: [int(file.name) for folder in folders for file in folder.iterdir()], 2)
    started.send_signal(signal.SIGKILL)
    started.wait()
    _wait(lambda: [pid for pid in pids if not is_alive(pid)], 2)


def _wait(look: object, wanted: int) -> list[int]:
    end = time.monotonic() + 60
    while len(found := look()) < wanted:  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)
    return found
