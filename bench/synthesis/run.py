"""Ours against distilabel, curator and NeMo Data Designer: the same rows from the same kind of server, side by side.

    python bench/synthesis/run.py [--peers FOLDER] [--repeat 3] [--cells speed,limited,refused,memory,rerun,killed]

FOLDER holds one virtual environment per peer: `distilabel` (distilabel[openai]==1.5.3 requests beautifulsoup4),
`curator` (bespokelabs-curator==0.1.31) and `data-designer` (data-designer==0.9.6). Each run gets a fresh server on a
fresh port in a process of its own; the server's meter is the only truth about requests and money. Contestants take
turns. CPU is that of the contestant with all its children; per request it is the difference between a long and a
short run, so that start-up does not count. Printed: medians, and ours over the best peer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "src"
PEERS = {"distilabel": "peer_distilabel.py", "curator": "peer_curator.py", "data-designer": "peer_data_designer.py"}
LATENCY_SECONDS = 0.2
CONCURRENCY = 256
SHORT, LONG = 1000, 5000
"""Rows of the two runs whose difference is the cost of a request."""
LIMIT_SECONDS = 240


@dataclass
class Result:
    """One run."""

    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    meter: dict[str, Any]
    ended: bool = True


@contextmanager
def server(**scenario: Any) -> Iterator[str]:
    """Start the test bed in its own process; give its url."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-m", "newtongue.tools.testbed", json.dumps(scenario)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout and child.stdin
    try:
        yield child.stdout.readline().strip()
    finally:
        child.stdin.close()
        child.wait()


def meter(url: str) -> dict[str, Any]:
    """Return what the server saw."""
    with urllib.request.urlopen(url.replace("/v1", "/meter")) as reply:
        return dict(json.load(reply))


def command(who: str, peers: Path | None) -> list[str]:
    """Return interpreter and script of a contestant."""
    if who == "ours":
        return [sys.executable, str(HERE / "ours.py")]
    assert peers
    return [str(peers / who / "bin" / "python"), str(HERE / PEERS[who])]


