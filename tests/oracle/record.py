"""Record what lm-evaluation-harness 0.4.13 says of the oracle tasks; run by hand where it is installed.

    python tests/oracle/record.py MODEL_FOLDER OUT.json        with lm_eval[hf]==0.4.13 and torch==2.13.0

It scores the shipped nano-en, so that the recorded numbers need nothing but this repository to be checked.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from oracle_tasks import write_tasks


def record(model: Path, batch: int = 8, max_length: int = 256) -> dict[str, Any]:
    """Return task -> results and items."""
    import torch
    from lm_eval import evaluator
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        names = write_tasks(Path(folder))
        here = os.getcwd()
        os.chdir(folder)
        try:
            manager = TaskManager(include_path=folder, include_defaults=False)
            arguments = {"pretrained": str(model), "dtype": "float32", "max_length": max_length}
            found = evaluator.simple_evaluate(
                "hf", model_args=arguments, tasks=names, task_manager=manager, batch_size=batch, device="cpu",
                log_samples=True, bootstrap_iters=0,
            )  # fmt: skip
        finally:
            os.chdir(here)
    return {name: _task(found, name) for name in names}


def _task(found: dict[str, Any], name: str) -> dict[str, Any]:
    samples: dict[int, dict[str, Any]] = {}
    for sample in found["samples"][name]:
        kept = samples.setdefault(sample["doc_id"], {"resps": sample["resps"], "metrics": {}})
        label = sample["filter"]
        for metric in sample["metrics"]:
            kept["metrics"][metric if label == "none" else f"{metric},{label}"] = sample[metric]
    results = {k: v for k, v in found["results"][name].items() if isinstance(v, int | float)}
    return {"results": results, "items": [samples[k] for k in sorted(samples)]}


if __name__ == "__main__":
    recorded = record(Path(sys.argv[1]).resolve())
    Path(sys.argv[2]).write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n", "utf-8")
