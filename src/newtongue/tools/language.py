"""`newtongue language`: show a language card, or draft one for a new language from the user's own text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import FOLDER, card_source, load_card, load_scripts, read_card, shipped_tags
from newtongue.adapters.tables import Reject, read_rows
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.language import LanguageCard
from newtongue.methods.card_drafting import Evidence, look

MOST_CHARACTERS = 2_000_000
MIN_LETTERS = 500
MIN_SHARE = 0.5
"""Share of the letters that must be of the tag's script."""
SPACED = {True: 25.0, False: 8.0}
"""Whether the script usually separates words -> most letters to a space of text that does (Latin 5, Khmer 17)."""
STOP_WORDS = 30
FEW_LETTERS = 20_000
"""With less text the frequent words are chance."""
CHECKED_TEXTS = 200
"""Pieces of text shown to the bundled identifier."""


def card_text(card: LanguageCard, notes: Sequence[str] = ()) -> str:
    """Return a card as the YAML file it is loaded from; notes stand above it as comments."""
    head = "".join(f"# {note}\n" for note in notes)
    facts = card.model_dump(mode="json", exclude_defaults=True, exclude={"script_ranges"})
    body = yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    return head + body


def show(tag: str) -> tuple[LanguageCard, str]:
    """Return the card of a tag and where it comes from: `yours`, `shipped` or `derived`."""
    return load_card(tag), card_source(tag)


def draft(tag: str, text: Path) -> tuple[LanguageCard, list[str]]:
    """Draft the card of a language from text in it.

    Args:
        tag: ISO 639-3 code and script; an unlisted language takes a code for private use (`qaa` to `qtz`).
        text: File or folder of documents, as a Corpus takes them.

    Returns:
        The card, `generic: true` until a person has checked it, and what was seen and must be checked.

    Raises:
        RecipeError: The tag has another form, or its script is unknown.
        DataError: There is too little text, or it is written in another script.
    """
    known = load_card(tag)
    texts = read_texts(text)
    scripts = {code: entry["ranges"] for code, entry in load_scripts().items() if "ranges" in entry}
    found = look("\n".join(texts), scripts)
    own = _own_share(found, known)
    if found.letters < MIN_LETTERS:
        raise DataError(f"{found.letters} letters are too few", place=str(text), expected=f"{MIN_LETTERS} or more")
    if own < MIN_SHARE:
        listed = ", ".join(f"{code} {share:.0%}" for code, share in list(found.scripts.items())[:3])
        raise DataError(
            f"{own:.0%} of the letters are of the script of {tag}; they are {listed or 'of no known script'}",
            place=str(text),
            fix=f"is it {tag.split('_')[0]}_{next(iter(found.scripts), 'Zzzz')}?",
        )
    codes = _identified(texts)
    card = LanguageCard.model_validate({**known.model_dump(), **_told(found, known, codes)})
    return card, _notes(card, found, own, codes)


def write_card(file: Path, content: str) -> LanguageCard:
    """Write a card into a file of its tag's name and load it from there.

    Raises:
        RecipeError: The file is there already; what a person checked is never overwritten.
        DataError: The card does not load.
    """
    refuse_overwriting(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, "utf-8")
    return read_card(file)


def refuse_overwriting(file: Path) -> None:
    """Stop when there is a card already.

    Raises:
        RecipeError: The file is there; what a person checked is never overwritten.
    """
    if file.exists():
        raise RecipeError("the file is there already", place=str(file), fix="name another folder, or remove it")


def read_texts(path: Path) -> list[str]:
    """Return the texts of a file or folder of documents, up to `MOST_CHARACTERS`.

    Raises:
        DataError: No row has a `text`.
    """
    found, size = [], 0
    for _, row in read_rows(path):
        content = None if isinstance(row, Reject) else row.get("text")
        if isinstance(content, str) and size < MOST_CHARACTERS:
            found.append(content)
            size += len(content)
    if not found:
        raise DataError("no row with a `text`", place=str(path), expected="plain text, or rows with a column `text`")
    return found


