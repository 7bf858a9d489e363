"""What the surface of an answer shows without an encoder: one number per symptom, larger is more suspicious.

Symptoms that need no knowledge of a language (repetition, an end in mid-phrase, letters of another script than the
prompt's) carry over to languages never trained on; those that rest on counts of a language's own text are neutral
there.

Source: repeated n-grams as in Gopher's filters (Rae et al. 2021, arXiv 2112.11446, table A1), surprisal of a character
    model as in CCNet (Wenzek et al. 2020, arXiv 1911.00359, section 3.3); ending, shape and prompt symptoms are ours.

Shapes: B rows, F features.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.corruption import Example
from newtongue.methods.hashed_ngrams import (
    CharacterModel,
    Stream,
    count_characters,
    ngram_hashes,
    normalised,
    stream_of,
)

Floats = NDArray[np.float64]

FEATURES = (
    "ending", "ending_shape", "opening_shape", "shortness", "repeated_ngrams", "longest_repeat", "foreign_script",
    "foreign_ngrams", "other_language", "surprise", "off_topic", "prompt_ignored", "unbalanced",
)  # fmt: skip
"""Symptoms in the order of columns."""
LANGUAGE_BOUND = ("ending", "other_language", "surprise")
"""Symptoms that need counts of the language itself; neutral in a language without any."""
ORDER = 5
"""Longest n-gram of the character models."""
SLOTS = 1 << 21
"""Slots of their table."""
PROFILE_SLOTS = 1 << 12
"""Slots of the bigram profiles a prompt and an answer are compared by: their languages."""
TOPIC_ORDERS = (4, 5, 6)
"""Lengths of the n-grams a prompt and an answer are compared by: their topics, characters."""
TOPIC_SLOTS = 1 << 18
"""Slots of the counts that tell how rare such an n-gram is."""
LEAST_COSINE, LEAST_HELD = 0.01, 0.1
"""What is added to likeness of topic under the logarithm: less than this is as good as nothing."""
REPEAT_CHARS = 6
"""Length of the n-grams whose repetition counts."""
PAIRS = {"(": ")", "[": "]", "{": "}", "«": "»", "“": "”", "「": "」", "『": "』", "（": "）", "【": "】"}


@dataclass(frozen=True, slots=True)
class Surface:
    """Counts taken on good rows.

    Attributes:
        characters: Character model of answers, one salt per language, and of shapes under SHAPE_SALT.
        languages: Tags with counts of their own, sorted.
        lengths: Logarithms of answer lengths in characters, sorted, at most LENGTHS of them.
        topics: Good rows that hold an n-gram of TOPIC_ORDERS, by its slot (TOPIC_SLOTS,).
        rows: Good rows.
    """

    characters: CharacterModel
    languages: tuple[str, ...]
    lengths: Floats
    topics: NDArray[np.int64]
    rows: int


SHAPE_SALT = 1
LENGTHS = 2000
"""Quantiles of answer length that are kept."""
TOPIC_ROWS = 256
"""Rows counted together; a matter of memory only."""


def learn_surface(rows: Sequence[Example]) -> Surface:
    """Count what good answers look like.

    Args:
        rows: Good rows of any languages, one at least.
    """
    table = np.zeros(SLOTS, dtype=np.uint32)
    texts = stream_of([normalised(row.answer) for row in rows])
    salts = np.array([_salt(row.language) for row in rows], dtype=np.uint64)
    count_characters(texts, salts[texts.rows], ORDER, table)
    model = count_characters(stream_of([_shape(row.answer) for row in rows]), SHAPE_SALT, ORDER, table)
    lengths = np.log([max(1, len(row.answer)) for row in rows])
    kept = np.quantile(lengths, np.linspace(0, 1, min(LENGTHS, len(lengths))))
    topics = np.zeros(TOPIC_SLOTS, dtype=np.int64)
    for first in range(0, len(rows), TOPIC_ROWS):
        part = stream_of([normalised(f"{row.prompt}\n{row.answer}") for row in rows[first : first + TOPIC_ROWS]])
        topics += np.bincount(_topic_keys(part) % TOPIC_SLOTS, minlength=TOPIC_SLOTS)
    return Surface(model, tuple(sorted({row.language for row in rows})), kept, topics, len(rows))


def symptoms(rows: Sequence[Example], surface: Surface) -> Floats:
    """Return the symptoms of rows: array (B, F), larger is more suspicious, NaN where a language has no counts.

    Args:
        rows: Rows of any languages.
        surface: Counts taken on good rows.
    """
    answers = [normalised(row.answer) for row in rows]
    texts, shapes = stream_of(answers), stream_of([_shape(row.answer) for row in rows])
    columns = {
        **_by_language(rows, texts, surface),
        "ending_shape": _ends(surface.characters.surprisal(shapes, SHAPE_SALT), shapes),
        "opening_shape": _starts(surface.characters.surprisal(shapes, SHAPE_SALT), shapes),
        "shortness": _shortness(rows, surface.lengths),
        "repeated_ngrams": _repeated(texts),
        "longest_repeat": np.array([_repeated_lines(row.answer) for row in rows]),
        **_against_prompt(rows, answers, surface),
        "unbalanced": np.array([_unbalanced(row.answer) for row in rows], dtype=np.float64),
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)


def _by_language(rows: Sequence[Example], texts: Stream, surface: Surface) -> dict[str, Floats]:
    own_salts = np.array([_salt(row.language) for row in rows], dtype=np.uint64)
    bits = surface.characters.surprisal(texts, own_salts[texts.rows])
    own = _means(bits, texts)
    others = np.stack([_means(surface.characters.surprisal(texts, _salt(tag)), texts) for tag in surface.languages])
    same = np.array([[row.language == tag for row in rows] for tag in surface.languages])
    best_other = np.where(same, np.inf, others).min(axis=0)
    known = np.array([row.language in surface.languages for row in rows])
    unknown = np.where(known, 0.0, np.nan)
    nearer = np.where(np.isfinite(best_other), own - best_other, 0.0)
    return {"ending": _ends(bits, texts) + unknown, "surprise": own + unknown, "other_language": nearer + unknown}


def _means(values: Floats, stream: Stream) -> Floats:
    sums = np.bincount(stream.rows, weights=values, minlength=stream.texts)
    return np.asarray(sums / np.bincount(stream.rows, minlength=stream.texts))


def _ends(bits: Floats, stream: Stream) -> Floats:
    """Return the bits of the end mark: how unusual it is to end there."""
    last = np.cumsum(np.bincount(stream.rows, minlength=stream.texts)) - 1
    return np.asarray(bits[last])


def _starts(bits: Floats, stream: Stream) -> Floats:
    sizes = np.bincount(stream.rows, minlength=stream.texts)
    return np.asarray(bits[np.cumsum(sizes) - sizes])


def _shortness(rows: Sequence[Example], lengths: Floats) -> Floats:
    """Return the bits of being so short: -log2 of the share of good answers that are no longer."""
    asked = np.log([max(1, len(row.answer)) for row in rows])
    no_longer = np.searchsorted(lengths, asked, side="right") + 1
    return np.asarray(-np.log2(no_longer / (len(lengths) + 1)))


def _repeated(texts: Stream) -> Floats:
    """Return the share of n-grams that stand earlier in the same text."""
    hashes = ngram_hashes(texts, REPEAT_CHARS)
    order = np.lexsort((hashes, texts.rows))
    ordered, rows = hashes[order], texts.rows[order]
    again = np.zeros(len(order))
    again[1:] = (ordered[1:] == ordered[:-1]) & (rows[1:] == rows[:-1])
    sums = np.bincount(rows, weights=again, minlength=texts.texts)
    return np.asarray(sums / np.bincount(rows, minlength=texts.texts))


def _repeated_lines(text: str) -> float:
    """Return the share of a text's second half that its first half ends with: copies that stand in a row."""
    plain = normalised(text)
    best = 0
    tail = plain[-24:]
    first = plain.find(tail)
    if len(tail) >= 12 and first >= 0 and first < len(plain) - len(tail):
        best = len(plain) - len(tail) - first
    return best / max(1, len(plain))


