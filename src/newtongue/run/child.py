"""The fresh process in which one stage runs: reads its job, calls the stage function, reports home.

Lines for the runner go to standard output behind a mark; everything a library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newtongue.core.context import Context, Outcome
from newtongue.core.errors import understand
from newtongue.core.process import die_with_parent
from newtongue.core.secrets import redact
from newtongue.run.job import MARK, Job
from newtongue.stages import CATALOGUE

PROGRESS_SECONDS = 0.2


class Home:
    """The line home to the runner."""

    def __init__(self) -> None:
        """Take standard output for the runner alone; send what anybody prints to standard error."""
        self.stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        self.speaks = os.environ.get("RANK", "0") == "0"
        os.dup2(2, 1)
        self.last = 0.0

    def tell(self, kind: str, **facts: Any) -> None:
        """Send one line; a runner that has gone is no reason to fail. Of several processes only the first speaks."""
        if not self.speaks:
            return
        try:
            self.stream.write(MARK + json.dumps({"kind": kind, **facts}, ensure_ascii=False) + "\n")
        except (BrokenPipeError, OSError):
            os._exit(137)

    def progress(self, done: float, total: float | None, unit: str, *, note: str = "") -> None:
        """Send progress, at most five times a second."""
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS or done == total:
            self.last = now
            self.tell("progress", done=done, total=total, unit=unit, note=note)


def run_job(file: Path, home: Home) -> Outcome:
    """Run the stage of a job file and return what it says of its work."""
    job = Job.read(file)
    entry = CATALOGUE[job.key]
    config = entry.load_config().model_validate(job.settings)

    def journal(event: str, **facts: Any) -> None:
        """Append one dated line; of several processes only the first writes."""
        if not home.speaks:
            return
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **facts}
        with open(job.directory / "journal.jsonl", "a", encoding="utf-8") as stream:
            stream.write(redact(json.dumps(line, ensure_ascii=False, default=str)) + "\n")

    context = Context(
        directory=job.directory,
        payload=job.payload,
        scratch=job.scratch,
        inputs=job.inputs,
        store=job.store,
        journal=journal,
        progress=home.progress,
    )
    return entry.load_function()(config, context)


def main() -> int:
    """Run the job named on the command line; 0 when it succeeded, else the error's exit code."""
    die_with_parent(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    home = Home()
    try:
        outcome = run_job(Path(sys.argv[1]), home)
    except BaseException as error:
        known = understand(error)
        if not home.speaks:
            traceback.print_exc()
        if known is None:
            home.tell("bug", problem=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
            return 1
        parts = {"problem": known.problem, "place": known.place, "expected": known.expected, "fix": known.fix}
        home.tell("error", type=type(known).__name__, **parts)
        return known.exit_code
    home.tell("done", outcome=asdict(outcome))
    home.stream.flush()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # libraries' exit handlers and threads are none of the runner's business
