"""The help of every command, word for word.

After a wanted change: `python tests/cli/test_help.py > tests/cli/help.txt`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from newtongue.cli.main import COMMANDS

WORDS = Path(__file__).with_name("help.txt")
START = "from newtongue.cli.main import main; import sys; sys.argv = ['newtongue', *sys.argv[1:]]; main()"


def texts() -> str:
    """Return the help of the program and of every command, as a terminal of 100 columns shows it."""
    env = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    pages = []
    for command in ["", *COMMANDS]:
        arguments = [sys.executable, "-c", START, *([command] if command else []), "--help"]
        done = subprocess.run(arguments, capture_output=True, text=True, env=env, check=True)
        pages.append(f"$ newtongue {command + ' ' if command else ''}--help\n{done.stdout.strip()}\n")
    return "\n".join("\n".join(line.rstrip() for line in page.splitlines()) + "\n" for page in pages)


def test_help_is_word_for_word_what_it_was():
    assert texts() == WORDS.read_text("utf-8")


def test_no_line_of_the_list_of_commands_is_cut():
    assert "..." not in texts().partition("$ newtongue demo")[0].replace("[ARGS]...", "")


def test_help_needs_nothing_heavy():
    """What makes it come at once; `bench/startup.py` measures how soon."""
    code = START.replace("main()", "") + (
        "\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pyarrow', 'numba', 'scipy', 'pydantic', 'aiohttp', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert done.stderr == "[]\n"


if __name__ == "__main__":
    sys.stdout.write(texts())
