"""Whatever dies and whenever: locks, left-over processes, signals, and the same bytes after every resume."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from newtongue.core import manifest
from newtongue.core.process import FileLock
from newtongue.run.plan import make_plan
from newtongue.run.recipe import load
from newtongue.run.runner import run
from newtongue.run.store import Store

RECIPE = """\
newtongue: 1
stages:
  a: {stage: grow, chunks: 4, delay_seconds: DELAY}
  b: {stage: grow, chunks: 4, corpus: $a, delay_seconds: DELAY}
  c: {stage: grow, chunks: 4, inputs: [$a, $b], text: z, delay_seconds: DELAY}
"""


@pytest.fixture
def recipe(tmp_path):
    """A function: seconds per chunk -> recipe file of three stages, always of the same name."""

    def write(delay: float) -> Path:
        file = tmp_path / "r.yaml"
        file.write_text(RECIPE.replace("DELAY", str(delay)))
        return file

    return write


@pytest.fixture
def clean(tmp_path, recipe, digests):
    """Digests of an uninterrupted run."""
    run(load(recipe(0.0)), tmp_path / "clean")
    return digests(tmp_path / "clean")


def wait_for(condition, seconds: float = 20.0) -> None:
    """Wait until something is true, at most so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_twenty_kills_at_random_moments_change_no_byte(tmp_path, recipe, clean, command, digests):
    moments = random.Random(7)
    store = tmp_path / "s"
    for _ in range(20):
        process = command("run", recipe(0.05), "--out", store)
        time.sleep(moments.uniform(0.1, 0.9))
        kill_group(process)
    assert command("run", recipe(0.0), "--out", store).wait() == 0
    assert digests(store) == clean


def test_a_kill_between_payload_and_manifest_changes_no_byte(tmp_path, recipe, clean, command, digests):
    store = tmp_path / "s"
    process = command("run", recipe(0.0), "--out", store)
    wait_for(lambda: list(store.glob("02-b-*/card.md")))  # written after the payload, before the manifest
    kill_group(process)
    assert command("run", recipe(0.0), "--out", store).wait() == 0
    assert digests(store) == clean


def test_a_payload_without_manifest_is_made_anew(tmp_path, recipe, clean, digests):
    done = run(load(recipe(0.0)), tmp_path / "s")
    place = done.directories["b"]
    (place / "manifest.json").unlink()
    (place / "corpus" / "chunks.txt").unlink()
    (place / "corpus" / "half.tmp").write_text("left over")
    (place / ".scratch").mkdir()
    assert [s.action for s in make_plan(load(recipe(0.0)), Store(tmp_path / "s")).steps] == ["reuse", "skip", "reuse"]
    longer = load(recipe(0.0), ["d.stage=grow", "d.inputs.0=$b"])
    run(longer, tmp_path / "s")
    made = digests(tmp_path / "s")
    assert {name: made[name] for name in clean} == clean
    assert not (place / "corpus" / "half.tmp").exists()


def test_two_runs_at_once_both_end_well_and_do_the_work_once(tmp_path, recipe, clean, command, digests):
    store = tmp_path / "s"
    both = [command("run", recipe(0.1), "--out", store) for _ in range(2)]
    texts = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert digests(store) == clean
    assert all(manifest.read_manifest(path.parent)["costs"]["attempts"] == 1 for path in store.glob("*/manifest.json"))
    waited = next(text for text in texts if "waiting" in text)
    other = both[1 - texts.index(waited)]
    assert f"a: waiting for the run of process {other.pid}" in waited
    assert "a: sealed by another run, reused" in waited


