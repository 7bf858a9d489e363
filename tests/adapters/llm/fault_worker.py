"""A run that may be killed at any moment: asks a number of questions and writes down what it got, ordered by row."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from newtongue.adapters.llm.questions import Question, Reply
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import NewtongueError
from newtongue.core.process import die_with_parent
from newtongue.core.teacher import Sending, Teacher

PRICES = {"usd_per_million_input_tokens": 1.0, "usd_per_million_output_tokens": 2.0}


def question(number: int) -> Question:
    """The question of one row."""
    return Question([{"role": "user", "content": f"row {number}: say something"}], id=f"{number:06d}", seed=number)


def shown(reply: Reply) -> list[str]:
    """What is exported of a row."""
    return [reply.state, reply.text if reply.state == "answered" else reply.why.partition(",")[0]]


def main() -> int:
    """Ask; 0 when every row has its verdict, else the error's exit code."""
    settings = json.loads(sys.argv[1])
    die_with_parent()
    teacher = Teacher.model_validate({"url": settings["url"], "model": "m", "max_tokens": 60, **PRICES})
    how = {"concurrency": settings["concurrency"], "shards": settings.get("shards", 1)}
    sending = Sending(timeout_seconds=1.0, max_attempts=6, backoff_seconds=0.02, **how)
    rows = {}
    try:
        with open_teachers({"": teacher}, Path(settings["store"]), "synth", sending=sending) as teachers:
            for asked, reply in teachers.stream(question(i) for i in range(settings["rows"])):
                rows[asked.id] = shown(reply)
    except NewtongueError as error:
        sys.stderr.write(str(error))
        return error.exit_code
    Path(settings["out"]).write_text(json.dumps(rows, sort_keys=True, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
