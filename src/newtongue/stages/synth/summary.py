"""What a reader wants to know of written data, on one page: `summary.md` beside the rows.

Acceptance, reasons, language fidelity, dollars, how alike the accepted rows are, and samples in their own direction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

from newtongue.adapters.languages import load_card
from newtongue.methods.similarity import Pool
from newtongue.stages.synth.books import Books, Row, texts_of

SAMPLES_PER_TASK = 1
COMPARED_ROWS = 2000
"""Rows whose likeness is shown, the first ones."""
BINS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Lower bounds of the histogram; what is below the first is one bin."""
NEAR = 0.5
"""Likeness from which a held-out question is counted as near a training one."""
BAR = 40
"""Longest bar in characters."""
SHOWN_CHARACTERS = 400
CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that set the direction of what follows."""


def summary(books: Books, title: str, usd: float, teacher: str) -> str:
    """Return the page.

    Args:
        books: What became of every row.
        title: Heading.
        usd: Dollars spent on the rows, all attempts.
        teacher: Who wrote them.
    """
    parts = [
        *_figures(books, title, usd),
        *_fidelity(books, teacher),
        *_histogram(books),
        *_border(books),
        *_samples(books),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _figures(books: Books, title: str, usd: float) -> Iterator[str]:
    accepted, received = len(books.accepted), max(1, books.received)
    yield f"# {title}\n"
    yield (
        f"{books.received:,} rows came back from {books.requests:,} questions; {accepted:,} "
        f"({accepted / received:.1%}) were accepted, {len(books.rejected):,} rejected, {len(books.failed):,} failed. "
        f"They cost ${usd:,.4f}, ${usd / max(1, accepted):,.6f} per accepted row.\n"
    )
    reasons = Counter(reject.reason for reject in (*books.rejected, *books.failed)).most_common()
    if reasons:
        yield "| why not accepted | rows | share of all |\n|---|---:|---:|"
        yield from (f"| {reason} | {number:,} | {number / received:.1%} |" for reason, number in reasons)
        yield ""


def _fidelity(books: Books, teacher: str) -> Iterator[str]:
    """Yield the language gate's answers; rows that failed another check first were not asked about."""
    if not books.fidelity:
        return
    yield f"Language of what `{teacher}` wrote, by task:\n"
    yield "| task | right | unknown | wrong | right or unknown |\n|---|---:|---:|---:|---:|"
    for task, told in sorted(books.fidelity.items()):
        share = 1 - told["wrong"] / told.total()
        yield f"| {task} | {told['right']:,} | {told['unknown']:,} | {told['wrong']:,} | {share:.1%} |"
    yield ""


def _histogram(books: Books) -> Iterator[str]:
    """Yield how alike each accepted question is to the most similar one before it."""
    pool, counts = Pool(BINS[0]), Counter[float]()
    for row in books.accepted[:COMPARED_ROWS]:
        text = question_of(row)
        near = pool.nearest(text)
        counts[max((low for low in BINS if near and near[0] >= low), default=0.0)] += 1
        pool.add(row.id, text)
    most = max(counts.values())
    yield "Likeness of each accepted question to the nearest one before it (ROUGE-L on words):\n\n```text"
    for low, high in zip((0.0, *BINS), (*BINS, 1.0), strict=True):
        bar = "#" * round(BAR * counts[low] / most)
        yield f"{low:.1f} to {high:.1f}  {counts[low]:6,}  {bar}".rstrip()
    yield "```\n"


def _border(books: Books) -> Iterator[str]:
    """Yield how many held-out questions come near a training one; translations are not recognised."""
    heldout = [row for row in books.accepted if row.split == "heldout"]
    if not heldout:
        return
    pool = Pool(NEAR)
    for row in books.accepted:
        if row.split != "heldout":
            pool.add(row.id, question_of(row))
    near = sum(pool.nearest(question_of(row)) is not None for row in heldout)
    yield f"{near:,} of {len(heldout):,} held-out questions are more than {NEAR} alike to a training question.\n"


def _samples(books: Books) -> Iterator[str]:
    shown: Counter[str] = Counter()
    yield "Samples:\n"
    for row in books.accepted:
        if shown[row.task] < SAMPLES_PER_TASK:
            shown[row.task] += 1
            direction = load_card(row.language).direction
            yield f"**{escape(row.task)}**\n"
            yield from (f'<p dir="{direction}" lang="{row.language[:3]}">{_shown(text)}</p>' for text in texts_of(row))
            yield ""


def _shown(text: str) -> str:
    """Return a text as safe markup; controls of direction become visible."""
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    visible = "".join(f"[U+{ord(c):04X}]" if c in CONTROLS else c for c in cut)
    return "<br>".join(escape(line) for line in visible.split("\n"))


def question_of(row: Row) -> str:
    """Return what a row asks first."""
    return texts_of(row)[0]