def test_a_left_over_worker_is_named_with_its_pid_and_its_end_lets_go(tmp_path, recipe, clean, command, digests):
    """The stage's process is stopped, so that it cannot notice that its runner died; it still holds the lock."""
    store = tmp_path / "s"
    process = command("run", recipe(0.3), "--out", store)
    lock = FileLock(store / ".locks" / load_mark(recipe))
    wait_for(lambda: len(lock.holders()) == 2)
    worker = lock.holders()[1][0]
    os.kill(worker, signal.SIGSTOP)
    process.kill()
    process.communicate()
    try:
        if lock.acquire():
            pytest.skip("this system ends a stopped child with its parent")
        again = command("run", recipe(0.0), "--out", store)
        text = again.communicate(timeout=60)[1]
        assert again.returncode == 3
        assert text.splitlines()[-2:] == [
            f"newtongue: stages.a: process {worker}, left over from a run that ended, still holds the stage",
            f"  fix: kill {worker}, then run again",
        ]
    finally:
        lock.release()
        if os.path.exists(f"/proc/{worker}"):
            os.kill(worker, signal.SIGKILL)
    assert command("run", recipe(0.0), "--out", store).wait() == 0
    assert digests(store) == clean


def load_mark(recipe) -> str:
    """Return the fingerprint of the first stage."""
    return make_plan(load(recipe(0.0)), Store(Path("/nonexistent"))).steps[0].fingerprint


def test_a_lock_held_by_a_process_whose_runner_is_gone_is_refused(tmp_path, recipe, command):
    """The same without signals: a helper of the stage keeps the inherited lock after runner and stage have ended."""
    store = tmp_path / "s"
    lock = FileLock(store / ".locks" / load_mark(recipe))
    assert lock.acquire()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holder = subprocess.Popen(["sleep", "60"], pass_fds=(lock.descriptor,))
    os.pwrite(lock.descriptor, f"{gone.pid}:1 {holder.pid}:\n".encode(), 0)
    lock.release()
    try:
        again = command("run", recipe(0.0), "--out", store)
        text = again.communicate(timeout=60)[1]
        assert again.returncode == 3
        assert f"process {holder.pid}, left over from a run that ended, still holds the stage" in text
        assert f"fix: kill {holder.pid}, then run again" in text
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_stops_runner_and_stage_and_the_run_goes_on(tmp_path, recipe, clean, command, digests, number, code):
    store = tmp_path / "s"
    process = command("run", recipe(0.5), "--out", store)
    lock = FileLock(store / ".locks" / load_mark(recipe))
    wait_for(lambda: list(store.glob("01-a-*/.scratch/chunk-0")))
    worker = lock.holders()[1][0]
    os.kill(process.pid, number)
    text = process.communicate(timeout=30)[1]
    assert process.returncode == code
    wait_for(lambda: not lock.holders()[1][1])
    lock.release()
    if number == signal.SIGINT:
        assert text.splitlines()[-1] == "newtongue: interrupted; the same command goes on from here"
        assert "Traceback" not in text
    assert worker
    assert command("run", recipe(0.0), "--out", store).wait() == 0
    assert digests(store) == clean


def test_ctrl_c_at_the_terminal_reaches_the_whole_group(tmp_path, recipe, clean, command, digests):
    store = tmp_path / "s"
    process = command("run", recipe(0.5), "--out", store)
    wait_for(lambda: list(store.glob("01-a-*/.scratch/chunk-0")))
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=30)[1]
    assert (process.returncode, "Traceback" in text) == (130, False)
    assert command("run", recipe(0.0), "--out", store).wait() == 0
    assert digests(store) == clean


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, recipe_of, digests):
    """A real small file system where that is allowed, else the system's limit on the size of a file."""
    run(recipe_of({"a": {}, "b": {"corpus": "$a"}}), tmp_path / "clean")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode == 0
    )
    recipe = tmp_path / "full.yaml"
    recipe.write_text("newtongue: 1\nstages:\n  a: {stage: grow}\n  b: {stage: grow, corpus: $a, fault: write}\n")
    limit = "" if mounted else "ulimit -f 8192; "
    try:
        shell = f"{limit}exec {sys.executable} -m newtongue.cli.main run {recipe} --out {disk / 's'}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
        assert done.returncode == 3, done.stderr
        assert "no space left on the disk\n  fix: free some space, then run again: it resumes" in done.stderr
        assert "Traceback" not in done.stderr
        shutil.copytree(disk / "s", tmp_path / "s", ignore=shutil.ignore_patterns("large"))
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)
    run(recipe_of({"a": {}, "b": {"corpus": "$a"}}), tmp_path / "s")
    assert digests(tmp_path / "s") == digests(tmp_path / "clean")
