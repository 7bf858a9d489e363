"""Count the words of a text as strings of old ids, each distinct word segmented once.

Pre-tokens are what merges never cross. Running a tokenizer over all of a corpus to find them costs far more than
learning does; but most tokenizers cut wherever a single space stands between two other characters. So text is cut
there first, distinct stretches are counted, and only those are segmented. Whether a tokenizer does cut there is
tried on the first texts; where it does not, all text is segmented.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from newtongue.adapters.hf.tokenizers import SPACE_MARK, FastTokenizer, batches

Pieces = tuple[int, ...]
BATCH_STRETCHES = 16_384
TRIED_CHARS = 100_000
"""How much text must come out the same both ways before stretches are trusted."""
CUT = re.compile(r"(?<=\S) (?=\S)")
RUNS = ("  ", "\n ", " \n", "\t ", " \t")


def segmentations(tokenizer: FastTokenizer, texts: Iterable[str]) -> Iterator[Pieces]:
    """Yield the ids of every pre-token of every text, in order, special tokens of the post-processor left out.

    Where a tokenizer has no pre-tokens (SentencePiece style), tokens that open a word open a group.
    """
    opens = _openers(tokenizer)
    for block in batches(texts):
        for encoding in tokenizer.backend.encode_batch(block, add_special_tokens=False):
            yield from _groups(encoding.ids, encoding.word_ids, opens)


def segment_counts(tokenizer: FastTokenizer, texts: Sequence[str]) -> Counter[Pieces]:
    """Count the distinct pre-tokens of some texts by their old segmentation."""
    lead = _lead(tokenizer, texts)
    if lead is None:
        return Counter(segmentations(tokenizer, texts))
    return _count_stretches(tokenizer, texts, lead)


def _lead(tokenizer: FastTokenizer, texts: Sequence[str]) -> str | None:
    """Return what a stretch must begin with to be segmented as inside its text; None when nothing will do."""
    some, size = [], 0
    for text in texts:
        some.append(text[: TRIED_CHARS - size])
        size += len(some[-1])
        if size >= TRIED_CHARS:
            break
    expected = Counter(segmentations(tokenizer, some))
    return next((lead for lead in (" ", "") if _count_stretches(tokenizer, some, lead) == expected), None)


def _count_stretches(tokenizer: FastTokenizer, texts: Iterable[str], lead: str) -> Counter[Pieces]:
    opening: Counter[str] = Counter()
    inner: Counter[str] = Counter()
    for text in texts:
        parts = CUT.split(text) if any(run in text for run in RUNS) else text.split(" ")
        opening[parts[0]] += 1
        del parts[0]
        inner.update(parts)
    for part, count in inner.items():
        opening[lead + part] += count
    counts: Counter[Pieces] = Counter()
    opens = _openers(tokenizer)
    for block in batches(opening, BATCH_STRETCHES):
        for part, encoding in zip(block, tokenizer.backend.encode_batch(block, add_special_tokens=False), strict=True):
            for ids in _groups(encoding.ids, encoding.word_ids, opens):
                counts[ids] += opening[part]
    return counts


def _openers(tokenizer: FastTokenizer) -> frozenset[int]:
    if tokenizer.byte_level:
        return frozenset()
    return frozenset(i for token, i in tokenizer.ids.items() if token.startswith(SPACE_MARK))


def _groups(ids: Sequence[int], words: Sequence[int | None], opens: frozenset[int]) -> Iterator[Pieces]:
    if ids and words[0] == words[-1] and not opens:
        yield tuple(ids)
        return
    start = 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or words[at] != words[at - 1] or (ids[at] in opens):
            yield tuple(ids[start:at])
            start = at
