"""Does choosing rows beat drawing them, at equal size, when nothing in the pool is rubbish?

    python experiments/selection.py runs/selection [rows]

nano-en learns some Urdu first. The pool is what the offline teacher wrote, all of it clean, graded by a quality scorer;
a third of the rows stands in it four times with small changes, as repeated prompting produces them. Five ways of
choosing the same number of rows, three seeds each, fine-tuned and measured through the ordinary stages: bits per byte
of held-out answers, with intervals over seeds and answers. About fifteen minutes of one core.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.tables import read_conversations
from newtongue.core.artefact import Artefact
from newtongue.core.rows import Conversation
from newtongue.methods.selection import draw_order
from newtongue.run.ladder import ladder
from newtongue.run.recipe import build, load
from newtongue.run.runner import run

METHODS = ("length", "topk", "mdaq_cluster", "mdaq_mmr")
PRETRAIN_TOKENS = 250_000
COPIED_FRACTION = 1 / 3
PLEASE = "براہ کرم "


def copies(row: Conversation) -> list[dict[str, Any]]:
    """Three near-copies of a row: a politer prompt, an answer without its last mark, both."""
    prompt, answer = (turn["content"] for turn in row.messages[-2:])
    plain = {name: getattr(row, name) for name in ("language", "split", "group", "source", "license", "task")}
    shorter = answer.rstrip("۔.!؟")
    changed = ((PLEASE + prompt, answer), (prompt, shorter), (PLEASE + prompt, shorter))
    return [
        {**plain, "id": f"{row.id}+{number}", "prompt": asked, "completion": said}
        for number, (asked, said) in enumerate(changed, 1)
    ]


def pool(rows: list[Conversation], file: Path) -> None:
    train = [row for row in rows if row.split == "train"]
    order = draw_order([row.id for row in train], seed=0)
    chosen = {train[place].id for place in order[: round(COPIED_FRACTION * len(train))]}
    lines = []
    for row in rows:
        plain = {k: v for k, v in asdict(row).items() if k not in ("score", "flags")}
        lines.append(orjson.dumps(plain))
        lines += [orjson.dumps(copy) for copy in copies(row) if row.id in chosen]
    file.write_bytes(b"\n".join(lines))


def main(out: Path, keep: int) -> None:
    shipped = load("ladder")
    document = orjson.loads(orjson.dumps(dict(shipped.document)))
    stages = document["stages"]
    first = {name: stages[name] for name in ("corpus", "synth")}
    done = run(build({**document, "stages": first}, "pool", "experiments"), out / "store")
    rows = list(read_conversations(Artefact("Conversations", done.artefact("synth"), sealed=True)))
    pool(rows, out / "pool.jsonl")
    candidates = str((out / "pool.jsonl").resolve())
    stages["pretrain"]["tokens"] = PRETRAIN_TOKENS
    stages["quality"]["candidates"] = "$synth"
    stages["select"]["candidates"] = candidates
    stages["after"].pop("text")
    for name in ("pretrain", "sft", "after"):
        stages[name]["threads"] = 1
    found = ladder(build(document, "selection", "experiments"), [keep], out / "store", methods=METHODS)
    for name, rungs in found.curves.items():
        for rung in sorted(rungs, key=lambda rung: rung.value.value):
            value, against = rung.value, rung.against_control
            told = f"{against.value:+.4f} [{against.low:+.4f}, {against.high:+.4f}]" if against else ""
            print(f"{name} {rung.method:14} {value.value:.4f} [{value.low:.4f}, {value.high:.4f}] {told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
