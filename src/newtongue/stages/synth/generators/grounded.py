"""What grounded generators check: the answer uses the document and does not copy it."""

from __future__ import annotations

from pydantic import Field

from newtongue.core.config import Settings
from newtongue.methods.grounding import longest_copy, used_fraction


class Overlap(Settings):
    """How much of a document an answer must use, and may copy."""

    min_used_fraction: float = Field(0.2, ge=0, le=1)
    """Share of an answer's different words that must stand in the document."""
    max_copied_words: int = Field(40, ge=1)
    """Longest stretch of words that may stand in it as they are."""

    def fault(self, answer: str, passage: str) -> str:
        """Return why an answer is dropped, or ""."""
        if used_fraction(answer, passage) < self.min_used_fraction:
            return "does not use the document"
        return "copies the document" if longest_copy(answer, passage) > self.max_copied_words else ""
