"""Parts of a text that no translator may touch: code, markup, addresses, placeholders, formulas; and its numbers.

They are replaced by numbered marks before translation and put back after it; every mark must come back exactly as
often as it was sent. Numbers stay where they are and are compared as multisets of digit runs, digits of any script.
Source: ours; structure-preserving replacement after Setu-translate (IndicLLMSuite, arXiv 2403.06350).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

MARK: Final = "⟦{}⟧"
_MARK = re.compile(r"⟦\s*(\d+)\s*⟧")
_PROTECTED = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|\{\{[^{}\n]*\}\}|\$\{[^{}\n]*\}|\{[\w.:!-]*\}|%\(\w+\)[sdf]|%(?:\d+\$)?[sdf](?!\w)"  # placeholders
    r"|\$\$.+?\$\$|\$[^$\s][^$\n]*\$(?!\d)|\\\(.+?\\\)|\\\[.+?\\\]"  # formulas
    r"|https?://[^\s)\]>\"'«»]+|[\w.+-]+@[\w-]+\.[\w.]+"  # addresses
    r"|</?[A-Za-z][^<>\n]*>|&[A-Za-z]+;|&#\d+;"  # markup
    r"|⟦|⟧",
    re.DOTALL,
)


def protect(text: str) -> tuple[str, list[str]]:
    """Return a text with marks for its protected parts, and the parts.

    Example:
        >>> protect("Run `ls` on {host}, see https://a.b/c")
        ('Run ⟦0⟧ on ⟦1⟧, see ⟦2⟧', ['`ls`', '{host}', 'https://a.b/c'])
    """
    parts: list[str] = []

    def mark(match: re.Match[str]) -> str:
        parts.append(match[0])
        return MARK.format(len(parts) - 1)

    return _PROTECTED.sub(mark, text), parts


def restore(text: str, parts: Sequence[str]) -> str | None:
    """Return a translation with the parts put back, or None when marks are missing, doubled or unknown.

    Example:
        >>> restore("⟦1⟧ پر ⟦ 0 ⟧ چلائیں", ["`ls`", "{host}"])
        '{host} پر `ls` چلائیں'
        >>> restore("⟦0⟧", ["`ls`", "{host}"]) is None
        True
    """
    found = Counter(int(number) for number in _MARK.findall(text))
    if found != Counter(range(len(parts))):
        return None
    return _MARK.sub(lambda match: parts[int(match[1])], text)


def digit_runs(text: str) -> Counter[str]:
    """Return the multiset of runs of digits, digits of any script as `0`-`9`.

    Example:
        >>> digit_runs("۱٬۲۰۰ in 2024") == digit_runs("2024 میں 1,200")
        True
    """
    return Counter("".join(str(unicodedata.digit(c)) for c in run) for run in re.findall(r"\d+", text))


def change_prose(text: str, change: Callable[[str], str]) -> str:
    """Return a text with its unprotected stretches changed and the protected parts as they are.

    Example:
        >>> change_prose("run `ls` now", str.upper)
        'RUN `ls` NOW'
    """
    pieces, end = [], 0
    for match in _PROTECTED.finditer(text):
        pieces += [change(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*pieces, change(text[end:])])
