"""Count the words of a text as strings of old ids, each distinct word segmented once.

Pre-tokens are what merges never cross. Running a tokenizer over all of a corpus to find them costs far more than
learning does; but most tokenizers provably cut wherever a space follows something else than white space. So text is cut
there first, distinct stretches are counted, only those are cut into pre-tokens, and only distinct pre-tokens go through
the tokenizer's model. Where there is no proof, all text is encoded as it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from newtongue.adapters.hf.cutters import CODE_POINTS, Cutter, MarkCutter
from newtongue.adapters.hf.cutting import cutter_of
from newtongue.adapters.hf.fragments import tokenized
from newtongue.adapters.hf.stretches import Counted, Ints, Runs, count_stretches
from newtongue.adapters.hf.tokenizers import SPACE_MARK, FastTokenizer, batches

Pieces = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CountedWords:
    """Words as old ids, one word behind the other, and how often each occurs.

    Attributes:
        ids: Old ids of all words.
        ends: Where each word ends in `ids`.
        counts: Occurrences of each word, in text.
    """

    ids: Ints
    ends: Ints
    counts: Ints

    @classmethod
    def of(cls, counts: Mapping[Pieces, int]) -> CountedWords:
        """Lay counted words out in arrays."""
        ends = np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))
        ids = np.fromiter(chain.from_iterable(counts), np.int64)
        return cls(ids, ends, np.fromiter(counts.values(), np.int64, len(counts)))

    @property
    def lengths(self) -> Ints:
        """Ids of each word."""
        return np.diff(self.ends, prepend=0)

    @property
    def tokens(self) -> int:
        """Tokens in the counted text."""
        return int(self.lengths @ self.counts)

    def items(self) -> Iterator[tuple[Pieces, int]]:
        """Yield each word and its count."""
        ids, start = self.ids.tolist(), 0
        for end, count in zip(self.ends.tolist(), self.counts.tolist(), strict=True):
            yield tuple(ids[start:end]), count
            start = end

    def uses(self, size: int) -> Ints:
        """Return how often each id below `size` stands in the counted text."""
        return np.bincount(self.ids, np.repeat(self.counts, self.lengths), size).astype(np.int64)[:size]


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
        counted: Stretches of texts that the tokenizer is proved to cut there.
        whole: Every other text -> how often it occurs.
    """

    counted: Counted
    whole: Mapping[str, int]

    @classmethod
    def of(cls, tokenizer: FastTokenizer, texts: Sequence[str]) -> Stretches:
        """Cut texts; what is proved of this tokenizer holds for what grows from it by merges of whole words."""
        cutter = cutter_of(tokenizer)
        if cutter is None:
            return cls(count_stretches([]), Counter(texts))
        if not (isinstance(cutter, MarkCutter) and cutter.opens == "always" and tokenizer.added):
            return cls(count_stretches(texts), {})
        added = _added(tokenizer)  # what follows an added token gets a mark of its own
        return cls(
            count_stretches(text for text in texts if not added(text)), Counter(text for text in texts if added(text))
        )

    def segmented(self, tokenizer: FastTokenizer) -> CountedWords:
        """Return the ids of each distinct pre-token, and how often it occurs."""
        cutter = cutter_of(tokenizer)
        found = CountedWords.of(_encoded(tokenizer, self.whole))
        return found if cutter is None else _joined(_segmented(tokenizer, cutter, self.counted), found)


def segment_counts(tokenizer: FastTokenizer, texts: Sequence[str]) -> CountedWords:
    """Count the distinct pre-tokens of some texts by their old segmentation."""
    return Stretches.of(tokenizer, texts).segmented(tokenizer)


