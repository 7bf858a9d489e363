"""The language gate of one language: its profile, and the identifier or verifier that it asks.

Source: ours; see `language_gate` and `language_verifier`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from newtongue.core.language import LanguageCard
from newtongue.methods.language_gate import Identify, Profile, Verdict, judge_answer, judge_language, make_profile
from newtongue.methods.language_verifier import Verifier

UNLISTED: Final = "und"
"""Code of a text that is not taken for the language."""
KNOWN: Final = 0.9
"""Probability from which the bundled identifier's word for a language it knows is heard."""
CERTAIN: Final = 0.9
"""Probability of the verifier from which it is not."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The language gate for one language: what it knows, and who identifies.

    Attributes:
        profile: What the gate knows.
        identify: The bundled identifier, or the verifier for a language it does not know.
    """

    profile: Profile
    identify: Identify

    def language(self, text: str) -> Verdict:
        """Judge the language of a text."""
        return judge_language(text, self.profile, self.identify)

    def answer(self, text: str, prompt: Sequence[str] = ()) -> Verdict:
        """Judge a generated answer; `prompt` as in `judge_answer`."""
        return judge_answer(text, prompt, self.profile, self.identify)


def gate_of(
    card: LanguageCard, neighbours: Sequence[LanguageCard], identify: Identify, parts: Mapping[str, Any] | None
) -> Gate:
    """Return the gate of a language.

    Args:
        card: Its card.
        neighbours: Cards of the languages it is mixed up with.
        identify: The bundled identifier.
        parts: Fields of the verifier beside the card; used only where the identifier does not know the language.
    """
    profile = make_profile(card, neighbours)
    if profile.code or not parts:
        return Gate(profile, identify)
    return Gate(replace(profile, code=card.tag, verified=True), verified(Verifier(**parts), card.tag, identify))


def verified(verifier: Verifier, tag: str, identify: Identify) -> Identify:
    """Return an identifier that answers with the tag or `UNLISTED`, as the verifier thinks.

    Where the verifier is not certain and the bundled identifier is sure of a language that it never took the tag's
    own text for, that counts.
    """

    def ask(text: str) -> list[tuple[str, float]]:
        """Return the one language the text is taken for, with how sure that is, in [0, 1]."""
        sure = verifier.probability(text)
        if sure < CERTAIN:
            code, probability = identify(text)[0]
            if probability >= KNOWN and code not in verifier.codes:
                return [(code, probability)]
        return [(tag, sure)] if sure >= 0.5 else [(UNLISTED, 1 - sure)]

    return ask
