"""One run of ours against the benchmark's server: `python ours.py URL ROWS CONCURRENCY FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import orjson

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Question
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.teacher import Sending, Teacher


def main() -> None:
    """Ask, write the answers as JSON lines in order, print how many there are."""
    url, rows, concurrency, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    Ledger(folder / "ledger.db", 10**12).close()
    teacher = Teacher(
        url=url, model="m", max_tokens=100, usd_per_million_input_tokens=1.0, usd_per_million_output_tokens=2.0
    )
    asked = (Question([{"role": "user", "content": f"Question {i}: tell me something."}], seed=i) for i in range(rows))
    got = 0
    sending = Sending(concurrency=concurrency, timeout_seconds=60)
    with open(folder / "rows.jsonl", "wb") as out:
        with open_teachers({"": teacher}, folder, "bench", sending=sending) as teachers:
            for question, reply in teachers.stream(asked):
                if reply.state == "answered":
                    got += 1
                    out.write(orjson.dumps([question.seed, reply.text]) + b"\n")
        spent = Ledger(folder / "ledger.db").spent()
    print(json.dumps({"rows": got, "usd": spent / 1e6}))


if __name__ == "__main__":
    main()
