"""Answers that think in a strong language first: three sections in a fixed order, and the way to the last one.

Source: Upadhayay and Behzadan 2023 (TaCo, arXiv 2311.10797), section 3.
"""

from __future__ import annotations

import re
from typing import Final

HEADINGS: Final = ("Instruction in {other}:", "Response in {other}:", "Response in {language}:")
"""What stands over the sections; names of the languages are filled in."""


def write_sections(instruction: str, response: str, final: str, other: str, language: str) -> str:
    """Return an answer in three sections.

    Example:
        >>> text = write_sections("Hi?", "Yes.", "ہاں۔", "English", "Urdu")
        >>> text.splitlines()[-1], final_section(text, "Urdu")
        ('ہاں۔', 'ہاں۔')
    """
    parts = zip(HEADINGS, (instruction, response, final), strict=True)
    return "\n\n".join(f"{head.format(other=other, language=language)}\n{text}" for head, text in parts)


def final_section(answer: str, language: str) -> str | None:
    """Return what stands under the last heading, for serving and scoring; None when the answer has no such section."""
    heading = re.escape(HEADINGS[-1].format(language=language))
    match = re.search(rf"^{heading}[ \t]*\n?(.*)\Z", answer, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else None
