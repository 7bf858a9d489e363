"""Time our scorer against lm-evaluation-harness on the same tiny model, tasks and machine.

    python bench/evaluation/speed.py --peer PEER/bin/python [--docs 48] [--rounds 3] [--tasks passages letters …]

PEER is an environment of its own with lm_eval[hf]==0.4.13 and torch==2.13.0 (CPU). Both sides use one thread, float32,
batch 8, and are timed in CPU seconds from the task files to the metrics, without imports and loading; rounds alternate
and medians are compared. `dense` is our time over that of one plain batch-8 forward pass over as many tokens as the
tree has nodes, in rows as long as the contexts, plus the output layer on as many rows as are scored.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
BATCH, MAX_LENGTH = 8, 1024
TASKS = ("passages", "letters", "five_shot", "inside", "short")
BARS = {"passages": 5.0, "letters": 2.5, "five_shot": 8.0, "inside": 1.5, "short": 1.0}
LONG = ("passages", "letters")
"""Tasks with contexts of 200 tokens and more, compared with the dense pass."""


def words() -> list[str]:
    text = (ROOT / "src/newtongue/assets/sample/english.jsonl").read_text("utf-8")
    found = " ".join(json.loads(line)["text"] for line in text.splitlines()).split()
    return found[:20000]


def write_model(folder: Path) -> None:
    """Write a random Llama of 21.7 million weights, 12.3 of them the tied embedding of 32,000 rows."""
    sys.path.insert(0, str(ROOT / "src"))
    from newtongue.adapters.hf.create import create_llama, train_tokenizer

    pool = words()
    train_tokenizer([" ".join(pool[k : k + 50]) for k in range(0, len(pool), 50)], 4000, folder, max_positions=2048)
    model = create_llama(
        rows=32000, hidden_size=384, layers=5, heads=6, intermediate_size=1104, max_positions=2048, tied=True,
        end_of_text=0, seed=0,
    )  # fmt: skip
    print(f"model: {model.num_parameters() / 1e6:.1f} M weights")
    model.save_pretrained(folder)


def write_tasks(folder: Path, docs: int) -> None:
    random, pool = Random(3), words()

    def text(count: int) -> str:  # passages differ in length as real ones do
        begin = random.randrange(len(pool) - count)
        return " ".join(pool[begin : begin + count])

    rows: dict[str, list[dict[str, Any]]] = {
        "passages": [
            {
                "c": text(random.randrange(150, 520)),
                "q": text(12),
                "o": [text(9) for _ in range(4)],
                "a": random.randrange(4),
            }
            for _ in range(docs)
        ],
        "letters": [
            {
                "c": text(random.randrange(150, 520)),
                "q": text(12),
                "o": [text(9) for _ in range(4)],
                "a": random.randrange(4),
            }
            for _ in range(docs)
        ],
        "five_shot": [{"c": text(9), "o": [text(6), text(6)], "a": random.randrange(2)} for _ in range(docs)],
        "shots": [{"c": text(12), "o": [text(8), text(8)], "a": random.randrange(2)} for _ in range(5)],
        "inside": [{"c": text(45), "h": text(14), "a": random.randrange(3)} for _ in range(docs)],
        "short": [{"c": text(7), "o": [text(5), text(5)], "a": random.randrange(2)} for _ in range(docs)],
    }
    for name, found in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    base = {"output_type": "multiple_choice", "dataset_path": "json", "test_split": "test", "doc_to_target": "a"}
    own: dict[str, dict[str, Any]] = {
        "passages": {"doc_to_text": "{{c}}\n\n{{q}}", "doc_to_choice": "o"},
        "letters": {
            "doc_to_text": "{{c}}\n\n{{q}}\nA. {{o[0]}}\nB. {{o[1]}}\nC. {{o[2]}}\nD. {{o[3]}}\nAnswer:",
            "doc_to_choice": ["A", "B", "C", "D"],
        },
        "five_shot": {
            "doc_to_text": "{{c}} because", "doc_to_choice": "o", "num_fewshot": 5, "fewshot_split": "train",
            "fewshot_config": {"sampler": "first_n"},
        },
        "inside": {
            "doc_to_text": "",
            "doc_to_choice": "{{[c+', right? Yes, '+h, c+', right? Also, '+h, c+', right? No, '+h]}}",
        },
        "short": {"doc_to_text": "{{c}} because", "doc_to_choice": "o"},
    }  # fmt: skip
    for name, keys in own.items():
        files = {"test": f"{name}.jsonl", **({"train": "shots.jsonl"} if name == "five_shot" else {})}
        (folder / f"{name}.yaml").write_text(
            json.dumps({"task": name, **base, **keys, "dataset_kwargs": {"data_files": files}})
        )


def run_ours(folder: Path, tasks: list[str]) -> dict[str, Any]:
    """Time every task, and the dense pass over its nodes."""
    sys.path.insert(0, str(ROOT / "src"))
    import torch

    from newtongue.adapters.harness.task_file import read_task
    from newtongue.adapters.hf import tree_scoring
    from newtongue.adapters.hf.models import load_model, load_tokenizer
    from newtongue.stages.eval.asking import figures, run_task
    from newtongue.stages.eval.backend import ModelBackend
    from newtongue.stages.eval.items import load_task
    from newtongue.stages.eval.rows import Wanted

    torch.set_num_threads(1)
    backend = ModelBackend(load_model(folder / "model", "float32").eval(), load_tokenizer(folder / "model"), MAX_LENGTH)
    trees: list[Any] = []
    kept = tree_scoring.score_tree

    def noting(scorer: Any, tree: Any, *rest: Any) -> Any:
        trees.append(tree)
        return kept(scorer, tree, *rest)

    backend.facts()
    tree_scoring.score_tree = noting  # type: ignore[assignment]
    found = {}
    for name in tasks:
        trees.clear()
        begin = time.process_time()
        task = load_task(read_task(folder / f"{name}.yaml"), Wanted())
        judged, _ = run_task(task, backend)
        seconds = time.process_time() - begin
        logprobs = [one.details["logprobs"] for one in judged if one.details]
        facts = {"nodes": trees[0].nodes, "padded": trees[0].padded, "acc": figures(task, judged)["acc"]["value"]}
        facts["head_rows"] = sum(len(set(map(int, row.nodes))) for rows in trees[0].rows.values() for row in rows)
        if name in LONG:
            facts["dense"] = dense(backend.model, trees[0].nodes, facts["head_rows"], len(task.items))
        found[name] = {"seconds": seconds, "logprobs": logprobs, **facts}
    return found


def dense(model: Any, nodes: int, head_rows: int, rows: int) -> float:
    """Return CPU seconds of a plain batch-8 forward pass over as many tokens, with the output layer where scored."""
    import torch

    width = nodes // rows
    with torch.inference_mode():
        for warm in (True, False):
            begin, left = time.process_time(), 1 if warm else nodes
            while left > 0:
                ids = torch.randint(0, 32000, (min(BATCH, -(-left // width)), width))
                states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
                left -= ids.numel()
            for place in range(0, head_rows, 512):
                logits = model.get_output_embeddings()(states.flatten(0, 1)[: min(512, head_rows - place)]).float()
                torch.logsumexp(logits, -1)
    return time.process_time() - begin


def run_peer(folder: Path, tasks: list[str]) -> dict[str, Any]:
    """Time every task in lm-evaluation-harness; run by the peer's Python."""
    import torch
    from lm_eval import evaluator
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    model = HFLM(
        pretrained=str(folder / "model"), dtype="float32", max_length=MAX_LENGTH, batch_size=BATCH, device="cpu"
    )
    os.chdir(folder)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = {}
    for name in tasks:
        begin = time.process_time()
        done = evaluator.simple_evaluate(
            model, tasks=[name], task_manager=manager, bootstrap_iters=0, log_samples=True, verbosity="ERROR"
        )
        seconds = time.process_time() - begin
        samples = sorted(done["samples"][name], key=lambda s: s["doc_id"])
        logprobs = [[float(r[0][0]) for r in s["resps"]] for s in samples]
        found[name] = {"seconds": seconds, "logprobs": logprobs, "acc": done["results"][name]["acc,none"]}
    return found


