"""Is a text in one given language? Learnt from that language's own text against other languages and made-up ones.

For languages that no identifier knows. Texts are counts of hashed character n-grams; the rule is linear, fitted by
regularised least squares, whose values for text left out come exactly and at once. A text is taken when its value lies
where the language's own left-out text lies, so it is also a check against languages nobody thought of.

Shapes: N pieces of text, S slots of n-grams.
Source: R. Rifkin and R. Lippert 2007, Notes on Regularized Least Squares (MIT-CSAIL-TR-2007-025), the leave-one-out
    formula taken for groups; K. Weinberger et al. 2009 (arXiv 0902.2206) for hashing. Threshold and invented
    neighbours are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.hashed_ngrams import ngram_hashes, normalised, stream_of
from newtongue.methods.language_gate import pieces_of
from newtongue.methods.scripts import count_letters

Floats = NDArray[np.float64]
Piece = tuple[int, str]
"""Number of the block a piece is left out with, and its text."""

SLOTS: Final = 1 << 15
LONGEST_NGRAM: Final = 5
SALT: Final = 7
RIDGE: Final = 0.3
"""Weight of the squared length of the rule."""
ROUNDS: Final = 2
"""Times the rule is fitted; from the second on, languages that came near count more."""
ALIKE: Final = 0.5
"""Share of the others' weight that they have alike; the rest goes to those that came near."""
NEAR_FALL: Final = 2.0
"""How fast that falls with the distance from the own text, in deviations of both."""
LEARNT_CHARACTERS: Final = 120
"""Length of the pieces that are learnt from; the limits must hold for short answers."""
BLOCK_PIECES: Final = 8
"""Neighbouring pieces that are left out together: what stands side by side repeats itself."""
MOST_PIECES: Final = 400
"""Pieces taken of the language itself, evenly spread."""
MOST_OTHER_PIECES: Final = 600
"""Pieces taken of all other languages together, each alike."""
MIN_PIECES: Final = 10
"""With fewer of its own there is nothing to learn from."""
OWN_SPREAD: Final = 1.6
"""Text of another kind varies more than the text that was learnt from: its own deviation counts so many times."""
FARTHEST_DEVIATIONS: Final = 2.2
"""A text is taken down to so many of these below the mean, however far away the nearest other language is."""
DOUBT_DEVIATIONS: Final = 0.2
"""Distance between taken and refused."""
REFUSED: Final = 0.3
"""Probability below which the language gate calls a text wrong (one less `SURE_WRONG`); taken from 0.5."""
SHORTEST_LETTERS: Final = 20


@dataclass(frozen=True, slots=True)
class Verifier:
    """A linear rule over hashed n-grams.

    Attributes:
        telling: How much an n-gram tells, its weight in the length of a text (S,).
        weights: What it adds to the value, times what it tells (S,).
        taken: Value from which a text counts as the language.
        refused: Value below which a text of `LEARNT_CHARACTERS` is refused; between the two nobody can tell.
        codes: Codes the bundled identifier gives to text of the language.
    """

    telling: NDArray[np.float32]
    weights: NDArray[np.float32]
    taken: float
    refused: float
    codes: Sequence[str] = ()

    def probability(self, text: str) -> float:
        """Return how sure it is that a text is in the language, in [0, 1]: taken from 0.5, refused below `REFUSED`.

        A shorter text must lie farther away to be refused: the mean of few n-grams is noisier.
        """
        counts = count_ngrams([text])[0]
        length = float(np.linalg.norm(counts * self.telling))
        value = float(counts @ self.weights) / length if length else self.taken
        size = min(1.0, count_letters(text) / LEARNT_CHARACTERS) ** 0.5
        distance = np.log(1 / REFUSED - 1) * size * (value - self.taken) / (self.taken - self.refused)
        return float(1 / (1 + np.exp(-np.clip(distance, -50, 50))))


@dataclass(frozen=True, slots=True)
class Learnt:
    """A verifier and how it fared on text that was left out.

    Attributes:
        verifier: The rule.
        pieces: Pieces of the language it was learnt from.
        accepted: Share of them, each judged by a rule that had not seen its block, that is taken for the language.
        rejected: Name of another language -> share of its left-out pieces that is not.
    """

    verifier: Verifier
    pieces: int
    accepted: float
    rejected: Mapping[str, float]


