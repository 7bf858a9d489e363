"""Documents run: every block is executed or says why not, every page is fresh, every link leads somewhere."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs.blocks import PAGES, ROOT, Block, blocks

from newtongue.core.config import references
from newtongue.run import recipe as recipes
from newtongue.run import yaml12
from newtongue.run.plan import make_plan
from newtongue.run.store import Store
from newtongue.stages import CATALOGUE

SAMPLE = ROOT / "src" / "newtongue" / "assets" / "sample"
KNOWN = ("bash", "python", "yaml", "json", "text")
UNSEEN_BOOK = "standardebooks/h-g-wells_the-war-of-the-worlds"
RUN, NOT_RUN = "run", "not run: "


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a little user data where the documents expect it."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(SAMPLE / "urd_Arab.jsonl", data / "ur.docs.jsonl")
    lines = (SAMPLE / "english.jsonl").read_text("utf-8").splitlines()
    texts = [text for line in lines for text in json.loads(line)["text"].split(". ") if len(text) > 100]
    books = [{"id": f"{n}", "text": t, "source": UNSEEN_BOOK if n % 4 == 0 else "another"} for n, t in enumerate(texts)]
    (data / "en.books.jsonl").write_text("".join(json.dumps(row) + "\n" for row in books), "utf-8")
    return tmp_path


def execute(command: list[str], folder: Path) -> str:
    """Run a command in a folder as a reader would; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_block_names_a_language_we_test() -> None:
    assert not [str(block) for block in blocks(*_languages()) if block.language not in KNOWN]


def _languages() -> set[str]:
    return {match for page in PAGES for match in re.findall(r"^```(\w*)\n", page.read_text("utf-8"), re.MULTILINE)}


def test_every_shell_block_is_run_or_says_why_not() -> None:
    silent = [str(b) for b in blocks("bash") if b.remark != RUN and not b.remark.startswith(NOT_RUN)]
    assert not silent


@pytest.mark.parametrize("block", [b for b in blocks("bash") if b.remark == RUN], ids=str)
def test_shell_blocks_run(block: Block, workplace: Path) -> None:
    for own in [b for b in blocks("yaml") if b.page == block.page and b.code.startswith("newtongue:")]:
        (workplace / "mine.yaml").write_text(own.code, "utf-8")
    start = f'set -euo pipefail\nnewtongue() {{ "{sys.executable}" -m newtongue.cli.main "$@"; }}\n'
    execute(["bash", "-c", start + block.code], workplace)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_blocks_run(block: Block, workplace: Path) -> None:
    execute([sys.executable, "-c", block.code], workplace)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_blocks_are_recipes_or_parts_of_one(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "block.yaml"
    file.write_text(block.code, "utf-8")
    if block.code.startswith("newtongue:"):
        make_plan(recipes.load(file), Store(tmp_path / "store"))
        return
    for name, values in dict(yaml12.read(file)).items():
        entry = recipes.entry_of(values.pop("stage", name), name, str(block))
        recipes.check_config(entry.load_config(), values, f"{block}: {name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
    waiting = {"docs/report.png"} if not (ROOT / "docs" / "report.png").exists() else set()
    assert not [target for target in targets if target not in waiting and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", ["recipe", "commands", "methods", "scale"])
def test_pages_made_from_the_code_are_fresh(page: str) -> None:
    made = runpy.run_path(str(ROOT / "docs" / "generate.py"))[f"{page}_page"]()
    file = ROOT / "docs" / f"{page}.md"
    assert file.is_file() and file.read_text("utf-8") == made, "run `make docs`"


def test_every_setting_stands_in_the_reference() -> None:
    reference = (ROOT / "docs" / "recipe.md").read_text("utf-8")
    for entry in CATALOGUE.values():
        assert not [s for s in entry.load_config().model_fields if f"- `{s}`: " not in reference], entry.key


def test_every_command_is_in_some_document() -> None:
    from newtongue.cli.main import COMMANDS

    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert not [command for command in COMMANDS if f"newtongue {command}" not in text]


def test_make_targets_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {t for page in PAGES for t in re.findall(r"`?make ([a-z]+)`", page.read_text("utf-8"))}
    assert named <= targets


SHIPPED = sorted((ROOT / "src" / "newtongue" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_recipes_plan(file: Path, tmp_path: Path) -> None:
    changes = [f"{place}={SAMPLE / _stand_in(text)}" for place, text in _user_data(yaml12.read(file))]
    recipe = recipes.load(file, changes)
    plan = make_plan(recipe, Store(tmp_path / "store"))
    assert [step.step.name for step in plan.steps] == [step.name for step in recipe.steps]
    assert all(list(references(step.step.config)) is not None and step.estimate.seconds[2] > 0 for step in plan.steps)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_recipes_say_what_they_are(file: Path) -> None:
    assert file.read_text("utf-8").startswith("# ")
    assert recipes.Header.model_validate(yaml12.read(file)).title


def _user_data(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted place, path) of everything a shipped recipe expects the user to bring."""
    if isinstance(value, str) and value.startswith("./data/"):
        yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _user_data(item, f"{place}.{key}" if place else str(key))


def _stand_in(path: str) -> str:
    return "english.jsonl" if Path(path).name.startswith("en") else "urd_Arab.jsonl"
