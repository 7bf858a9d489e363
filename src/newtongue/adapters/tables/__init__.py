"""Rows on disk: sealed Parquet written by stages, and whatever files a user brings."""

from newtongue.adapters.tables.files import Reject
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