def learn_verifier(
    own: Sequence[Piece],
    others: Mapping[str, Sequence[Piece]],
    codes: Sequence[str] = (),
    *,
    sisters_given: bool = False,
) -> Learnt:
    """Learn to tell a language from others.

    Args:
        own: Pieces of its text.
        others: Name -> pieces of another language or of made-up text; each name counts alike.
        codes: Codes the bundled identifier gives to text of the language.
        sisters_given: Whether real text of near languages is among the others: then those that come near count more.
            Made-up text alone, always the nearest, would draw the rule away from what tells real languages apart.

    Raises:
        ValueError: There are fewer than `MIN_PIECES` of its own, or no others.
    """
    own, rivals = (
        _spread(own, MOST_PIECES),
        {n: _spread(p, max(8, MOST_OTHER_PIECES // len(others))) for n, p in others.items() if p},
    )
    if len(own) < MIN_PIECES or not rivals:
        raise ValueError(f"{len(own)} pieces of its own and {len(rivals)} other languages")
    names = [name for name, pieces in rivals.items() for _ in pieces]
    texts = [text for _, text in own] + [text for pieces in rivals.values() for _, text in pieces]
    blocks = [f"/{block}" for block, _ in own] + [f"{n}/{b}" for n, pieces in rivals.items() for b, _ in pieces]
    counts = count_ngrams(texts)
    is_own = np.arange(len(texts)) < len(own)
    counted = dict.fromkeys(rivals, 1 / len(rivals))
    for _ in range(ROUNDS if sisters_given else 1):
        tables, shift, left_out = _fitted(counts, is_own, names, counted, blocks)
        counted = _nearness(left_out[is_own], left_out[~is_own], names)
    taken, refused = _limits(left_out[is_own], left_out[~is_own], names)
    verifier = Verifier(*tables, taken + shift, refused + shift, tuple(codes))
    rejected = {n: float(np.mean(left_out[~is_own][np.array(names) == n] < refused)) for n in rivals}
    return Learnt(verifier, len(own), float(np.mean(left_out[is_own] >= taken)), rejected)


def count_ngrams(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return square roots of how often every hashed n-gram of 1 to `LONGEST_NGRAM` characters occurs: (N, S)."""
    stream = stream_of([f" {normalised(text)} " for text in texts])
    counts = np.zeros(len(texts) * SLOTS, dtype=np.float32)
    for order in range(1, LONGEST_NGRAM + 1):
        slots = (ngram_hashes(stream, order, SALT) & np.uint64(SLOTS - 1)).astype(np.int64)
        found, number = np.unique(stream.rows * SLOTS + slots, return_counts=True)
        counts[found] += number.astype(np.float32)
    return np.sqrt(counts, out=counts).reshape(len(texts), SLOTS)


def _spread(pieces: Sequence[Piece], most: int) -> Sequence[Piece]:
    """Return at most so many pieces, evenly spread."""
    if len(pieces) <= most:
        return pieces
    return [pieces[round(place)] for place in np.linspace(0, len(pieces) - 1, most)]


def _fitted(
    counts: NDArray[np.float32],
    is_own: NDArray[np.bool_],
    names: Sequence[str],
    counted: Mapping[str, float],
    blocks: Sequence[str],
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], float, Floats]:
    """Return what n-grams tell and add (S,), what both add to every text, and the values of left-out pieces (N,).

    Args:
        counts: Of all pieces, those of the language first (N, S).
        is_own: Whether a piece is of the language (N,).
        names: Of the other languages, per piece of theirs.
        counted: Name -> how much an other language counts; together 1.
        blocks: Per piece, what it is left out with.
    """
    telling = _telling(counts, is_own, names, counted)
    points = counts * telling
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centre = (points[is_own].mean(axis=0) + points[~is_own].mean(axis=0)) / 2
    rule, left_out = _fit(points - centre, is_own, _shares(is_own, names, counted), blocks)
    return (telling, (rule * telling).astype(np.float32)), float(centre @ rule), left_out


def _nearness(own: Floats, others: Floats, names: Sequence[str]) -> dict[str, float]:
    """Return how much each other language counts in the next round, by the values of its left-out pieces; together 1.

    Source: ours; as in boosting (Freund and Schapire 1997, JCSS 55), what was nearly mistaken counts more, here whole
        languages, so that one sister is not outvoted by thirty strangers.
    """
    labels = np.array(names)
    found = {name: others[labels == name] for name in dict.fromkeys(names)}
    away = {name: (own.mean() - v.mean()) / (own.std() + v.std() + 1e-6) for name, v in found.items()}
    least = min(away.values())
    pull = {name: float(np.exp(-NEAR_FALL * (distance - least))) for name, distance in away.items()}
    return {name: ALIKE / len(pull) + (1 - ALIKE) * force / sum(pull.values()) for name, force in pull.items()}


def _telling(
    counts: NDArray[np.float32], is_own: NDArray[np.bool_], names: Sequence[str], counted: Mapping[str, float]
) -> NDArray[np.float32]:
    """Return how much each n-gram tells (S,): the size of the logarithm of how much likelier one side makes it.

    Source: the log-count ratio of S. Wang and C. Manning 2012 (ACL 2012, P12-2018, section 2.3), each other language
        as much as it counts.
    """
    labels = np.array(names)
    own = 1 + np.square(counts[is_own]).sum(axis=0, dtype=np.float64)
    mixed = np.zeros(SLOTS)
    for name, share in counted.items():
        found = np.square(counts[~is_own][labels == name]).sum(axis=0, dtype=np.float64)
        mixed += share * found / found.sum()
    mixed = 1 + mixed * own.sum()
    return np.asarray(np.abs(np.log(own / own.sum()) - np.log(mixed / mixed.sum())), dtype=np.float32)


def _shares(is_own: NDArray[np.bool_], names: Sequence[str], counted: Mapping[str, float]) -> Floats:
    """Return the weight of each piece (N,): half for the language, half for the others as they count; mean 1."""
    number = {name: names.count(name) for name in set(names)}
    share = [0.5 / int(is_own.sum())] * int(is_own.sum()) + [0.5 * counted[name] / number[name] for name in names]
    return np.array(share) * len(share)


def _fit(
    points: NDArray[np.float32], is_own: NDArray[np.bool_], shares: Floats, blocks: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return the rule (S,) and the value each piece has under the rule that its block was left out of (N,)."""
    wanted = np.where(is_own, 1.0, -1.0)
    inverse = np.linalg.inv((points @ points.T).astype(np.float64) + RIDGE * np.diag(1 / shares))
    dual = inverse @ wanted
    left_out = np.empty(len(wanted))
    order = np.array(blocks)
    for block in dict.fromkeys(blocks):
        at = np.flatnonzero(order == block)
        left_out[at] = wanted[at] - np.linalg.solve(inverse[np.ix_(at, at)], dual[at])
    return points.T @ dual, left_out


def _limits(own: Floats, others: Floats, names: Sequence[str]) -> tuple[float, float]:
    """Return the values from which a text is taken, and below which it is refused, from those of left-out pieces.

    Taken is what lies nearer, in deviations, to the language's own text than to any other language, and not too far
    from its own.
    """
    mean, deviation, labels = float(own.mean()), OWN_SPREAD * float(own.std()) + 1e-6, np.array(names)
    places = [(float(found.mean()), float(found.std())) for n in set(names) if len(found := others[labels == n])]
    even = max((mean * spread + near * deviation) / (deviation + spread) for near, spread in places)
    taken = max(even, mean - FARTHEST_DEVIATIONS * deviation)
    return taken, taken - DOUBT_DEVIATIONS * deviation


def invented_neighbours(pieces: Sequence[Piece], seed: int = 0) -> dict[str, list[Piece]]:
    """Return text that looks like the language and is not: letters exchanged as between sisters, words mixed up.

    Three languages with regular changes of letters (a third of the letters each), and words made of the language's
    own beginnings and ends.
    """
    letters = sorted({c for _, text in pieces for c in text.casefold() if c.isalpha()})
    found: dict[str, list[Piece]] = {}
    for number in range(3):
        rng = Random(f"{seed}/{number}")
        moved = rng.sample(letters, max(2, len(letters) // 3)) if len(letters) > 2 else letters
        table = str.maketrans(dict(zip(moved, [*moved[1:], moved[0]], strict=True)))
        found[f"changed letters {number + 1}"] = [(block, text.casefold().translate(table)) for block, text in pieces]
    rng = Random(f"{seed}/halves")
    found["mixed halves"] = [(block, _halves_mixed(text, rng)) for block, text in pieces]
    return found


def _halves_mixed(text: str, rng: Random) -> str:
    """Return a text whose words have the ends of others."""
    words = text.split()
    ends = [word[len(word) // 2 :] for word in words]
    rng.shuffle(ends)
    return " ".join(word[: len(word) // 2] + end for word, end in zip(words, ends, strict=True))


def cut_pieces(texts: Sequence[str]) -> list[Piece]:
    """Cut documents into pieces of about `LEARNT_CHARACTERS`, `BLOCK_PIECES` neighbours to a block."""
    found: list[str] = []
    for text in texts:
        for paragraph in text.split("\n\n") if "\n\n" in text else [text]:
            found += [
                p
                for p in pieces_of(" ".join(paragraph.split()), LEARNT_CHARACTERS)
                if count_letters(p) >= SHORTEST_LETTERS
            ]
    return [(place // BLOCK_PIECES, piece) for place, piece in enumerate(found)]
