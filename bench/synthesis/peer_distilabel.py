"""The same rows through distilabel: `python peer_distilabel.py URL ROWS CONCURRENCY FOLDER`, in its own environment."""

from __future__ import annotations

import json
import logging
import os
import sys

os.environ["DISTILABEL_LOG_LEVEL"] = "ERROR"
os.environ["HF_HUB_OFFLINE"] = "1"


def main() -> None:
    """Generate with one pipeline; a batch is as large as the concurrency, its own notion of requests in flight."""
    from distilabel.models.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    logging.disable(logging.WARNING)
    url, rows, concurrency, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    data = [{"instruction": f"Question {i}: tell me something."} for i in range(rows)]
    with Pipeline(name="bench", cache_dir=folder) as pipeline:
        load = LoadDataFromDicts(data=data, batch_size=concurrency)
        llm = OpenAILLM(model="m", base_url=url, api_key="none", timeout=60, generation_kwargs={"max_new_tokens": 100})  # type: ignore[arg-type]
        load >> TextGeneration(llm=llm, input_batch_size=concurrency)
    made = pipeline.run(use_cache=os.environ.get("RESUME") == "1", dataset_batch_size=concurrency)
    got = sum(1 for row in made["default"]["train"] if row["generation"])
    print(json.dumps({"rows": got}))


if __name__ == "__main__":
    main()
