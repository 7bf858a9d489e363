"""Does choosing rows beat drawing them, at equal size, when nothing in the pool is rubbish?

    python experiments/selection.py runs/selection [rows]

nano-en learns some Urdu first. The pool is what the offline teacher wrote, all of it clean, graded by a quality scorer;
a third of the rows stands in it four times with small changes, as repeated prompting produces them. Five ways of
choosing the same number of rows, three seeds each, fine-tuned and measured through the ordinary stages: bits per byte
of held-out answers, with intervals over seeds and answers. About fifteen minutes of one core. `selection.svg` appears
beside the store.
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
from newtongue.methods.ladder import Rung
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


def drawing(rungs: list[Rung]) -> str:
    """Return a chart: a row per method with its interval, a dot for the mean and a ring per seed."""
    low, high = min(r.value.low for r in rungs), max(r.value.high for r in rungs)

    def x(value: float) -> float:
        return 130 + 490 * (value - low) / (high - low)

    lines = []
    for number, rung in enumerate(sorted(rungs, key=lambda rung: rung.value.value)):
        y, v = 34 + 30 * number, rung.value
        lines += [
            f'<text x="118" y="{y + 4}" text-anchor="end">{rung.method}</text>',
            f'<line x1="{x(v.low):.1f}" x2="{x(v.high):.1f}" y1="{y}" y2="{y}" stroke="#0f766e" stroke-width="2"/>',
            *(f'<circle cx="{x(seed):.1f}" cy="{y}" r="5" fill="none" stroke="#b45309"/>' for seed in rung.seeds),
            f'<circle cx="{x(v.value):.1f}" cy="{y}" r="3.5" fill="#0f766e"/>',
        ]
    foot = 40 + 30 * len(rungs)
    lines += [f'<text x="{x(v):.1f}" y="{foot}" text-anchor="middle">{v:.2f}</text>' for v in (low, high)]
    title = f"Bits per byte of held-out answers after {rungs[0].size} rows"
    size = f'viewBox="0 0 640 {foot + 10}" font-family="sans-serif" font-size="13"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        f'<rect width="640" height="{foot + 10}" fill="#fff"/><text x="8" y="16">{title}</text>{"".join(lines)}</svg>\n'
    )


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
    (out / "selection.svg").write_text(drawing(next(iter(found.curves.values()))), "utf-8")
    for name, rungs in found.curves.items():
        for rung in sorted(rungs, key=lambda rung: rung.value.value):
            value, against = rung.value, rung.against_control
            told = f"{against.value:+.4f} [{against.low:+.4f}, {against.high:+.4f}]" if against else ""
            print(f"{name} {rung.method:14} {value.value:.4f} [{value.low:.4f}, {value.high:.4f}] {told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
