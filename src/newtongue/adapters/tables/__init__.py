"""Rows on disk: sealed Parquet written by stages, and whatever files a user brings.

Names are loaded when first used, so that a plan can look at the first row of a text file without pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newtongue.adapters.tables.bitext import read_bitext
    from newtongue.adapters.tables.draft import Draft, DraftWriter
    from newtongue.adapters.tables.files import Reject, columns_of, find_files, read_rows, require_columns
    from newtongue.adapters.tables.rows import (
        read_conversations,
        read_documents,
        read_preferences,
        stored_rows,
        write_conversations,
        write_documents,
        write_preferences,
        write_rejects,
    )
    from newtongue.adapters.tables.writing import RejectWriter

__all__ = [
    "Draft",
    "DraftWriter",
    "Reject",
    "RejectWriter",
    "columns_of",
    "find_files",
    "read_bitext",
    "read_conversations",
    "read_documents",
    "read_preferences",
    "read_rows",
    "require_columns",
    "stored_rows",
    "write_conversations",
    "write_documents",
    "write_preferences",
    "write_rejects",
]

_HOMES = {
    "bitext": ("read_bitext",),
    "draft": ("Draft", "DraftWriter"),
    "files": ("Reject", "columns_of", "find_files", "read_rows", "require_columns"),
    "rows": (
        "read_conversations",
        "read_documents",
        "read_preferences",
        "stored_rows",
        "write_conversations",
        "write_documents",
        "write_preferences",
        "write_rejects",
    ),
    "writing": ("RejectWriter",),
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
