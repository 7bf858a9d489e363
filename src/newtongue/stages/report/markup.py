"""Pieces of HTML: escaped text with its language and direction, numbers, tables, definition lists."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import langcodes

from newtongue.adapters.languages import load_card
from newtongue.core.errors import RecipeError

BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder what stands around them; text from a model could use them to forge a report."""
NO_BREAK = "\u00a0"
LONGEST_SAMPLE_CHARS = 900
"""Longer texts of models are cut, and say so."""


def visible(text: str) -> str:
    r"""Return a text in which direction controls and other control characters are spelt out.

    Example:
        >>> visible("a\u202eb")
        'a[U+202E]b'
    """
    return "".join(f"[U+{ord(c):04X}]" if _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    return character in BIDI_CONTROLS or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")


def escape(text: Any) -> str:
    """Return any value as text that is safe inside HTML elements and attributes.

    Example:
        >>> escape('<b> & "c"')
        '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return html.escape(visible(str(text)), quote=True)


def language_attributes(tag: str, *, automatic: bool = False) -> str:
    """Return `lang`, `dir` and the script's class for text in a language.

    Args:
        tag: The language's tag.
        automatic: Whether the direction follows the text itself: for output that may be in any language.
    """
    try:
        direction = "auto" if automatic else load_card(tag).direction
    except RecipeError:
        direction = "auto"
    language, _, script = tag.partition("-x-")[0].partition("_")
    code = langcodes.standardize_tag(f"{language}-{script}") if script else language
    return f'lang="{escape(code)}" dir="{direction}" class="text script-{escape(script)}"'


def language_name(tag: str) -> str:
    """Return the English name of a language, or its tag where no card is to be had."""
    try:
        return load_card(tag).name
    except RecipeError:
        return tag


def prose(text: str, tag: str, *, automatic: bool = False) -> str:
    """Return text of users or models as paragraphs of their own, direction isolated from the page."""
    cut = text if len(text) <= LONGEST_SAMPLE_CHARS else text[:LONGEST_SAMPLE_CHARS] + " …"
    lines = escape(cut.strip()).replace("\n", "<br>")
    return f"<div {language_attributes(tag, automatic=automatic)}>{lines}</div>"


def number(value: float | int | None, digits: int = 0) -> str:
    """Return a number with thousands separators and a true minus sign; a dash when unknown.

    Example:
        >>> number(-1234.5, 1), number(None)
        ('−1,234.5', '–')
    """
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """Return a number with its sign, plus or true minus."""
    return "–" if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in per cent."""
    return "–" if value is None else f"{number(100 * value, digits)}{NO_BREAK}%"


def signed_percent(value: float | None, digits: int = 1) -> str:
    """Return a relative change in per cent with its sign."""
    return "–" if value is None else f"{signed(100 * value, digits)}{NO_BREAK}%"


def with_interval(found: Mapping[str, Any] | None, show: Any, digits: int) -> str:
    """Return `value [low, high]` as HTML; the interval is set smaller and does not break."""
    if found is None:
        return "–"
    ends = ", ".join(show(found[end], digits) for end in ("low", "high"))
    return f'{show(found["value"], digits)} <span class="interval">[{ends}]</span>'


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(312.4), duration(7260), duration(8.25)
        ('5 min 12 s', '2 h 01 min', '8.2 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def dollars(usd: float) -> str:
    """Return money in dollars and cents."""
    return f"${usd:,.2f}"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = (0,)) -> str:
    """Return a table that scrolls by itself on a narrow screen.

    Args:
        caption: What it shows; escaped here.
        head: Column titles; escaped here.
        rows: Cells, already HTML; the first of each row is its heading.
        words: Numbers of the columns that hold words; the others are set as figures.
    """
    kinds = ["" if i in words else ' class="figure"' for i in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for cell, kind in zip(head, kinds, strict=True))
    body = "".join(_row(row, kinds) for row in rows)
    label = escape(caption)
    return (
        f'<figure class="table"><figcaption>{label}</figcaption>'
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table aria-label="{label}">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )


def _row(cells: Sequence[str], kinds: Sequence[str]) -> str:
    rest = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells[1:], kinds[1:], strict=True))
    return f'<tr><th scope="row">{cells[0]}</th>{rest}</tr>'


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Return a definition list of names (escaped here) and values (already HTML)."""
    return "<dl>" + "".join(f"<div><dt>{escape(k)}</dt><dd>{v}</dd></div>" for k, v in items) + "</dl>"


def paragraph(text: str, kind: str = "") -> str:
    """Return one paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def section(key: str, title: str, *parts: str) -> str:
    """Return one section with its heading; nothing when all its parts are empty."""
    body = "".join(parts)
    return f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(title)}</h2>{body}</section>' if body else ""
