"""Every error a user can meet, as one tree.

    NewtongueError                     exit 1   only its branches are raised
    ├── RecipeError                    exit 2   the recipe or the command line asks for something impossible
    │   └── MissingExtra               exit 2   an optional dependency is not installed
    ├── DataError                      exit 3   a file, a row or an artefact cannot be used
    │   ├── NotSealed                  exit 3   a stage directory has no manifest yet
    │   ├── WrongKind                  exit 3   an artefact of another kind stands where one was expected
    │   └── Corrupt                    exit 3   bytes differ from what the manifest promised
    ├── BudgetExceeded                 exit 4   going on would cost more than the budget allows
    ├── ProviderError                  exit 5   a teacher, judge or hub did not answer usefully
    └── GateFailed                     exit 6   the work is sealed, and a gate said no

A message has up to three lines: what is wrong and where, what was expected, what to do next.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator


class NewtongueError(Exception):
    """A problem the user can understand and mend; shown without a traceback."""

    exit_code = 1

    def __init__(self, problem: str, *, place: str = "", expected: str = "", fix: str = "") -> None:
        """Describe the problem.

        Args:
            problem: One sentence with the offending value.
            place: File, line, recipe key or URL where it stands.
            expected: What would have been right.
            fix: One command or edit that mends it.
        """
        self.problem, self.place, self.expected, self.fix = problem, place, expected, fix
        super().__init__(self.text())

    def text(self) -> str:
        """Return the message as shown to the user, without colour."""
        head = f"{self.place}: {self.problem}" if self.place else self.problem
        lines = [head]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class RecipeError(NewtongueError):
    """The recipe or the command line asks for something that cannot be."""

    exit_code = 2


class MissingExtra(RecipeError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the missing package and the extra that brings it."""
        super().__init__(
            f"this needs the package {package}, which is not installed",
            fix=f"pip install 'newtongue[{extra}]'",
        )


class DataError(NewtongueError):
    """A file, a row or an artefact cannot be used."""

    exit_code = 3


class NotSealed(DataError):
    """A stage directory without a manifest: its stage has not finished."""


class WrongKind(DataError):
    """An artefact of one kind stands where another kind is needed."""


class Corrupt(DataError):
    """Bytes on disk differ from what a manifest promised."""


class BudgetExceeded(NewtongueError):
    """Going on would cost more than the budget allows; everything done so far is kept."""

    exit_code = 4


class ProviderError(NewtongueError):
    """A teacher, judge or hub did not answer in a usable way."""

    exit_code = 5


class GateFailed(NewtongueError):
    """The result is sealed and complete, and a gate the recipe set says no."""

    exit_code = 6


DISK_FULL = ("no space left on device", "disk is full", "disk quota exceeded", "file too large")


def understand(error: BaseException) -> NewtongueError | None:
    """Return what a user can do about an error of the system or of a library; None when it is a bug."""
    for cause in _chain(error):
        known = _known(cause)
        if known is not None:
            return known
    return None


def _known(error: BaseException) -> NewtongueError | None:
    if isinstance(error, NewtongueError):
        return error
    place = str(getattr(error, "filename", None) or "")
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(sign in str(error).lower() for sign in DISK_FULL):
        return DataError("no space left on the disk", place=place, fix="free some space, then run again: it resumes")
    if isinstance(error, OSError) and code in (errno.EACCES, errno.EROFS, errno.EPERM):
        return DataError(
            f"not allowed ({error.strerror})", place=place, fix="change the permissions, or give --out DIR"
        )
    if isinstance(error, MemoryError):
        return DataError("out of memory", fix="a smaller `micro_batch` or `batch`, or a larger machine; it resumes")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("newtongue"):
        return MissingExtra(error.name or "?", "train")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
