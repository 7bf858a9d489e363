"""What `import newtongue` offers, and what it costs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from house.source import ROOT

import newtongue
from newtongue.stages import CATALOGUE

HEAVY = {
    "accelerate", "aiohttp", "datasets", "numba", "pandas", "peft", "pyarrow", "safetensors", "scipy", "sklearn",
    "tokenizers", "torch", "transformers", "trl",
}  # fmt: skip


def heavy_modules_after(code: str, folder: Path) -> set[str]:
    """Return which heavy packages a fresh interpreter has loaded after running `code`."""
    listing = "\nimport sys; print('\\n' + ' '.join({m.split('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code + listing], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_names_are_alphabetical_and_unique() -> None:
    assert newtongue.__all__ == sorted(set(newtongue.__all__))


@pytest.mark.parametrize("name", newtongue.__all__)
def test_every_name_loads_and_is_documented(name: str) -> None:
    thing = getattr(newtongue, name)
    assert inspect.getdoc(thing)
    assert thing.__name__ == name


def test_every_ready_stage_has_its_verb_and_config() -> None:
    ready = [entry for entry in CATALOGUE.values() if entry.ready]
    assert {entry.verb for entry in ready} | {entry.config for entry in ready} <= set(newtongue.__all__)


@pytest.mark.parametrize("entry", [e for e in CATALOGUE.values() if e.ready], ids=lambda e: e.key)
def test_a_verb_takes_the_config_of_its_stage(entry) -> None:  # type: ignore[no-untyped-def]
    parameters = inspect.signature(getattr(newtongue, entry.verb)).parameters
    assert list(parameters) == ["config", "out"]
    assert parameters["config"].annotation == entry.config


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pretain'"):
        newtongue.pretain  # noqa: B018


def test_dir_lists_the_public_names() -> None:
    assert set(newtongue.__all__) <= set(dir(newtongue))


def test_importing_the_package_loads_nothing(tmp_path: Path) -> None:
    code = "import newtongue, sys; assert 'pydantic' not in sys.modules; assert 'newtongue.core' not in sys.modules"
    assert heavy_modules_after(code, tmp_path) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "demo"], ["explain", "pretrain"], ["stage", "--help"]])
def test_reading_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; sys.argv = ['newtongue', *{arguments!r}]\nfrom newtongue.cli.main import app, call\n"
    code += "assert call(app) == 0"
    assert heavy_modules_after(code, tmp_path) == set()


def test_a_verb_runs_like_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "text.jsonl").write_text(
        "".join(f'{{"id": "{n}", "text": "A short line about topic number {n}, nothing more."}}\n' for n in range(40))
    )
    config = newtongue.CorpusConfig(
        sources=[{"path": str(tmp_path / "text.jsonl")}], language="eng_Latn", near_duplicates=None
    )
    payload = newtongue.curate(config, out=tmp_path / "corpus")
    manifest = tmp_path / "corpus" / "manifest.json"
    written = manifest.stat().st_mtime_ns
    assert payload == tmp_path / "corpus" / "corpus"
    assert newtongue.curate(config, out=tmp_path / "corpus") == payload
    assert manifest.stat().st_mtime_ns == written
