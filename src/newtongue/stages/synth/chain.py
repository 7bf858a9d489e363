"""What a generator that works row by row is made of: units in, asks on the way, drafts out.

A generator is a settings class with `steps(unit, kit)`: a Python generator that yields lists of asks, is sent their
answers, and returns drafts. It does no I/O, so the same answers give the same drafts, whoever asks.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from newtongue.methods.prompts import fill
from newtongue.methods.protection import protect, restore
from newtongue.methods.translation import problem

SHORTEST, LONGEST = 0.2, 5.0
"""Length of a translation as a share of its source, in characters, between which it is believed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one chain starts from: a document, or an instruction with its answer.

    Attributes:
        id: Its name.
        question: The instruction; "" for a document.
        answer: Its answer, or the document's text.
        split: Side, which every row made from it inherits.
        group: Group, likewise.
        license: Terms of it.
    """

    id: str
    question: str
    answer: str
    split: str = "train"
    group: str = ""
    license: str = "unknown"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question on the way.

    Attributes:
        prompt: The user's turn.
        language: Tag of the language wanted.
        role: Who is asked: `teacher`, `translator`, `student` or `judge`.
        sample: Number of the answer, where several are wanted to one prompt.
    """

    prompt: str
    language: str
    role: str = "teacher"
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a draft.

    Attributes:
        role: `user` or `assistant`.
        content: Its text.
        language: Tag it must be in; "" is not judged (it is the user's own text, or mixed on purpose).
    """

    role: str
    content: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One row before it is judged.

    Attributes:
        turns: Its turns; the last one is the answer.
        task: Task type.
        worse: For preferences: the answer that lost.
        reason: Why it cannot be used, or "".
        sums: Whether written sums must hold.
    """

    turns: Sequence[Turn] = ()
    task: str = ""
    worse: Turn | None = None
    reason: str = ""
    sums: bool = False


Steps = Generator[Sequence[Ask], Sequence[str], Sequence[Draft]]


@dataclass(frozen=True)
class Kit:
    """What generators share: languages, their names, prompts.

    Attributes:
        language: Tag of the language to write in.
        other: Tag of the second language.
        names: Tag -> name for prompts.
        texts: Prompts of the generator.
        own: The same in the language to write in, where rows themselves need wordings; `texts` where there are none.
        translate: The translator's prompt.
        seed: Seed of draws.
        dictionary: Word -> translations, for code-switching.
    """

    language: str
    other: str
    names: Mapping[str, str]
    texts: Mapping[str, Any]
    own: Mapping[str, Any]
    translate: str
    seed: int = 0
    dictionary: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def ask(self, name: str, language: str, *, role: str = "teacher", sample: int = 0, **slots: Any) -> Ask:
        """Return an ask with one of the generator's prompts; `{language}` is filled in."""
        text = fill(self.texts[name], {"language": self.names[language], **slots})
        return Ask(text, language, role, sample)

    def translation(self, text: str, source: str, target: str) -> Ask:
        """Return the ask to translate a text."""
        names = {"source": self.names[source], "target": self.names[target]}
        return Ask(fill(self.translate, {**names, "text": protect(text)[0]}), target, "translator")

    def carry(
        self, texts: Sequence[str], source: str, target: str
    ) -> Generator[Sequence[Ask], Sequence[str], tuple[list[str], str]]:
        """Have texts translated (`yield from`); return them, and "" or why one of them cannot be used."""
        replies = yield [self.translation(text, source, target) for text in texts]
        done = [read_translation(text, reply) for text, reply in zip(texts, replies, strict=True)]
        return [text for text, _ in done], next((why for _, why in done if why), "")

    def rng(self, name: str) -> Random:
        """Return the random numbers of one purpose."""
        return Random(f"{self.seed}/{name}")


def read_translation(text: str, answer: str) -> tuple[str, str]:
    """Return (translation, "") or ("", why it cannot be used)."""
    done = restore(answer.strip(), protect(text)[1])
    if done is None:
        return "", "translation: protected parts changed"
    wrong = problem(text.strip(), done, SHORTEST, LONGEST)
    return ("", f"translation: {wrong}") if wrong else (done, "")
