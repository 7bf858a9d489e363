"""Settings of the `translate` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.asking import AskingConfig
from newtongue.core.config import RowsRef, Settings
from newtongue.core.teacher import Routing, Teacher

TRANSLATION, BACK, JUDGE, SCREEN = "translation", "back_translation", "judge", "screen"
"""Types of task: there, back again, the judge of quality, and who says what may be translated at all."""


class Checks(Settings):
    """What a translated piece must fulfil; protected parts, numbers, lines and list marks must always be kept."""

    min_length_fraction: float = Field(0.3, ge=0)
    """Shortest translation as a share of its source, in characters."""
    max_length_fraction: float = Field(3.0, gt=0)
    """Longest translation as a share of its source, in characters."""
    language: bool = True
    """Whether a translation the language gate calls wrong is refused."""
    reasks: int = Field(1, ge=0, le=3)
    """How often the translator is told what is wrong and asked again."""


class RoundTrip(Settings):
    """Translate some rows back and compare."""

    fraction: float = Field(0.1, ge=0, le=1)
    """Share of rows translated back, drawn evenly."""
    min_chrf: float = Field(30.0, ge=0, le=100)
    """Rows whose way back scores less (chrF against their source, 0 to 100) are refused."""


class Screen(Settings):
    """Translate only rows that are bound to no culture (UltraLink, arXiv 2402.04588).

    A model looks for seven things: full names, code or mathematics, places, customs or politics or religion,
    literature or humour, things bound to a culture, organisations. Each it finds counts one.
    """

    teacher: Teacher | None = None
    """Who looks; null asks the translator."""
    max_score: int = Field(0, ge=0, le=6)
    """Rows in which more is found are refused, untranslated; 0 is UltraLink's rule."""


class Quality(Settings):
    """A model that estimates the quality of a translation without a reference."""

    teacher: Teacher
    """Who judges."""
    min_score: float = Field(50.0, ge=0, le=100)
    """Rows with a lower score are refused; an unreadable score counts as 0."""


class Nearness(Settings):
    """Look for translated rows that stand in other data already: benchmark items or held-out rows in training data."""

    data: RowsRef
    """Rows in the language translated into; of sealed sets only the training side is read."""
    above: float = Field(0.5, ge=0, lt=1)
    """Likeness (ROUGE-L F on Unicode words, whole row against whole row) from which a row counts as near."""
    drop: bool = False
    """Whether near rows are refused; else they are kept, counted, and listed in `near.jsonl`."""


class TranslateConfig(AskingConfig):
    """Translate documents, conversations, preferences or benchmark items, structure and protected parts kept.

    Every row keeps its side, group and licence terms, so translations of one text never stand on both sides.
    """

    MAKES: ClassVar[str] = "Corpus"
    ROLES: ClassVar[tuple[str, ...]] = (JUDGE, SCREEN)
    PROTOCOLS: ClassVar[tuple[str, ...]] = ("chat", "libretranslate", "deepl")

    data: RowsRef
    """What to translate."""
    makes_kind: Literal["Corpus", "Conversations", "Preferences", "Suite"] = "Corpus"
    """Kind of the rows; `Suite` takes any file of rows and translates `item_columns`."""
    source: str
    """Tag of the language they are in; rows that state another are refused."""
    language: str
    """Tag of the language to translate into."""
    teacher: Teacher
    """Who translates: a chat endpoint, a translation model behind one (with `template`), or a translation service."""
    routing: Routing = Routing()
    """Who translates what, with several teachers; the tasks of `by_task` are `translation` and `back_translation`."""
    template: str | None = Field(None, pattern=r"\{text\}")
    """What to send instead of a prompt, for translation models: `{text}`, `<2ur> {text}`."""
    unit: Literal["document", "sentence"] = "document"
    """`document` sends paragraphs together, for chat models; `sentence` single sentences, for translation models."""
    max_piece_characters: int = Field(2000, ge=50)
    """Paragraphs are sent together up to this length."""
    item_columns: list[str] = Field(default_factory=list)
    """With `Suite`: columns to translate, texts or lists of texts; all others are copied."""
    roles: list[Literal["system", "user", "assistant"]] = Field(default_factory=lambda: ["system", "user", "assistant"])
    """With conversations: whose turns are translated; the others stay."""
    rows: int | None = Field(None, ge=1)
    """Only so many rows, the first ones; null takes all."""
    checks: Checks = Checks()
    """What every piece must fulfil."""
    round_trip: RoundTrip = RoundTrip()
    """Translating back."""
    screen: Screen | None = None
    """Who says, before anything is translated, what is bound to a culture; null translates every row."""
    quality: Quality | None = None
    """A judge of quality; null has none."""
    near: Nearness | None = None
    """Data that translated rows should not stand in; null looks nowhere."""
    seed: int = 0
    """Seed of requests and of the rows drawn for the way back."""

    def makes(self) -> str:
        """Return the kind of the rows."""
        return self.makes_kind

    def own_teachers(self) -> dict[str, Teacher]:
        """Return the judge of quality and who screens, when they are given."""
        judge = {JUDGE: self.quality.teacher} if self.quality else {}
        return judge | ({SCREEN: self.screen.teacher} if self.screen and self.screen.teacher else {})

    @model_validator(mode="after")
    def _screening_chats(self) -> Self:
        services = [one.protocol for one in (self.teacher, *self.more_teachers.values()) if one.protocol != "chat"]
        if self.screen and not self.screen.teacher and services:
            raise ValueError(f"`protocol: {services[0]}` only translates: give `screen.teacher`")
        return self

    @model_validator(mode="after")
    def _item_columns(self) -> Self:
        if (self.makes_kind == "Suite") != bool(self.item_columns):
            raise ValueError("`item_columns` goes with `makes_kind: Suite`, and only with it")
        return self

    def rehearsal(self) -> Self:
        """Translate a hundred rows."""
        return self.model_copy(update={"rows": min(self.rows or 100, 100)})
