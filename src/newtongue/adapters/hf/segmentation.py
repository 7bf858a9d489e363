"""Count the words of a text as strings of old ids, each distinct word segmented once.

Pre-tokens are what merges never cross. Running a tokenizer over all of a corpus to find them costs far more than
learning does; but most tokenizers cut wherever a single space stands between two other characters. So text is cut
there first, distinct stretches are counted, only those are cut by the tokenizer, and only distinct pre-tokens go
through its model. Whether a tokenizer can be taken apart like this is tried on the first texts; where it cannot, all
text is encoded as it stands.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from newtongue.adapters.hf.tokenizers import SPACE_MARK, FastTokenizer, batches

Pieces = tuple[int, ...]
BATCH_STRETCHES = 16_384
TEXTS_CUT_AT_ONCE = 16_384
TRIED_CHARS = 50_000
"""How much text must come out the same both ways before stretches are trusted."""
CUT = re.compile(r"(?<=\S) (?=\S)")
JOINABLE = re.compile(r" \S(?:.*\S)?", re.DOTALL).fullmatch
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
        tried: Whether taking the tokenizer apart gave what encoding gives.
    """

    counts: Mapping[str, int]
    tried: bool = True

    @classmethod
    def of(cls, tokenizer: FastTokenizer, texts: Sequence[str]) -> Stretches:
        """Cut texts; what is tried on this tokenizer holds for all with the same normaliser and pre-tokenizer."""
        lead = _lead(tokenizer, texts)
        return cls(Counter(texts), tried=False) if lead is None else cls(_cut(texts, lead))

    def segmented(self, tokenizer: FastTokenizer) -> Counter[Pieces]:
        """Return the ids of each distinct pre-token, and how often it occurs."""
        words, whole = _words(tokenizer, self.counts) if self.tried else ({}, self.counts)
        counts: Counter[Pieces] = Counter()
        opens, tokenize = _openers(tokenizer), tokenizer.backend.model.tokenize
        for word, count in words.items():
            ids = [token.id for token in tokenize(word)]
            for group in _groups(ids, [0] * len(ids), opens) if opens or not ids else (tuple(ids),):
                counts[group] += count
        for block in batches(whole, BATCH_STRETCHES):
            encodings = tokenizer.backend.encode_batch(block, add_special_tokens=False)
            for stretch, encoding in zip(block, encodings, strict=True):
                for group in _groups(encoding.ids, encoding.word_ids, opens):
                    counts[group] += whole[stretch]
        return counts


def _words(tokenizer: FastTokenizer, stretches: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Count pre-tokens as the model sees them; return them, and stretches that may hold an added token."""
    cut, starts = _cutter(tokenizer), re.escape("".join({token[:1] for token in tokenizer.added}))
    added = re.compile(f"[{starts}]").search if starts else lambda _stretch: None
    words: dict[str, int] = {}
    whole: dict[str, int] = {}
    alike: dict[int, list[str]] = defaultdict(list)
    for stretch, count in stretches.items():
        if added(stretch):
            whole[stretch] = count
        elif JOINABLE(stretch):
            alike[count].append(stretch)
        else:
            for word in cut(stretch):
                words[word] = words.get(word, 0) + count
    for count, some in alike.items():
        for block in batches(some, 100):
            for word in cut("".join(block)):
                words[word] = words.get(word, 0) + count
    return words, whole


def _cutter(tokenizer: FastTokenizer) -> Callable[[str], list[str]]:
    """Return the tokenizer's normaliser and pre-tokenizer as one function."""
    normaliser, pre_tokenizer = tokenizer.backend.normalizer, tokenizer.backend.pre_tokenizer
    normalise = (lambda text: text) if normaliser is None else normaliser.normalize_str
    if pre_tokenizer is None:
        return lambda text: [normalise(text)]
    cut = pre_tokenizer.pre_tokenize_str
    return lambda text: [word for word, _span in cut(normalise(text))]


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
    first: Counter[str] = Counter()
    parts = [pa.array([], pa.large_string())]
    for block in batches(texts, TEXTS_CUT_AT_ONCE):
        found = [CUT.split(text) for text in block if any(run in text for run in RUNS)] if _has_runs(block) else []
        plain = [text for text in block if not any(run in text for run in RUNS)] if found else block
        first.update([text.partition(" ")[0] for text in plain] + [cut[0] for cut in found])
        joined = pa.array([" ".join(plain).encode()] if plain else [], pa.large_string())
        parts += [pc.split_pattern(joined, " ").values, pa.array([part for cut in found for part in cut], joined.type)]
    counted = pa.chunked_array(parts).value_counts()
    inner = Counter(dict(zip(*(counted.field(n).to_pylist() for n in (0, 1)), strict=True)))
    inner.subtract(first)
    for part, count in inner.items():
        if count:
            first[lead + part] += count
    return first


def _has_runs(texts: Sequence[str]) -> bool:
    joined = "|".join(texts)
    return any(run in joined for run in RUNS)


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
