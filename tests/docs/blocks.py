"""Code blocks of the Markdown pages, with the remark that stands before each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "parts")])
BLOCK = re.compile(
    r"(?:<!-- (?P<remark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Path of the page from the project's root.
        line: Line of the opening fence, from 1.
        language: Word after the fence.
        remark: Text of the HTML comment on the line before, or "".
        code: The block.
    """

    page: str
    line: int
    language: str
    remark: str
    code: str

    def __str__(self) -> str:
        """Return the place, for test names."""
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return every block in one of these languages, in every page."""
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        yield Block(page.relative_to(ROOT).as_posix(), line, match["language"], match["remark"] or "", match["code"])
