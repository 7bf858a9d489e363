"""Rows on disk: sealed Parquet written by stages, and whatever files a user brings."""

from newtongue.adapters.tables.files import Reject, columns_of, find_files, read_rows, require_columns
from newtongue.adapters.tables.rows import (
    read_conversations,
    read_documents,
    write_conversations,
    write_documents,
    write_rejects,
)

__all__ = [
    "Reject",
    "read_conversations",
    "read_documents",
    "write_conversations",
    "write_documents",
    "write_rejects",
]
