"""Prove that a run may die at any moment: kill it again and again, resume it, compare every digest.

    python bench/prove.py                                  the demo at full size, twenty kills: about an hour
    python bench/prove.py demo --rehearse --kills 5        the same at rehearsal size: minutes
    python bench/prove.py RECIPE --set key.sub=value --out DIR --json

Four stores are made in DIR and compared, stage by stage (a report by its `facts.json`):

* `clean`: one uninterrupted run;
* `killed`: one run killed (`kill -9` of the whole process group) at random moments, resumed each time;
* `sealing`: one run killed between each stage's payload and its manifest, resumed each time;
* `together`: two runs started at once, one of them killed in the middle.

Leaves with 0 when all digests are equal and 1 when one is not.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from newtongue.run.recipe import Recipe, load, rehearse

STORES = ("killed", "sealing", "together")
OFTEN_SECONDS = 2.0
"""How often training saves its state here; operational, so that it changes nothing but what a kill costs."""


def main() -> int:
    """Make the four stores, print the table, say whether all is equal."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = Path(options.out or tempfile.mkdtemp(prefix="prove-")).absolute()
    recipe = load(options.recipe, options.set)
    recipe = rehearse(recipe) if options.rehearse else recipe
    command = _command(options, recipe)
    kills = {"clean": _clean(command, out / "clean")}
    if "killed" in options.only:
        kills["killed"] = _killed(command, out / "killed", out / "clean", options.kills, random.Random(options.seed))
    if "sealing" in options.only:
        kills["sealing"] = _killed_while_sealing(command, out / "sealing", [step.name for step in recipe.steps])
    if "together" in options.only:
        kills["together"] = _together(command, out / "together", out / "clean")
    result = {"out": str(out), "kills": kills, "stages": compare(out, list(kills))}
    result["equal"] = all(stage["equal"] for stage in result["stages"].values())
    (out / "prove.json").write_text(json.dumps(result, indent=2), "utf-8")
    print(json.dumps(result, indent=2) if options.json else table(result))
    if not options.keep and result["equal"]:
        shutil.rmtree(out)
    return 0 if result["equal"] else 1


def manifests(store: Path) -> dict[str, dict[str, Any]]:
    """Return stage name -> manifest of every sealed stage of a store."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted(store.glob("*/manifest.json"))]
    return {facts["name"]: facts for facts in found}


def compare(out: Path, stores: list[str]) -> dict[str, dict[str, Any]]:
    """Return for each stage its digest in each store, whether all are equal, and what it took."""
    facts = {store: manifests(out / store) for store in stores}
    rows = {}
    for name, clean in facts["clean"].items():
        digests = {store: facts[store].get(name, {}).get("digest", "missing") for store in stores}
        attempts = {store: facts[store].get(name, {}).get("costs", {}).get("attempts", 0) for store in stores}
        rows[name] = {
            "digests": digests,
            "attempts": attempts,
            "seconds": clean["costs"]["seconds"],
            "equal": len(set(digests.values())) == 1,
        }
    return rows


def table(result: dict[str, Any]) -> str:
    """Return the result as lines of text."""
    stores = [store for store in result["kills"] if store != "clean"]
    lines = [f"{'stage':<20}{'seconds':>8}  {'digest':<10}{'equal':<7}attempts: {', '.join(stores)}"]
    for name, row in result["stages"].items():
        attempts = ", ".join(str(row["attempts"][store]) for store in stores)
        mark = "yes" if row["equal"] else "NO"
        lines.append(f"{name:<20}{row['seconds']:>8.1f}  {row['digests']['clean'][:8]:<10}{mark:<7}{attempts}")
    kills = ", ".join(f"{store} {number}" for store, number in result["kills"].items() if number)
    equal, stages = sum(row["equal"] for row in result["stages"].values()), len(result["stages"])
    return "\n".join([*lines, f"kills: {kills}; {equal} of {stages} stages have equal digests in all stores"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="demo")
    parser.add_argument("--kills", type=int, default=20, help="how often the run is killed at random moments")
    parser.add_argument("--only", nargs="+", choices=STORES, default=STORES, help="which stores to make beside `clean`")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--set", action="append", default=[], metavar="key.sub=value")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--out", help="folder of the stores; a temporary one otherwise")
    parser.add_argument("--keep", action="store_true", help="keep the stores although all is equal")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _command(options: argparse.Namespace, recipe: Recipe) -> list[str]:
    """Return the command line of a run; training saves often, which must change nothing."""
    often = [
        f"{s.name}.save_every_seconds={OFTEN_SECONDS}" for s in recipe.steps if hasattr(s.config, "save_every_seconds")
    ]
    sets = [argument for text in [*options.set, *often] for argument in ("--set", text)]
    size = ["--rehearse"] if options.rehearse else []
    return [sys.executable, "-m", "newtongue.cli.main", "run", options.recipe, *size, *sets]


def _start(command: list[str], store: Path) -> subprocess.Popen[bytes]:
    store.parent.mkdir(parents=True, exist_ok=True)
    with open(store.with_suffix(".log"), "ab") as log:
        process = subprocess.Popen([*command, "--out", str(store)], stdout=log, stderr=log, start_new_session=True)
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running when this program ends."""
    if process.poll() is None:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _finish(command: list[str], store: Path) -> None:
    process = _start(command, store)
    if process.wait() != 0:
        sys.exit(
            f"the run in {store} ended with {process.returncode}:\n{store.with_suffix('.log').read_text()[-2000:]}"
        )


def _clean(command: list[str], store: Path) -> int:
    _finish(command, store)
    return 0


def _killed(command: list[str], store: Path, clean: Path, kills: int, moments: random.Random) -> int:
    """Kill at moments drawn evenly over the work of a clean run; return how many kills hit a living run."""
    seconds = {name: facts["costs"]["seconds"] for name, facts in manifests(clean).items()}
    for number, moment in enumerate(sorted(moments.uniform(0, sum(seconds.values())) for _ in range(kills))):
        process = _start(command, store)
        sealed, since = set(manifests(store)), time.monotonic()
        while sum(seconds[name] for name in sealed) + time.monotonic() - since < moment:
            if process.poll() is not None:
                return number
            time.sleep(0.02)
            if (now := set(manifests(store))) != sealed:
                sealed, since = now, time.monotonic()
        _kill(process)
    _finish(command, store)
    return kills


def _killed_while_sealing(command: list[str], store: Path, names: list[str]) -> int:
    """Kill each time a stage has written its card, which comes after the payload and before the manifest."""
    kills, hit = 0, set[str]()
    process = _start(command, store)
    while process.poll() is None and len(hit) < len(names):
        for card in store.glob("*/card.md"):
            if card.parent.name not in hit and not (card.parent / "manifest.json").exists():
                hit.add(card.parent.name)
                _kill(process)
                kills += not (card.parent / "manifest.json").exists()
                card.unlink()
                process = _start(command, store)
                break
        time.sleep(0.0005)
    process.wait()
    _finish(command, store)
    return kills


def _together(command: list[str], store: Path, clean: Path) -> int:
    seconds = sum(facts["costs"]["seconds"] for facts in manifests(clean).values())
    first, second = _start(command, store), _start(command, store)
    try:
        first.wait(seconds / 3)
    except subprocess.TimeoutExpired:
        _kill(first)
    if second.wait() != 0:
        sys.exit(f"the second of two runs ended with {second.returncode}; see {store.with_suffix('.log')}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
