"""The help of every command, word for word.

After a wanted change: `python tests/cli/test_help.py > tests/cli/help.txt`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
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


def test_help_comes_at_once():
    subprocess.run([sys.executable, "-c", START, "--help"], capture_output=True, check=True)
    spans = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", START, "--help"], capture_output=True, check=True)
        spans.append(time.monotonic() - started)
    assert min(spans) < 0.6  # below 0.3 s on a free machine


if __name__ == "__main__":
    sys.stdout.write(texts())
