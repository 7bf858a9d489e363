"""Count the words of a text as strings of old ids, each distinct word segmented once.

Pre-tokens are what merges never cross. Running a tokenizer over all of a corpus to find them costs far more than
learning does; but most tokenizers cut wherever a single space stands between two other characters. So text is cut
there first, distinct stretches are counted, and only those are segmented. Whether a tokenizer does cut there is
tried on the first texts; where it does not, all text is segmented.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Stretches:
    """Text cut where the tokenizer cuts anyway, each distinct stretch once.

    Attributes:
        counts: Stretch -> how often it occurs. A text the tokenizer cannot be relied on to cut is one stretch.
    """

    counts: Mapping[str, int]

    @classmethod
    def of(cls, tokenizer: FastTokenizer, texts: Sequence[str]) -> Stretches:
        """Cut texts; what is tried on this tokenizer holds for all with the same normaliser and pre-tokenizer."""
        lead = _lead(tokenizer, texts)
        return cls(Counter(texts) if lead is None else _cut(texts, lead))

    def segmented(self, tokenizer: FastTokenizer) -> Counter[Pieces]:
        """Return the ids of each distinct pre-token, and how often it occurs."""
        counts: Counter[Pieces] = Counter()
        opens = _openers(tokenizer)
        for block in batches(self.counts, BATCH_STRETCHES):
            encodings = tokenizer.backend.encode_batch(block, add_special_tokens=False)
            for stretch, encoding in zip(block, encodings, strict=True):
                ids, words = encoding.ids, encoding.word_ids
                whole = not opens and ids and words[0] == words[-1]
                for group in (tuple(ids),) if whole else _groups(ids, words, opens):
                    counts[group] += self.counts[stretch]
        return counts


def segment_counts(tokenizer: FastTokenizer, texts: Sequence[str]) -> Counter[Pieces]:
    """Count the distinct pre-tokens of some texts by their old segmentation."""
    return Stretches.of(tokenizer, texts).segmented(tokenizer)


def count_tokens(counts: Mapping[Pieces, int]) -> int:
    """Return the number of tokens in counted pre-tokens."""
    return sum(len(ids) * count for ids, count in counts.items())


def _lead(tokenizer: FastTokenizer, texts: Sequence[str]) -> str | None:
    """Return what a stretch must begin with to be segmented as inside its text; None when nothing will do."""
    some, size = [], 0
    for text in texts:
        some.append(text[: TRIED_CHARS - size])
        size += len(some[-1])
        if size >= TRIED_CHARS:
            break
    expected = Counter(segmentations(tokenizer, some))
    found = (lead for lead in (" ", "") if Stretches(_cut(some, lead)).segmented(tokenizer) == expected)
    return next(found, None)


def _cut(texts: Iterable[str], lead: str) -> Counter[str]:
    stretches: Counter[str] = Counter()
    inner: Counter[str] = Counter()
    for text in texts:
        parts = CUT.split(text) if any(run in text for run in RUNS) else text.split(" ")
        stretches[parts[0]] += 1
        del parts[0]
        inner.update(parts)
    for part, count in inner.items():
        stretches[lead + part] += count
    return stretches


def _openers(tokenizer: FastTokenizer) -> frozenset[int]:
    if tokenizer.byte_level:
        return frozenset()
    return frozenset(i for token, i in tokenizer.ids.items() if token.startswith(SPACE_MARK))


def _groups(ids: Sequence[int], words: Sequence[int | None], opens: frozenset[int]) -> Iterator[Pieces]:
    start = 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or words[at] != words[at - 1] or (ids[at] in opens):
            yield tuple(ids[start:at])
            start = at
