"""From whatever a source holds to documents that say where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from newtongue.adapters.languages import is_stated
from newtongue.adapters.tables import Reject, read_documents, read_rows, require_columns
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.language import TAG
from newtongue.core.rows import Document
from newtongue.stages.corpus.config import CorpusConfig, Source

EXCERPT_CHARS = 200
HELDOUT_NAMES = frozenset({"heldout", "test", "validation", "valid", "dev"})
"""Values of a `split` column that keep a row on the held-out side whatever its hash says."""
UNSTATED = frozenset({"", "und", "mul", "unknown"})
"""Values of a language column that say nothing."""


@dataclass(slots=True)
class Reading:
    """Rows of all sources, one after another.

    Attributes:
        config: Settings of the stage.
        inputs: The artefact behind each source.
        rows: Rows seen so far, those filtered out included.
        filtered: Rows left out by `only` and `exclude`.
    """

    config: CorpusConfig
    inputs: list[Artefact]
    rows: int = 0
    filtered: int = 0
    _ids: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[tuple[str, Document | Reject]]:
        """Yield (place, document or reject) until the sources or `max_documents` end."""
        limit = self.config.max_documents
        for source, artefact in zip(self.config.sources, self.inputs, strict=True):
            unmatched = {(column, value) for column, value in _wanted(source)}
            for place, row in _rows(source, artefact, self.config.max_line_bytes):
                if limit is not None and self.rows - self.filtered >= limit:
                    return
                self.rows += 1
                if isinstance(row, Reject):
                    yield place, row
                elif not _passes(source, row, unmatched):
                    self.filtered += 1
                else:
                    yield place, self._document(source, place, row)
            _all_matched(unmatched, artefact)

    def _document(self, source: Source, place: str, row: dict[str, Any]) -> Document | Reject:
        text = row.get(source.text_column)
        if not isinstance(text, str):
            return Reject(place, "no text", "" if text is None else str(text)[:EXCERPT_CHARS])
        language = self._language(source, row)
        if language is None:
            return Reject(place, "states another language", text[:EXCERPT_CHARS])
        stated = _text(row, "id")
        self._ids[stated or place] += 1
        again = self._ids[stated or place]
        return Document(
            id=(stated or place) + (f"~{again}" if again > 1 else ""),
            text=text,
            language=language,
            split="heldout" if _text(row, "split") in HELDOUT_NAMES else "train",
            group=_text(row, "group") or (f"\0{stated}" if stated else ""),
            source=_text(row, "source") or place.rsplit(":", 1)[0],
            license=_text(row, "license") or _text(row, "licence") or source.license,
        )

    def _language(self, source: Source, row: dict[str, Any]) -> str | None:
        """Return the tag of a row, or None when it states a language that is not the stage's."""
        stated = row.get("language") or row.get("lang")
        usual = source.language or self.config.language
        said = [str(one) for one in (stated if isinstance(stated, list) else [stated or ""])]
        if UNSTATED.issuperset(said):
            return usual
        if not any(is_stated(one, self.config.language) for one in said):
            return None
        return next((one for one in said if TAG.match(one) and is_stated(one, self.config.language)), usual)


def _rows(source: Source, artefact: Artefact, max_line_bytes: int) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    if artefact.sealed:
        names = ("id", "text", "language", "split", "group", "source", "license")
        for document in read_documents(artefact):
            yield f"{artefact.name}:{document.id}", {name: getattr(document, name) for name in names}
        return
    require_columns(artefact.path, source.columns())
    yield from read_rows(artefact.path, max_line_bytes=max_line_bytes)


def _wanted(source: Source) -> Iterator[tuple[str, str]]:
    for filters in (source.only, source.exclude):
        for column, values in filters.items():
            yield from ((column, value) for value in values)


def _passes(source: Source, row: dict[str, Any], unmatched: set[tuple[str, str]]) -> bool:
    """Return whether the filters let a row through; note which filter values have been met."""
    unmatched -= {(column, _text(row, column)) for column in (*source.only, *source.exclude)}
    wanted = all(_text(row, column) in values for column, values in source.only.items())
    return wanted and not any(_text(row, column) in values for column, values in source.exclude.items())


def _all_matched(unmatched: set[tuple[str, str]], artefact: Artefact) -> None:
    for column, value in sorted(unmatched):
        raise DataError(
            f"no row has `{value}` in the column `{column}`",
            place=artefact.name,
            fix="correct the value under `only` or `exclude`",
        )


def _text(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value)
