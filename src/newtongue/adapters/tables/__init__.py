"""Rows on disk: sealed Parquet written by stages, and whatever files a user brings."""

from newtongue.adapters.tables.bitext import read_bitext
from newtongue.adapters.tables.draft import Draft, DraftWriter
from newtongue.adapters.tables.files import Reject, columns_of, find_files, read_rows, require_columns
from newtongue.adapters.tables.rows import (
    read_conversations,
    read_documents,
    write_conversations,
    write_documents,
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
    "read_rows",
    "require_columns",
    "write_conversations",
    "write_documents",
    "write_rejects",
]