def _segmented(tokenizer: FastTokenizer, cutter: Cutter, counted: Counted) -> CountedWords:
    odd = _with_added(tokenizer, counted.runs)
    plain = np.ones(len(counted.runs), bool)
    plain[odd] = False
    words = cutter.words(counted.runs.chosen(plain), counted.opening[plain])
    runs, which = words.runs.distinct()
    weights = np.bincount(which, counted.counts[plain][words.stretches], len(runs)).astype(np.int64)
    made = _opened(CountedWords(*tokenized(tokenizer, runs), weights), _openers(tokenizer))
    return _joined(made, CountedWords.of(_encoded_apart(tokenizer, cutter, counted, odd)))


def _with_added(tokenizer: FastTokenizer, runs: Runs) -> list[int]:
    """Return the stretches that hold the text of an added token."""
    if not tokenizer.added:
        return []
    first = np.zeros(256, bool)
    first[[token.encode()[0] for token in tokenizer.added if token]] = True
    hits = np.flatnonzero(first[np.frombuffer(runs.data, np.uint8)])
    found = list(dict.fromkeys(np.searchsorted(runs.ends, hits, "right").tolist()))
    added = _added(tokenizer)
    return [k for k, stretch in zip(found, runs.strings(found), strict=True) if added(stretch)]


def _added(tokenizer: FastTokenizer) -> Callable[[str], object]:
    """Return a search for the text of added tokens."""
    return re.compile("|".join(map(re.escape, tokenizer.added))).search


def _encoded_apart(
    tokenizer: FastTokenizer, cutter: Cutter, counted: Counted, places: Sequence[int]
) -> Counter[Pieces]:
    """Encode some stretches whole, those that need a text before them behind a letter that is taken off again."""
    opens, starts = _openers(tokenizer), {token[:1] for token in tokenizer.added}
    letter = next(letter for letter in map(chr, range(ord("a"), CODE_POINTS)) if letter not in starts)
    counts: Counter[Pieces] = Counter()
    for k, stretch in zip(places, counted.runs.strings(places), strict=True):
        behind = isinstance(cutter, MarkCutter) and not counted.opening[k]
        encoding = tokenizer.backend.encode(letter * behind + stretch, add_special_tokens=False)
        groups = list(_groups(encoding.ids, encoding.word_ids, opens))
        for group in groups[behind:]:
            counts[group] += int(counted.counts[k])
    return counts


def _opened(words: CountedWords, opens: frozenset[int]) -> CountedWords:
    """Cut words before ids that open one, too; count equal words together."""
    if not opens:
        some = words.lengths > 0
        return CountedWords(words.ids, words.ends[some], words.counts[some])
    places = np.flatnonzero(np.isin(words.ids, list(opens)))
    cuts = np.unique(np.concatenate([np.zeros(1, np.int64), words.ends, places]))
    counts = words.counts[np.searchsorted(words.ends, cuts[:-1], "right")]
    return _distinct(CountedWords(words.ids, cuts[1:], counts))


def _joined(one: CountedWords, other: CountedWords) -> CountedWords:
    if len(other.counts) == 0:
        return one
    ids, counts = np.concatenate([one.ids, other.ids]), np.concatenate([one.counts, other.counts])
    return _distinct(CountedWords(ids, np.concatenate([one.ends, other.ends + len(one.ids)]), counts))


def _distinct(words: CountedWords) -> CountedWords:
    runs, which = Runs(words.ids.tobytes(), words.ends * words.ids.itemsize).distinct()
    counts = np.bincount(which, words.counts, len(runs)).astype(np.int64)
    return CountedWords(np.frombuffer(runs.data, np.int64), runs.ends // words.ids.itemsize, counts)


def _encoded(tokenizer: FastTokenizer, texts: Mapping[str, int]) -> Counter[Pieces]:
    """Encode whole texts and count their pre-tokens."""
    counts: Counter[Pieces] = Counter()
    opens = _openers(tokenizer)
    for block in batches(texts):
        for text, encoding in zip(block, tokenizer.backend.encode_batch(block, add_special_tokens=False), strict=True):
            for group in _groups(encoding.ids, encoding.word_ids, opens):
                counts[group] += texts[text]
    return counts


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
