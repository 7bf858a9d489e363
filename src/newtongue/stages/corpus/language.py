"""Is a corpus in the language the recipe says? By what rows state, by script, and by identifying a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from newtongue.adapters.identification import CHARACTERS, identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables import Draft
from newtongue.core.errors import DataError
from newtongue.core.language import LanguageCard
from newtongue.stages.corpus.config import CorpusConfig

WRONG_SHARE = 0.5
"""A corpus of which more than this share is in another language or script is refused."""
FOREIGN = ("states another language", "other script", "no letters")
SAMPLED = 200
"""Documents given to the identifier, evenly spaced."""
MIN_SAMPLED = 8
"""With fewer long enough documents the identifier is not asked."""
MIN_CHARS = 100
SURE = 0.7
"""Probability from which the identifier's first choice counts."""


def refuse_foreign_rows(config: CorpusConfig, card: LanguageCard, aside: Mapping[str, int], passed: int) -> None:
    """Stop when most rows state another language or are in another script.

    Args:
        config: Settings of the stage.
        card: Card of its language.
        aside: Rows set aside, by reason.
        passed: Rows that passed.

    Raises:
        DataError: More than `WRONG_SHARE` of the rows are foreign.
    """
    foreign = sum(aside.get(reason, 0) for reason in FOREIGN)
    judged = foreign + passed + aside.get("exact duplicate", 0)
    if foreign > WRONG_SHARE * judged:
        reasons = ", ".join(f"{aside[reason]:,} × {reason}" for reason in FOREIGN if aside.get(reason))
        raise _wrong(config, card, f"{100 * foreign / judged:.0f} % of {judged:,} documents", reasons)


def refuse_foreign_words(config: CorpusConfig, card: LanguageCard, draft: Draft) -> None:
    """Stop when most documents of a sample are surely in another language of the same script.

    Nothing is said where the identifier does not know the language; its confusables count as the language itself.

    Raises:
        DataError: More than `WRONG_SHARE` of the sample is surely in other languages.
    """
    own = {card.lid, *(load_card(tag).lid for tag in card.confusables)}
    if not card.lid or not config.identify:
        return
    middles = [_middle(draft.text(row)) for row in range(0, len(draft), max(1, len(draft) // SAMPLED))][:SAMPLED]
    guesses = [identify(text)[0] for text in middles if len(text) >= MIN_CHARS]
    foreign = Counter(code for code, probability in guesses if probability >= SURE and code not in own)
    if len(guesses) >= MIN_SAMPLED and foreign.total() > WRONG_SHARE * len(guesses):
        reasons = ", ".join(f"{count:,} × identified as `{code}`" for code, count in foreign.most_common(3))
        share = 100 * foreign.total() / len(guesses)
        raise _wrong(config, card, f"{share:.0f} % of {len(guesses):,} sampled documents", reasons)


def _middle(text: str) -> str:
    """Return lower-case text from the middle: identifiers take capitals for another language."""
    start = max(0, (len(text) - CHARACTERS) // 2)
    return text[start : start + CHARACTERS].lower()


def _wrong(config: CorpusConfig, card: LanguageCard, share: str, reasons: str) -> DataError:
    return DataError(
        f"{share} are not {card.name} ({config.language}): {reasons}",
        place=", ".join(str(source.path) for source in config.sources),
        expected=f"{card.name} text in {' and '.join(card.scripts)} script",
        fix="correct `language` in the recipe, or give it other text",
    )
