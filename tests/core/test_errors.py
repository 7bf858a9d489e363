"""The error tree: exit codes, the three lines of a message, and what a user can do about errors of the system."""

from __future__ import annotations

import errno

import pytest

from newtongue.core import errors
from newtongue.core.errors import DataError, MissingExtra, NewtongueError, RecipeError, understand


def test_a_message_has_up_to_three_lines():
    assert NewtongueError("wrong").text() == "wrong"
    full = RecipeError("wrong", place="r.yaml", expected="right", fix="mend it")
    assert str(full) == full.text() == "r.yaml: wrong\n  expected: right\n  fix: mend it"


@pytest.mark.parametrize(
    ("name", "code"),
    [("RecipeError", 2), ("MissingExtra", 2), ("DataError", 3), ("NotSealed", 3), ("WrongKind", 3), ("Corrupt", 3),
     ("BudgetExceeded", 4), ("ProviderError", 5), ("GateFailed", 6)],
)  # fmt: skip
def test_exit_codes(name, code):
    kind = getattr(errors, name)
    assert (kind.exit_code, issubclass(kind, NewtongueError)) == (code, True)


def test_a_missing_package_names_its_extra():
    assert MissingExtra("torch", "train").text() == (
        "this needs the package torch, which is not installed\n  fix: pip install 'newtongue[train]'"
    )
    assert "newtongue[train]" in understand(ModuleNotFoundError("no", name="torch")).text()
    assert understand(ModuleNotFoundError("no", name="newtongue.nothing")) is None


FULL = "no space left on the disk"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (OSError(errno.EFBIG, "File too large"), FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), FULL),
        (RuntimeError("database or disk is full"), FULL),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "not allowed (Permission denied)"),
        (MemoryError(), "out of memory"),
    ],
)
def test_errors_of_the_system_become_ours(error, problem):
    known = understand(error)
    assert isinstance(known, DataError)
    assert known.problem == problem


def test_the_cause_behind_an_error_is_found_and_a_bug_stays_a_bug():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/x/file")
        except OSError as error:
            raise ValueError("serialising") from error
    except ValueError as wrapped:
        assert understand(wrapped).text().startswith("/x/file: no space left on the disk\n")
    assert understand(ValueError("a bug")) is None
    assert understand(FileNotFoundError(errno.ENOENT, "none")) is None