def one_run(who: str, peers: Path | None, url: str, rows: int, folder: str, kill_at: int = 0) -> Result:
    """Run a contestant once; with `kill_at`, kill it and all its processes after so many requests."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPATH": str(SOURCE)} if who == "ours" else {}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [*command(who, peers), url, str(rows), str(CONCURRENCY), folder]
    with open(Path(folder) / "log.txt", "a") as log:
        run = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        )
    assert run.stdout
    peak, ended = 0.0, True
    while run.poll() is None:
        peak = max(peak, tree_mb(run.pid))
        over = time.perf_counter() - start > LIMIT_SECONDS
        if over or (kill_at and meter(url)["requests"] >= kill_at):
            os.killpg(run.pid, signal.SIGKILL)
            ended = False
        time.sleep(0.02 if kill_at else 0.1)
    said = run.stdout.read().strip().splitlines()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows_got = json.loads(said[-1])["rows"] if said and said[-1].startswith("{") else 0
    return Result(rows_got, seconds, cpu, peak, meter(url), ended)


def tree_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants in 10^6 bytes."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * 4096
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, ValueError, IndexError):
            continue
    return total / 1e6


def fresh(who: str, peers: Path | None, rows: int, **scenario: Any) -> Result:
    """Run a contestant once in an empty folder against a fresh server."""
    with tempfile.TemporaryDirectory() as folder, server(latency_seconds=LATENCY_SECONDS, **scenario) as url:
        return one_run(who, peers, url, rows, folder)


def median(values: list[float]) -> str:
    """Return median (least to most)."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def speed(who: list[str], peers: Path | None, repeat: int) -> None:
    """Requests per second and CPU per request, start-up excluded."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in who}
    for _ in range(repeat):
        for name in who:
            short, long = fresh(name, peers, SHORT), fresh(name, peers, LONG)
            more = LONG - SHORT
            found[name].append(
                (
                    more / (long.seconds - short.seconds),
                    1e3 * (long.cpu_seconds - short.cpu_seconds) / more,
                    long.peak_mb,
                )
            )
    limit = CONCURRENCY / LATENCY_SECONDS
    print(f"\nspeed: concurrency {CONCURRENCY}, latency {LATENCY_SECONDS} s, so at most {limit:.0f} requests/s")
    for name, runs in found.items():
        rate, cpu, peak = zip(*runs, strict=True)
        print(f"  {name}: {median([*rate])} requests/s, {median([*cpu])} ms CPU per request, peak {max(peak):.0f} MB")
    ratio(found, lambda runs: statistics.median(run[0] for run in runs), "requests/s")
    ratio(found, lambda runs: 1 / statistics.median(run[1] for run in runs), "1 / CPU per request")


def ratio(found: dict[str, Any], measure: Any, what: str) -> None:
    """Print ours over the best peer."""
    others = {name: measure(runs) for name, runs in found.items() if name != "ours"}
    if others:
        best = max(others, key=lambda name: others[name])
        print(f"  ours / best peer ({best}), {what}: {measure(found['ours']) / others[best]:.2f}")


def limited(who: list[str], peers: Path | None, repeat: int) -> None:
    """A tenth of all attempts gets a 429 that asks for one second, at random: rows per second over the ideal."""
    global CONCURRENCY
    before, CONCURRENCY, rows = CONCURRENCY, 64, 3000
    ideal = 0.9 * CONCURRENCY / LATENCY_SECONDS
    print(f"\nlimited: 10 % random 429 with Retry-After 1, concurrency {CONCURRENCY}; ideal {ideal:.0f} rows/s")
    for name in who:
        runs = [fresh(name, peers, rows, rates={"429": 0.1}, mercy=99) for _ in range(repeat)]
        base = fresh(name, peers, 64)
        share = [run.rows / max(0.001, run.seconds - base.seconds) / ideal for run in runs]
        print(f"  {name}: {median([100 * s for s in share])} % of ideal, {runs[0].rows} of {rows} rows, "
              f"{runs[0].meter['requests']} requests{'' if runs[0].ended else ', cut off'}")  # fmt: skip
    CONCURRENCY = before


def refused(who: list[str], peers: Path | None, repeat: int) -> None:
    """Two of a hundred requests are refused for good: rows that are left."""
    rows = 500
    print(f"\nrefused: 2 % of {rows} requests get HTTP 400 at every attempt")
    for name in who:
        run = fresh(name, peers, rows, rates={"400": 0.02})
        print(f"  {name}: {run.rows} rows of {run.meter['answered']} paid answers in {run.seconds:.1f} s")


def killed(who: list[str], peers: Path | None, repeat: int) -> None:
    """Killed near the half, run again: answers that were paid for twice."""
    rows = 2000
    print(f"\nkilled: kill -9 near half of {rows} requests, then the same again; concurrency {CONCURRENCY}")
    for name in who:
        with tempfile.TemporaryDirectory() as folder, server(latency_seconds=LATENCY_SECONDS) as url:
            os.environ["RESUME"] = "1"
            one_run(name, peers, url, rows, folder, kill_at=rows // 2 - random.Random(0).randint(0, 99))
            paid = meter(url)["answered"]
            again = one_run(name, peers, url, rows, folder)
            twice = meter(url)["answered"] - meter(url)["distinct_answered"]
            state = "ended" if again.ended else f"did not end in {LIMIT_SECONDS} s"
            print(f"  {name}: {paid} paid before the kill, {twice} paid again; {again.rows} rows, {state}")


def memory(who: list[str], peers: Path | None, repeat: int) -> None:
    """Growth of memory from ten thousand to a hundred thousand requests; ours alone, the peers take too long."""
    few, many = fresh("ours", None, 10_000), fresh("ours", None, 100_000)
    print(f"\nmemory: ours {few.peak_mb:.0f} MB at 10,000 and {many.peak_mb:.0f} MB at 100,000 requests "
          f"(+{many.peak_mb - few.peak_mb:.0f} MB); {100_000 / many.seconds:.0f} requests/s")  # fmt: skip


def rerun(who: list[str], peers: Path | None, repeat: int) -> None:
    """A run of a hundred thousand rows that are there already; ours alone."""
    with tempfile.TemporaryDirectory() as folder, server() as url:
        one_run("ours", None, url, 100_000, folder)
        before = meter(url)["requests"]
        again = one_run("ours", None, url, 100_000, folder)
        print(
            f"\nrerun: ours {again.seconds:.1f} s for {again.rows:,} rows, {again.meter['requests'] - before} requests"
        )


CELLS = {
    "speed": speed, "limited": limited, "refused": refused, "killed": killed, "memory": memory, "rerun": rerun,
}  # fmt: skip


def main() -> None:
    """Run the chosen cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cells", default=",".join(CELLS))
    chosen = parser.parse_args()
    who = ["ours", *(name for name in PEERS if chosen.peers and (chosen.peers / name).is_dir())]
    print(f"contestants: {', '.join(who)}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for cell in chosen.cells.split(","):
        CELLS[cell](who, chosen.peers, chosen.repeat)


if __name__ == "__main__":
    main()