def child(python: str, side: str, folder: Path, tasks: list[str]) -> dict[str, Any]:
    command = [python, str(HERE), "--side", side, "--folder", str(folder), "--tasks", *tasks]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads((folder / f"{side}.json").read_text()))


def report(rounds: list[dict[str, dict[str, Any]]], tasks: list[str]) -> None:
    print(
        f"{'task':<10} {'ours s':>8} {'lm-eval s':>10} {'ratio':>7} {'bar':>5} {'dense':>7} {'nodes':>8} {'max |Δ|':>9}"
    )
    for name in tasks:
        ours = statistics.median(r["ours"][name]["seconds"] for r in rounds)
        peer = statistics.median(r["peer"][name]["seconds"] for r in rounds)
        pairs = zip(rounds[0]["ours"][name]["logprobs"], rounds[0]["peer"][name]["logprobs"], strict=True)
        worst = max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True))
        floor = [r["ours"][name]["seconds"] / r["ours"][name]["dense"] for r in rounds if "dense" in r["ours"][name]]
        shown = f"{statistics.median(floor):.2f}x" if floor else ""
        ratio, verdict = peer / ours, "" if peer / ours >= BARS[name] else "  below"
        print(
            f"{name:<10} {ours:>8.2f} {peer:>10.2f} {ratio:>6.1f}x {BARS[name]:>4.1f}x {shown:>7} "
            f"{rounds[0]['ours'][name]['nodes']:>8} {worst:>9.1e}{verdict}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="python")
    parser.add_argument("--docs", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--side", choices=["ours", "peer"])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side:
        found = (run_ours if given.side == "ours" else run_peer)(given.folder, given.tasks)
        (given.folder / f"{given.side}.json").write_text(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        write_tasks(folder, given.docs)
        rounds = []
        for _ in range(given.rounds):
            ours = child(sys.executable, "ours", folder, given.tasks)
            rounds.append({"ours": ours, "peer": child(given.peer, "peer", folder, given.tasks)})
        report(rounds, given.tasks)


if __name__ == "__main__":
    main()