def _against_prompt(rows: Sequence[Example], answers: Sequence[str], surface: Surface) -> dict[str, Floats]:
    prompts = [normalised(row.prompt) for row in rows]
    asked = np.array([bool(prompt) for prompt in prompts])
    scripts = [1 - _cosine(_scripts(a), _scripts(p)) if p else 0.0 for a, p in zip(answers, prompts, strict=True)]
    said, wanted = stream_of(answers), stream_of(prompts)
    topic, ignored = _topic_distances(said, wanted, surface)
    return {
        "foreign_script": np.array(scripts),
        "foreign_ngrams": np.where(asked, _profile_distances(said, wanted), 0.0),
        "off_topic": np.where(asked, topic, 0.0),
        "prompt_ignored": np.where(asked, ignored, 0.0),
    }


def _profile_distances(answers: Stream, prompts: Stream) -> Floats:
    """Return 1 - cosine of profiles of bigrams: different languages have different ones."""
    left, right = (_profiles(texts, 2) for texts in (answers, prompts))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray(1 - (left * right).sum(axis=1) / np.maximum(norms, 1e-9))


def _topic_distances(answers: Stream, prompts: Stream, surface: Surface) -> tuple[Floats, Floats]:
    """Compare the long n-grams of answer and prompt, each weighted by its rarity.

    Returns:
        -log of the cosine of the two sets, and -log of the share of the prompt's that the answer holds. A little is
        added first. Under the logarithm answers that share nothing lie together; the differences that tell an answer
        to another question from a terse one are among small numbers.
    """
    rarity = np.square(np.log((1 + surface.rows) / np.minimum(1 + surface.topics, 1 + surface.rows)))
    left, right = _topic_keys(answers), _topic_keys(prompts)
    keys = (np.intersect1d(left, right, assume_unique=True), left, right)
    shared, said, asked = (
        np.bincount(key // TOPIC_SLOTS, weights=rarity[key % TOPIC_SLOTS], minlength=answers.texts) for key in keys
    )
    cosine, held = shared / np.sqrt(np.maximum(said * asked, 1e-9)), shared / np.maximum(asked, 1e-9)
    return np.asarray(-np.log(LEAST_COSINE + cosine)), np.asarray(-np.log(LEAST_HELD + held))


def _topic_keys(texts: Stream) -> NDArray[np.int64]:
    """Return text * TOPIC_SLOTS + slot for every different long n-gram of every text, sorted."""
    slots = np.concatenate([ngram_hashes(texts, order) & np.uint64(TOPIC_SLOTS - 1) for order in TOPIC_ORDERS])
    return np.unique(np.tile(texts.rows, len(TOPIC_ORDERS)) * TOPIC_SLOTS + slots.astype(np.int64))


def _profiles(texts: Stream, order: int) -> Floats:
    slots = (ngram_hashes(texts, order) & np.uint64(PROFILE_SLOTS - 1)).astype(np.int64)
    counts = np.bincount(texts.rows * PROFILE_SLOTS + slots, minlength=texts.texts * PROFILE_SLOTS)
    return np.asarray(np.sqrt(counts.reshape(texts.texts, PROFILE_SLOTS).astype(np.float64)))


def _scripts(text: str) -> Mapping[int, int]:
    """Return letters per block of 128 code points; ASCII letters are one block."""
    found: dict[int, int] = {}
    for character in text:
        if character.isalpha():
            found[ord(character) >> 7] = found.get(ord(character) >> 7, 0) + 1
    return found


def _cosine(first: Mapping[int, int], second: Mapping[int, int]) -> float:
    dot = sum(n * second.get(key, 0) for key, n in first.items())
    norms = sum(n * n for n in first.values()) * sum(n * n for n in second.values())
    return float(dot / norms**0.5) if norms else 1.0


def _unbalanced(text: str) -> int:
    return sum(abs(text.count(left) - text.count(right)) for left, right in PAIRS.items())


def _shape(text: str) -> str:
    """Return a text with every run of letters as one `a` (`A` when it begins with a capital) and of digits as `0`."""
    pieces: list[str] = []
    for character in " ".join(text.split()):
        category = unicodedata.category(character)
        mark = "A" if category == "Lu" else "a" if category[0] in "LM" else "0" if category[0] == "N" else ""
        mark = mark or (" " if category == "Zs" else _kind(character, category))
        if not (pieces and mark in "aA0" and pieces[-1] in ("aA" if mark != "0" else "0")):
            pieces.append(mark)
    return "".join(pieces)


def _kind(character: str, category: str) -> str:
    """Return one sign for all marks that end sentences in some script, the character itself for the rest."""
    return "." if category == "Po" and character in ".!?。؟۔।॥！？…" else character


def _salt(language: str) -> int:
    return int.from_bytes(blake2b(language.encode(), digest_size=4).digest(), "big") + (1 << 33)
