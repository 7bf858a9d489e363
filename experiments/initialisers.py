"""Where new rows should start: bits per byte before any training and after a little, per initialiser.

    python experiments/initialisers.py ../shared/data/corpus --out runs/initialisers [--languages ur hi sw] [--seeds 3]
        [--methods subword_mean vocadt …]
    python experiments/initialisers.py --draw runs/initialisers/results.json docs/initialisers.md docs/initialisers.svg

The shipped nano model gets 800 tokens of each language, learnt on 112 documents; everything but the start of the new
rows is the same. It is then trained on a few thousand tokens of the same text (new rows and all other weights; old
rows rest, as in the demo). Measured on held-out documents and on English chapters, before and after. Prints a table
per language and writes `results.json`; a run that was cut off goes on where it stopped. Half an hour of one core.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from newtongue.adapters.hf.checkpoint import open_checkpoint
from newtongue.adapters.hf.embeddings import fit_rows
from newtongue.adapters.hf.models import load_model
from newtongue.adapters.hf.row_statistics import row_statistics
from newtongue.adapters.hf.tokenizers import load_tokenizer
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.methods.vocabulary_size import ModelSize
from newtongue.stages.tokenizer.auxiliary import Vocabulary
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.initialise import initialise
from newtongue.stages.tokenizer.initialisers import Material
from newtongue.stages.tokenizer.plan import Ground, plan_expansion
from newtongue.stages.tokenizer.protect import ProtectedSet, protection

METHODS = (
    "random_normal", "mean", "mean_noise", "multivariate_normal", "lexical", "subword_mean", "wechsel", "focus",
    "constrained_word2vec", "vocadt", "token_distillation",
)  # fmt: skip
"""`ofa` equals `wechsel` without word vectors; `clp`, `omp` and `zett` need a donor or a hypernetwork."""
DRAWN = ("random_normal", "mean_noise", "multivariate_normal")
"""Drawn anew with each seed; the others are made once, and seeds differ in the order of training alone."""
LEARNT = {"learning": {"tokens": 40_000, "sequence_length": 128, "sequences_per_step": 8, "learning_rate": 3e-3}}
NEW_TOKENS, TRAIN_BYTES, HELDOUT_BYTES = 800, 400_000, 8_000
TRAIN_TOKENS, SEQUENCE, BATCH = 12_288, 128, 8
ROW_RATE, OTHER_RATE = 3e-3, 5e-4


UNSEEN_BOOK = "standardebooks/h-g-wells_the-war-of-the-worlds"
"""A book the nano model never read."""


def texts(file: Path, source: str | None = None) -> list[str]:
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [row["text"] for row in rows if source is None or row["source"] == source]


def within(documents: list[str], most_bytes: int) -> list[str]:
    chosen, size = [], 0
    for document in documents:
        if chosen and size + len(document.encode()) > most_bytes:
            continue
        chosen.append(document)
        size += len(document.encode())
    return chosen


def cut(documents: list[str], most_bytes: int) -> list[str]:
    """Return the beginnings of documents, 2 kB each, up to a size."""
    parts = [document.encode()[:2000].decode(errors="ignore") for document in documents]
    return within(parts, most_bytes)


def bits_per_byte(model: Any, encode: Any, some: list[str]) -> float:
    """Score texts from their first byte, each after the end-of-text token."""
    nats, size = 0.0, 0
    with torch.no_grad():
        for text in some:
            ids = torch.tensor([[0, *encode(text)]])
            for at in range(0, ids.shape[1] - 1, 1000):
                part = ids[:, at : at + 1001]
                logits = model(input_ids=part[:, :-1], use_cache=False).logits[0].float()
                nats += float(torch.nn.functional.cross_entropy(logits, part[0, 1:], reduction="sum"))
            size += len(text.encode())
    return nats / math.log(2) / size


class Language:
    """One language: the expanded vocabulary, text, and a place to make rows."""

    def __init__(self, name: str, folder: Path, scratch: Path) -> None:
        self.base = Path(str(files("newtongue"))) / "assets" / "nano-en"
        documents = texts(folder / f"{name}.docs.jsonl")
        self.train = within([d for n, d in enumerate(documents) if n % 4 != 3], TRAIN_BYTES)
        self.heldout = cut(documents[3::4], HELDOUT_BYTES)
        self.english = cut(texts(folder / "en.books.jsonl", UNSEEN_BOOK), HELDOUT_BYTES)
        self.kept = within(texts(folder / "en.books.jsonl")[:20], 300_000)
        self.checkpoint, old = open_checkpoint(self.base), load_tokenizer(self.base)
        sets = [ProtectedSet("english", "eng_Latn", lambda: iter(self.kept))]
        config = TokenizerConfig(model="./model", corpus="./corpus", new_tokens=NEW_TOKENS)
        stored = self.checkpoint
        size = ModelSize(stored.parameters, stored.rows, stored.hidden, stored.tied)
        plan = plan_expansion(config, old, Ground(self.train, sets, protection([old], sets), size, old.last_id + 1))
        self.plan, rows = plan, self.checkpoint.rows
        self.vocabulary = Vocabulary(old, plan.tokenizer, plan.first_id, plan.tokens, plan.pieces, rows, self.train)
        self.encode = lambda text: plan.tokenizer.backend.encode(text, add_special_tokens=False).ids
        self.made: dict[tuple[str, int], tuple[torch.Tensor, dict[str, Any], float]] = {}
        quiet = lambda *_args, **_facts: None  # noqa: E731
        inputs = {"./model": Artefact("Model", self.base, name="./model")}
        self.context = Context(scratch, scratch, scratch, inputs, scratch, quiet, quiet)

    def rows(self, method: str, seed: int) -> tuple[torch.Tensor, dict[str, Any]]:
        config = TokenizerConfig(model="./model", corpus="./corpus", init={"input": method, **LEARNT})
        material = Material(self.vocabulary, self.checkpoint, self.context, config.initialisation, seed)
        made, matrix = initialise(material, self.kept), self.checkpoint.input
        used = np.arange(self.plan.first_id)
        values = np.concatenate(
            [*fit_rows(matrix, made.input, row_statistics(matrix, used, str, made.input.spread), 0)]
        )
        return torch.from_numpy(values), made.facts

    def model(self, new: torch.Tensor) -> Any:
        model: Any = load_model(self.base, "float32")
        old = model.get_input_embeddings().weight.data[: self.plan.first_id]
        model.resize_token_embeddings(self.plan.first_id + len(new), mean_resizing=False)
        model.get_input_embeddings().weight.data.copy_(torch.cat([old, new]))
        return model

    def sequences(self, seed: int) -> Iterator[torch.Tensor]:
        ids = np.concatenate([[0, *self.encode(text)] for text in self.train])
        starts = np.random.default_rng(seed).permutation(len(ids) // SEQUENCE - 1) * SEQUENCE
        for at in range(0, TRAIN_TOKENS // SEQUENCE, BATCH):
            chosen = [starts[(at + k) % len(starts)] for k in range(BATCH)]
            yield torch.from_numpy(np.stack([ids[s : s + SEQUENCE + 1] for s in chosen]))


def train(language: Language, model: Any, seed: int) -> None:
    """AdamW, constant rates; the rows of old tokens rest."""
    table = model.get_input_embeddings().weight
    rest = [p for p in model.parameters() if p is not table]
    groups = [{"params": [table], "lr": ROW_RATE}, {"params": rest, "lr": OTHER_RATE}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
    for batch in language.sequences(seed):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        table.grad[: language.plan.first_id] = 0
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()


def measure(language: Language, method: str, seed: int) -> dict[str, Any]:
    key = method, seed if method in DRAWN else 0
    if key not in language.made:
        begun = time.process_time()
        language.made[key] = (*language.rows(*key), time.process_time() - begun)
    new, facts, seconds = language.made[key]
    model = language.model(new).eval()
    found: dict[str, Any] = {"seconds": round(seconds, 2), "fallback": facts["input"]["fallback_tokens"]}
    found["bound"] = facts["certificate"]["expected_bits"]
    found["before"] = bits_per_byte(model, language.encode, language.heldout)
    found["english_before"] = bits_per_byte(model, language.encode, language.english)
    train(language, model.train(), seed)
    model.eval()
    found["after"] = bits_per_byte(model, language.encode, language.heldout)
    found["english_after"] = bits_per_byte(model, language.encode, language.english)
    return found


def run(folder: Path, out: Path, languages: list[str], seeds: int, methods: list[str]) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.json"
    results: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    loaded: dict[str, Language] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for method in methods:
            for seed in range(seeds):
                for name in languages:
                    key = f"{name} {method} {seed}"
                    if key in results:
                        continue
                    if name not in loaded:
                        loaded[name] = Language(name, folder, Path(scratch))
                    results[key] = measure(loaded[name], method, seed)
                    file.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
                    print(key, results[key], flush=True)
    print(table(results))


def grouped(results: dict[str, Any]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for key, facts in sorted(results.items(), key=lambda item: METHODS.index(item[0].split()[1])):
        language, method, _seed = key.split()
        found.setdefault(language, {}).setdefault(method, []).append(facts)
    return found


def spread(values: list[float]) -> str:
    middle = statistics.fmean(values)
    return f"{middle:.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def table(results: dict[str, Any]) -> str:
    """Return one Markdown table per language: mean and standard deviation over seeds."""
    keys = ("before", "after", "english_before", "english_after")
    lines = []
    for language, methods in grouped(results).items():
        seeds = max(map(len, methods.values()))
        lines += [
            f"\n**{language}**, {seeds} seed{'s' if seeds > 1 else ''}\n",
            "| start of new rows | step 0 | after | English, step 0 | English, after | bound, bits | fallback | s |",
        ]
        lines.append("|---|---:|---:|---:|---:|---:|---:|---:|")
        for method, runs in methods.items():
            cells = [spread([r[key] for r in runs]) for key in keys]
            bound = "–" if runs[0]["bound"] is None else f"{runs[0]['bound']:.3f}"
            seconds = statistics.median(r["seconds"] for r in runs)
            lines.append(f"| `{method}` | {' | '.join(cells)} | {bound} | {runs[0]['fallback']} | {seconds:.1f} |")
    return "\n".join(lines)


def publish(source: Path, page: Path, plot: Path) -> None:
    """Write the tables into a page, between its marks, and the plot beside it."""
    text, begin, end = page.read_text("utf-8"), "<!-- results:begin -->", "<!-- results:end -->"
    before, after = text.split(begin)[0], text.split(end)[1]
    made = table(json.loads(source.read_text("utf-8"))).strip()
    page.write_text(f"{before}{begin}\n\n{made}\n\n{end}{after}", "utf-8")
    draw(source, plot)


def draw(source: Path, target: Path) -> None:
    """Draw bits per byte before and after as one SVG: a panel per language, a row per method."""
    found = grouped(json.loads(source.read_text("utf-8")))
    width, line, left, panel = 820, 20, 170, 200
    height = 70 + line * len(METHODS)
    font = 'font-family="sans-serif" font-size="11"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {font}>']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for n, (language, methods) in enumerate(found.items()):
        values = [r[key] for runs in methods.values() for r in runs for key in ("before", "after")]
        low, high = math.log2(min(values) * 0.95), math.log2(max(values) * 1.05)
        x0 = left + n * (panel + 15)
        place = lambda v, x0=x0, low=low, high=high: x0 + (math.log2(v) - low) / (high - low) * panel  # noqa: E731
        parts.append(f'<text x="{x0}" y="20" font-weight="bold">{language}</text>')
        ticks = [t for t in (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32) if low <= math.log2(t) <= high]
        for tick in ticks:
            x = place(tick)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="28" y2="{height - 30}" stroke="#ddd"/>')
            parts.append(f'<text x="{x:.1f}" y="{height - 16}" text-anchor="middle" fill="#555">{tick:g}</text>')
        for row, method in enumerate(METHODS):
            y = 42 + row * line
            if n == 0:
                parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{method}</text>')
            for run_ in methods.get(method, []):
                parts.append(
                    f'<circle cx="{place(run_["before"]):.1f}" cy="{y}" r="3.5" fill="none" stroke="#b3541e"/>'
                )
                parts.append(f'<circle cx="{place(run_["after"]):.1f}" cy="{y}" r="3.5" fill="#1f6f8b"/>')
    label = (
        f"bits per byte on held-out text, logarithmic: open before training, full after {TRAIN_TOKENS:,} tokens; "
        "one mark per seed"
    )
    parts.append(f'<text x="{left}" y="{height - 3}" fill="#333">{label}</text></svg>')
    target.write_text("\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/initialisers"))
    parser.add_argument("--languages", nargs="+", default=["ur", "hi", "sw"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, help="done one after the other")
    parser.add_argument("--draw", nargs=3, type=Path, metavar=("RESULTS", "PAGE", "PLOT"))
    options = parser.parse_args()
    if options.draw:
        publish(*options.draw)
    else:
        run(options.data, options.out, options.languages, options.seeds, options.methods)
