"""The same rows through curator: `python peer_curator.py URL ROWS CONCURRENCY FOLDER`, in its own environment.

It fetches a tokenizer from the internet even for a private endpoint; a counting stand-in takes that tokenizer's place.
"""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_VIEWER": "0", "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"}
os.environ["CURATOR_DISABLE_RICH_DISPLAY"] = "1"


def main() -> None:
    """Generate with one LLM object."""
    import tiktoken

    class Counting:
        def encode(self, text: str, **_: object) -> list[int]:
            return [0] * (len(text) // 4 + 1)

    tiktoken.get_encoding = lambda _name: Counting()
    tiktoken.encoding_for_model = lambda _name: Counting()
    from bespokelabs import curator
    from datasets import Dataset

    url, rows, concurrency, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

    class Teller(curator.LLM):
        def prompt(self, row: dict[str, str]) -> str:
            return row["question"]

        def parse(self, row: dict[str, str], answer: str) -> dict[str, str]:
            return {"question": row["question"], "answer": answer}

    limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10, "max_concurrent_requests": concurrency}
    teller = Teller(
        model_name="gpt-4o-mini",
        backend="openai",
        backend_params={"base_url": url, "max_retries": 5, "require_all_responses": False, **limits},
        generation_params={"max_tokens": 100},
    )
    data = Dataset.from_list([{"question": f"Question {i}: tell me something."} for i in range(rows)])
    made = teller(data, working_dir=folder)
    made = getattr(made, "dataset", made)
    print(json.dumps({"rows": len(made)}))


if __name__ == "__main__":
    main()
