"""Settings of the `transform` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import FileRef, RowsRef, StageConfig


class TransformConfig(StageConfig):
    """Write rows in another script, or mix another language's words into them; no model is asked.

    Rows keep their side and group; code, addresses, markup and placeholders stay as they are.
    """

    MAKES: ClassVar[str] = "Corpus"

    data: RowsRef
    """What to transform."""
    makes_kind: Literal["Corpus", "Conversations", "Preferences"] = "Corpus"
    """Kind of the rows."""
    method: Literal["romanise", "transliterate", "code_switch"]
    """`romanise` into Latin letters, `transliterate` by `rules`, `code_switch` by `dictionary`."""
    language: str
    """Tag of what comes out: the same language with another script (`urd_Latn`), or the language of the sentence."""
    rules: FileRef | None = None
    """With `transliterate`: a file of ICU rules (`а <> a;`); `romanise` takes one instead of ICU's own."""
    transform: str = "Any-Latin"
    """ICU transform used when there is no `rules` file (`Devanagari-Latin`, `Any-Latin; Latin-ASCII`)."""
    backwards: bool = False
    """Whether the rules are applied the other way."""
    dictionary: FileRef | None = None
    """With `code_switch`: lines of word, tab, translation."""
    fraction: float = Field(0.3, ge=0, le=1)
    """With `code_switch`: share of a text's words to replace, as far as the dictionary knows them."""
    roles: list[Literal["system", "user", "assistant"]] = Field(default_factory=lambda: ["system", "user", "assistant"])
    """With conversations: whose turns are transformed; the others stay."""
    min_script_fraction: float = Field(0.9, ge=0, le=1)
    """With the first two methods: share of letters in the scripts of `language` a row needs, else it is refused."""
    rows: int | None = Field(None, ge=1)
    """Only so many rows, the first ones; null takes all."""
    seed: int = 0
    """Seed of the words drawn."""

    def makes(self) -> str:
        """Return the kind of the rows."""
        return self.makes_kind

    @model_validator(mode="after")
    def _has_what_the_method_needs(self) -> Self:
        if (self.method == "code_switch") != (self.dictionary is not None):
            raise ValueError("`dictionary` goes with `method: code_switch`, and only with it")
        if self.method == "code_switch" and (self.rules or self.backwards):
            raise ValueError("`rules` and `backwards` do not go with `method: code_switch`")
        if self.method == "transliterate" and self.rules is None and self.transform == "Any-Latin":
            raise ValueError("`transliterate` needs `rules` or another `transform`")
        return self

    def rehearsal(self) -> Self:
        """Transform a hundred rows."""
        return self.model_copy(update={"rows": min(self.rows or 100, 100)})