def _own_share(found: Evidence, card: LanguageCard) -> float:
    names = {code for code, entry in load_scripts().items() if entry["name"] in card.scripts}
    return sum(share for code, share in found.scripts.items() if code in names)


def _identified(texts: Sequence[str]) -> dict[str, float]:
    """Return code -> share of lines the bundled identifier gives it, the most frequent first."""
    lines = [line for text in texts for line in text.splitlines() if len(line) >= 40]
    chosen = lines[:: max(1, len(lines) // CHECKED_TEXTS)] or texts[:1]
    codes = [identify(line)[0][0] for line in chosen]
    shares = {code: codes.count(code) / len(codes) for code in set(codes)}
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))


def _told(found: Evidence, known: LanguageCard, codes: dict[str, float]) -> dict[str, Any]:
    """Return what the text says otherwise than the script, or that the script cannot say."""
    spaces = found.letters_per_space < SPACED[known.spaces]
    marks = "".join(mark for mark, _ in found.sentence_marks)
    native = [zero for zero in found.digits if zero != "0"]
    shipped = {load_card(tag).lid: tag for tag in shipped_tags()}
    near = [shipped[code] for code, share in codes.items() if share >= 0.05 and code != known.lid and code in shipped]
    return {
        "generic": True,
        "spaces": spaces,
        "sentence_marks": marks or known.sentence_marks,
        "digits": "".join(chr(ord(native[0]) + place) for place in range(10)) if native else known.digits,
        "stop_words": [word for word, _ in found.words[:STOP_WORDS]] if spaces else [],
        "confusables": [tag for tag in near if set(load_card(tag).scripts) & set(known.scripts)],
    }


def _notes(card: LanguageCard, found: Evidence, own: float, codes: dict[str, float]) -> list[str]:
    listed = ", ".join(f"{code} {share:.0%}" for code, share in list(codes.items())[:4])
    seen = "".join(c for c, _ in found.characters)
    marks = ", ".join(f"{mark} {number:,}" for mark, number in found.sentence_marks) or "none seen, the script's taken"
    digits = ", ".join(f"{zero} to {chr(ord(zero) + 9)} {number:,}" for zero, number in found.digits.items())
    space = f"{found.letters_per_space:.1f} letters to a space: {'' if card.spaces else 'no '}spaces between words"
    return [
        f"Draft of {card.tag}, made from {found.letters:,} letters by `newtongue language`. Nobody has checked it.",
        f"Seen: {own:.1%} of the letters are of the script; {space}.",
        f"Seen: sentence ends {marks}. Digits {digits or 'none seen'}.",
        f"Seen: most frequent letters {' '.join(seen)}",
        f"Seen: the bundled identifier (which knows it as {card.lid or 'nothing'}) takes it for {listed}.",
        *_writing_notes(found),
        "A person must check: name and autonym; that every sentence mark ends sentences; that the stop words are words",
        "of this language and not names or headings of this text; direction and digits; and must write what text",
        "cannot tell: lead_characters (letters the neighbours lack), foreign_characters (theirs), confusables.",
        *(["Too little text for frequent words: they may be chance."] if found.letters < FEW_LETTERS else []),
        "When checked, take out `generic: true`. The folder of your cards is named in the environment:",
        f"{FOLDER}=folder",
    ]


def _writing_notes(found: Evidence) -> list[str]:
    """Return what a corpus of this language will have to normalise."""
    formats = ", ".join(f"{code} {number:,}" for code, number in sorted(found.format_characters.items()))
    facts = [
        (found.changed_by_nfc, f"{found.changed_by_nfc:,} characters are not composed (NFC); corpora are"),
        (found.presentation_forms, f"{found.presentation_forms:,} characters are shapes, not letters (NFKC)"),
        (formats, f"invisible characters {formats}; joiners belong to the spelling, controls of direction do not"),
    ]
    return [f"Normalisation: {text}." for there, text in facts if there]
