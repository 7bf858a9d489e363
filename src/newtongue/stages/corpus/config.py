"""Settings of the `corpus` stage."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from newtongue.core.config import CorpusRef, Ref, Settings, StageConfig, operational


class Source(Settings):
    """One place documents come from."""

    path: CorpusRef
    """Files, folder or glob: JSONL, TSV, text (plain, gz, zst), Parquet, a saved `datasets` folder, or a Corpus."""
    license: str = "unknown"
    """Licence of rows that state none themselves (an SPDX name, or `unknown`)."""
    text_column: str = "text"
    """Column that holds the text; the name of one side of a bitext."""
    language: str | None = None
    """Tag of rows that state none: the stage's language or a dialect of it (`-x-`); None takes the stage's."""
    only: dict[str, list[str]] = Field(default_factory=dict)
    """Column -> values; only rows with one of these values are read (a book, a domain)."""
    exclude: dict[str, list[str]] = Field(default_factory=dict)
    """Column -> values; rows with one of these values are not read."""

    def columns(self) -> list[str]:
        """Return the columns its rows must have."""
        return [self.text_column, *self.only, *self.exclude]


class NearDuplicates(Settings):
    """Near-duplicate removal by MinHash over script-aware shingles."""

    jaccard: float = Field(0.8, gt=0, lt=1)
    """Documents at least this similar (Jaccard, in (0, 1)) are one; the first stays."""
    shingle_chars: int = Field(9, ge=2, le=40)
    """Length of a shingle in characters of normalised text; works without spaces between words."""
    hashes: int = Field(112, ge=16, le=512)
    """Hash functions of the signature."""


class CorpusConfig(StageConfig):
    """Clean, de-duplicate and split text of one language."""

    MAKES: ClassVar[str] = "Corpus"

    sources: list[Source] = Field(min_length=1)
    """Where the text comes from."""
    language: str
    """Tag of the language all of it should be in (`urd_Arab`)."""
    min_chars: int = Field(20, ge=0)
    """Shorter documents are dropped, characters after cleaning."""
    max_chars: int | None = Field(None, ge=1)
    """Longer documents are dropped, characters; None keeps every length."""
    max_line_bytes: int = Field(64_000_000, ge=1000)
    """A longer line of a file is set aside without being held in memory, bytes."""
    min_script_fraction: float = Field(0.5, ge=0, le=1)
    """Share of letters that must be in the language's own scripts; 0 turns the check off."""
    drop_exact_duplicates: bool = True
    """Whether documents that differ in case, punctuation and white space at most are one; the first stays."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """Near-duplicate removal; null turns it off."""
    heldout_fraction: float = Field(0.05, ge=0, le=1)
    """Share of groups that go to the held-out side; 1 makes a corpus that is only ever scored."""
    max_documents: int | None = Field(None, ge=1)
    """Stop after this many rows were read, those left out by `only` and `exclude` not counted; None reads all."""
    require_licence: bool = False
    """Whether a row of unknown licence stops the recipe (a gate)."""
    identify: bool = operational(True)
    """Whether a corpus is refused when most of a sample is surely in another language of the same script."""
    workers: int = operational(1, ge=1)
    """Processes that clean and hash; the result does not depend on it."""

    @model_validator(mode="after")
    def _sources_are_of_the_language(self) -> Self:
        for source in self.sources:
            if source.language and source.language.split("-x-")[0] != self.language.split("-x-")[0]:
                raise ValueError(f"a source is in {source.language}, the stage in {self.language}: use two stages")
        return self

    def columns(self) -> list[tuple[Ref, list[str]]]:
        """Return the columns each source must have: its text and what it is filtered by."""
        return [(source.path, source.columns()) for source in self.sources]

    def rehearsal(self) -> Self:
        """Read a hundred documents."""
        return self.model_copy(update={"max_documents": min(self.max_documents or 100, 100)})
