"""Processes that die with their parent, and locks that show who holds them."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(stream_fd: int = 0) -> None:
    """End this process at once when the other end of a pipe closes.

    The parent holds the writing end of the pipe given as `stream_fd` (standard input by default); when it
    dies, however it dies, the pipe closes. Works on every POSIX system. On Linux the kernel is asked for the same,
    so that long native code does not delay the end.
    """

    def watch() -> None:
        while True:
            try:
                if not os.read(stream_fd, 4096):
                    break
            except OSError:
                break
        os._exit(137)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()


def started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; "" where the system does not say or there is none."""
    return _status(pid)[1]


def is_alive(pid: int, since: str = "") -> bool:
    """Return whether a process runs under this id, and is the one that started at `since` when that is given."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    state, start = _status(pid)
    return state != "Z" and (not since or start in ("", since))


def _status(pid: int) -> tuple[str, str]:
    """Return (state, start) of a process as Linux tells it, empty elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


class FileLock:
    """An advisory lock on a file (`flock`), inherited by children through its descriptor.

    The file holds who took the lock (`pid:start`), then the child that inherited it, so that a waiting process
    can name them.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock file; does not lock yet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it was taken."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self.descriptor, 0)
        self._write(os.getpid())
        return True

    def note_child(self, pid: int) -> None:
        """Add the pid of a child that inherited the lock."""
        self._write(os.getpid(), pid)

    def holders(self) -> list[tuple[int, bool]]:
        """Return (pid, whether it lives) of whoever took the lock last: the runner, then its child."""
        text = os.pread(self.descriptor, 200, 0).decode("ascii", "replace")
        pairs = [word.partition(":") for word in text.split()]
        return [(int(pid), is_alive(int(pid), since)) for pid, _, since in pairs if pid.isdigit()]

    def release(self) -> None:
        """Give the lock back and close the file."""
        os.close(self.descriptor)

    def _write(self, *pids: int) -> None:
        line = " ".join(f"{pid}:{started(pid)}" for pid in pids)
        os.pwrite(self.descriptor, f"{line}\n".encode(), 0)


def exit_quietly_on_broken_pipe() -> None:
    """Point standard output at nothing after its reader has gone, so that the interpreter ends without noise."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
