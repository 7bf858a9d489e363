"""Processes that die with their parent, and locks that show who holds them."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from pathlib import Path


def die_with_parent(stream_fd: int = 0) -> None:
    """End this process at once when the other end of a pipe closes.

    The parent holds the writing end of the pipe given as `stream_fd` (standard input by default); when it
    dies, however it dies, the pipe closes. Works on every POSIX system, for grandchildren too.
    """

    def watch() -> None:
        while True:
            try:
                if not os.read(stream_fd, 4096):
                    break
            except OSError:
                break
        os._exit(137)

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()


def is_alive(pid: int) -> bool:
    """Return whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class FileLock:
    """An advisory lock on a file (`flock`), inherited by children through its descriptor.

    The file holds the pid of the process that took the lock, so that a waiting process can name it.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock file; does not lock yet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(self.descriptor, True)

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it was taken."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def note_child(self, pid: int) -> None:
        """Add the pid of a child that inherited the lock."""
        os.pwrite(self.descriptor, f"{os.getpid()} {pid}\n".encode(), 0)

    def holders(self) -> list[int]:
        """Return the pids written by whoever took the lock last: the runner, then its child."""
        text = os.pread(self.descriptor, 100, 0).decode("ascii", "replace")
        return [int(word) for word in text.split() if word.isdigit()]

    def release(self) -> None:
        """Give the lock back and close the file."""
        os.close(self.descriptor)


def exit_quietly_on_broken_pipe() -> None:
    """Point standard output at nothing after its reader has gone, so that the interpreter ends without noise."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
