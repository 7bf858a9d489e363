"""Processes that die with their parent, and locks that name their holders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from newtongue.core.process import FileLock, is_alive, started


def wait_for(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


BUSY = "sum(range(10**12))"  # keeps the interpreter lock for ever
IDLE = "import time; time.sleep(1000)"


@pytest.mark.parametrize("work", [IDLE, BUSY], ids=["idle", "busy"])
def test_a_child_dies_with_its_parent_however_the_parent_dies(work):
    child = f"from newtongue.core.process import die_with_parent; die_with_parent(0); {work}"
    parent = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}], stdin=subprocess.PIPE);"
        "print(p.pid, flush=True); time.sleep(1000)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    time.sleep(0.5)
    assert is_alive(pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not is_alive(pid))


def test_a_lock_has_one_holder_and_names_it(tmp_path):
    one, two = FileLock(tmp_path / "deep" / "lock"), FileLock(tmp_path / "deep" / "lock")
    assert one.acquire()
    assert not two.acquire()
    assert two.holders() == [(os.getpid(), True)]
    one.note_child(os.getppid())
    assert two.holders() == [(os.getpid(), True), (os.getppid(), True)]
    one.release()
    assert two.acquire()
    assert two.holders() == [(os.getpid(), True)]
    two.release()


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = subprocess.Popen(["sleep", "60"], pass_fds=(lock.descriptor,))
    lock.release()
    other = FileLock(tmp_path / "lock")
    assert not other.acquire()
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_for(other.acquire)
    other.release()


def test_alive_means_the_same_process_and_no_zombie():
    assert is_alive(os.getpid())
    assert is_alive(os.getpid(), started(os.getpid()))
    if started(os.getpid()):
        assert not is_alive(os.getpid(), "1")
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_for(lambda: not is_alive(process.pid))  # ended and not waited for yet
    process.wait()
    assert not is_alive(process.pid)
