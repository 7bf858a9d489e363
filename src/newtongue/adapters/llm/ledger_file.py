"""The file behind a ledger: SQLite with durable transactions that nest, one writer at a time, tables kept up to date.

Nothing here knows what the tables mean.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from newtongue.adapters.llm.records import ADDED, EDITION, SCHEMA
from newtongue.core.errors import Corrupt, DataError

BUSY_SECONDS: Final = 60.0
"""How long one process waits for another's transaction."""


class LedgerFile:
    """One SQLite file (WAL, synchronous FULL); may be used from several threads, one of which writes at a time.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; its folder must exist and be on a local disk.

        Raises:
            Corrupt: The file is no ledger.
        """
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._bring_up_to_date()
        except sqlite3.DatabaseError as error:
            raise Corrupt(
                f"this is not a usable ledger ({error})", place=str(path), fix="restore it from a copy"
            ) from None

    @contextmanager
    def writing(self) -> Iterator[Callable[..., Any]]:
        """Make the calls inside one durable transaction; one that fails undoes itself and leaves the others alone.

        Gives a function that runs a statement with its values, for tables that are not about money.
        """
        with self._lock:
            point = f"call_{self._depth}"
            self._run(f"SAVEPOINT {point}" if self._depth else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._run
                self._run(f"RELEASE {point}" if self._depth > 1 else "COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute(f"ROLLBACK TO {point}" if self._depth > 1 else "ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.OperationalError as error:
            raise DataError(
                f"the ledger cannot be written or read: {error}",
                place=str(self.path),
                fix="free some disk space or check the folder's rights, then run again; what was paid is kept",
            ) from None

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a reading statement."""
        return self._all(sql, *values)

    def _one(self, sql: str, *values: Any) -> Any:
        with self._lock:
            return self._run(sql, *values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._run(sql, *values).fetchall()

    def _bring_up_to_date(self) -> None:
        (edition,) = self._db.execute("PRAGMA user_version").fetchone()
        if edition >= EDITION:
            return
        with self.writing():
            for statement in SCHEMA.split(";\n"):
                self._run(statement)
            columns = {row[1] for row in self._all("PRAGMA table_info(attempt)")}
            for name, change in ADDED.items():
                if name not in columns:
                    self._run(change)
            self._run(f"PRAGMA user_version = {EDITION}")
