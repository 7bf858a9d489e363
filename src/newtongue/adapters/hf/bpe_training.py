"""Continue training a BPE tokenizer at the speed of the tokenizers library, which cannot resume by itself.

The trick: write every old id `i` as the character U+10000 + i. A pre-token becomes a short string of such
characters, an ordinary character-level BPE trained on them learns exactly the merges that come next, and its
tokens map back. Characters from U+10000 up hold no white space and no surrogates.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer

from newtongue.core.errors import DataError

Pieces = tuple[int, ...]
FIRST = 0x10000
SLOTS = 0x110000 - FIRST
WORDS_PER_LINE = 1024


def learn_merges(counts: Mapping[Pieces, int], number: int, min_count: int) -> list[tuple[Pieces, Pieces]]:
    """Learn up to `number` merges on top of an old segmentation.

    Args:
        counts: Old ids of each distinct pre-token and how often it occurs.
        number: Merges to learn at most.
        min_count: A pair must occur at least this often.

    Returns:
        (left, right) as old ids, in the order learned: the most frequent pair first, ties to the pair whose parts
        came first.

    Raises:
        DataError: An id does not fit the range of characters.
    """
    words = {ids: count for ids, count in counts.items() if len(ids) > 1}
    alphabet = sorted({i for ids in words for i in ids})
    if not words or not number:
        return []
    if alphabet[-1] >= SLOTS:
        raise DataError(f"token id {alphabet[-1]} is too large to continue from", expected=f"ids below {SLOTS}")
    trainer = BpeTrainer(
        vocab_size=len(alphabet) + number,
        min_frequency=min_count,
        initial_alphabet=[chr(FIRST + i) for i in alphabet],
        show_progress=False,
    )
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.train_from_iterator(_lines(words), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(_pieces(left), _pieces(right)) for left, right in merges]


def resegment(counts: Mapping[Pieces, int], merges: Sequence[tuple[Pieces, Pieces]], first_id: int) -> Counter[Pieces]:
    """Apply merges to counted pre-tokens.

    Args:
        counts: Ids of each distinct pre-token and how often it occurs.
        merges: (left, right) as ids that spell the parts, in order.
        first_id: The product of merge k becomes the id `first_id + k`.

    Returns:
        The same pre-tokens in the new ids, with their counts.
    """
    text = {part: "".join(chr(FIRST + i) for i in part) for merge in merges for part in merge}
    pairs = [(text[left], text[right]) for left, right in merges]
    number_of = {left + right: first_id + k for k, (left, right) in enumerate(pairs)}
    alphabet = sorted({i for ids in counts for i in ids})
    vocab = {chr(FIRST + i): k for k, i in enumerate(alphabet)}
    model = BPE({**vocab, **{token: len(vocab) + k for k, token in enumerate(number_of)}}, pairs)
    changed: Counter[Pieces] = Counter()
    for ids, count in counts.items():
        tokens = model.tokenize("".join(chr(FIRST + i) for i in ids))
        changed[tuple(number_of.get(token.value) or ord(token.value) - FIRST for token in tokens)] += count
    return changed


def _lines(words: Mapping[Pieces, int]) -> Iterator[str]:
    for ids in sorted(words):
        word, left = "".join(chr(FIRST + i) for i in ids), words[ids]
        while left > 0:
            yield " ".join([word] * min(left, WORDS_PER_LINE))
            left -= WORDS_PER_LINE


def _pieces(token: str) -> Pieces:
    return tuple(ord(character) - FIRST for character in token)
