"""`newtongue language TAG --from TEXT`: a verifier for a language that the bundled identifier does not know.

Other languages come from the user's folders (`--against`), from what is shipped (samples, frequent words of the
cards) and from the text itself (letters exchanged, words mixed). Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Final

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card, shipped_tags
from newtongue.adapters.tables import find_files
from newtongue.adapters.verifiers import SUFFIX, write_verifier
from newtongue.core.errors import DataError
from newtongue.core.language import LanguageCard, VerifierFacts
from newtongue.methods.language_verifier import (
    MIN_PIECES,
    Learnt,
    Piece,
    cut_pieces,
    invented_neighbours,
    learn_verifier,
)
from newtongue.methods.verified_gate import KNOWN
from newtongue.tools.language import read_texts

SAMPLES: Final = ("eng_Latn", "urd_Arab")
"""Languages of which text is shipped."""
SAMPLE_ROWS: Final = 40
WORD_PIECES: Final = 8
"""Pieces made of the frequent words of each shipped card."""
ACCEPTED, REJECTED = 0.95, 0.95
"""Shares below which the card says that the verifier is weak."""


def learn(tag: str, text: Path, against: Sequence[Path] = ()) -> Learnt:
    """Learn to tell a language from its neighbours, in seconds of a CPU.

    Args:
        tag: The language.
        text: File or folder of text in it.
        against: Files, or folders of files, each file in one other language: the nearest ones above all.

    Raises:
        DataError: There is too little text.
    """
    own = cut_pieces(read_texts(text))
    if len(own) < MIN_PIECES:
        raise DataError(
            f"{len(own)} pieces of 120 characters are too few for a verifier", place=str(text), expected=f"{MIN_PIECES}"
        )
    given = {file.name.split(".")[0]: cut_pieces(read_texts(file)) for file in _files(against, text)}
    codes = {code for _, piece in own for code, sure in identify(piece)[:1] if sure >= KNOWN}
    others = given | _shipped(tag) | invented_neighbours(own)
    return learn_verifier(own, others, sorted(codes), sisters_given=bool(given))


def write(folder: Path, card: LanguageCard, learnt: Learnt) -> LanguageCard:
    """Write the verifier into the folder of its card; return the card that names it."""
    sha256 = write_verifier(folder / f"{card.tag}{SUFFIX}", asdict(learnt.verifier))
    return card.model_copy(update={"verifier": _facts(learnt, sha256)})


def notes(learnt: Learnt) -> list[str]:
    """Return what a reader of the card must know of its verifier."""
    weak = [f"{name} {share:.0%}" for name, share in learnt.rejected.items() if share < REJECTED]
    lines = [
        f"Verifier: learnt from {learnt.pieces} pieces of 120 characters; it takes {learnt.accepted:.1%} of them.",
        "It knows no sister language but those of `verifier: rejected`; give text of the nearest with --against.",
    ]
    if learnt.accepted < ACCEPTED or weak:
        lines.append(f"Weak: refuses too little of {', '.join(weak) or 'nothing'}; more text helps most.")
    return lines


def _facts(learnt: Learnt, sha256: str) -> VerifierFacts:
    rejected = {name: round(share, 4) for name, share in sorted(learnt.rejected.items())}
    return VerifierFacts(sha256=sha256, pieces=learnt.pieces, accepted=round(learnt.accepted, 4), rejected=rejected)


def _files(against: Sequence[Path], own: Path) -> list[Path]:
    """Return the files of other languages; one that is the text itself is left out."""
    return [file for path in against for file in find_files(path) if file.resolve() != own.resolve()]


def _shipped(tag: str) -> dict[str, list[Piece]]:
    """Return sample text, and strings of frequent words, of the shipped languages other than this one."""
    folder = Path(str(files("newtongue") / "assets" / "sample"))
    samples = {
        f"{other} sample": cut_pieces(read_texts(folder / f"{other}.jsonl")[:SAMPLE_ROWS])
        for other in SAMPLES
        if other != tag
    }
    strings = {
        f"{other} words": _strung(load_card(other))
        for other in shipped_tags()
        if other != tag and load_card(other).stop_words
    }
    return samples | strings


def _strung(card: LanguageCard) -> list[Piece]:
    """Return the frequent words of a language in some orders."""
    rng, found = Random(card.tag), []
    for number in range(WORD_PIECES):
        found.append((number, " ".join(rng.sample(card.stop_words, len(card.stop_words)))))
    return found
