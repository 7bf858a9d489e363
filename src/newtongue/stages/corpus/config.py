"""Settings of the `corpus` stage."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from newtongue.core.config import CorpusRef, Settings, StageConfig, operational


class Source(Settings):
    """One place documents come from."""

    path: CorpusRef
    """Files, folder or glob: JSONL (plain, gz, zst), Parquet or text."""
    license: str = "unknown"
    """Licence of rows that state none themselves (an SPDX name, or `unknown`)."""
    text_column: str = "text"
    """Column that holds the text."""
    language: str | None = None
    """Tag of rows that state none; None takes the stage's `language`."""
    only: dict[str, list[str]] = Field(default_factory=dict)
    """Column -> values; only rows with one of these values are read."""
    exclude: dict[str, list[str]] = Field(default_factory=dict)
    """Column -> values; rows with one of these values are not read."""


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
    """A longer line of a JSONL file is set aside unread, bytes."""
    min_script_fraction: float = Field(0.5, ge=0, le=1)
    """Share of letters that must be in the language's own script; 0 turns the check off."""
    drop_exact_duplicates: bool = True
    """Whether documents with equal normalised text are one."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """Near-duplicate removal; null turns it off."""
    heldout_fraction: float = Field(0.05, ge=0, le=1)
    """Share of groups that go to the held-out side; 1 makes a corpus that is only ever scored."""
    max_documents: int | None = Field(None, ge=1)
    """Stop after this many documents were read; None reads all."""
    require_licence: bool = False
    """Whether a row of unknown licence stops the recipe (a gate)."""
    workers: int = operational(1, ge=1)
    """Processes that read and clean."""

    def rehearsal(self) -> Self:
        """Read a hundred documents."""
        return self.model_copy(update={"max_documents": min(self.max_documents or 100, 100)})
