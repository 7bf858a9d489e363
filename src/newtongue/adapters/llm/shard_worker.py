"""One shard at work: asks the questions that fall to it, with its own ledger, and says how it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from newtongue.adapters.llm.questions import Passage, Question, Voice
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded, NewtongueError
from newtongue.core.process import die_with_parent
from newtongue.core.teacher import Sending, Teacher


def run_shard(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Ask everything that falls to a shard; return how it ended."""
    teacher, name = Teacher.model_validate(spec["teacher"]), str(spec["name"])
    sending, folder = Sending.model_validate(spec["sending"]), Path(spec["folder"])
    voice = Voice(name, teacher)
    try:
        with open_teachers({name: teacher}, folder, spec["stage"], sending=sending) as teachers:
            for _ in teachers.stream(mine(spec, voice)):
                pass
    except BudgetExceeded:
        return {"ended": "budget"}
    except NewtongueError as error:
        return {"ended": "error", "problem": error.text()}
    return {"ended": "done"}


def mine(spec: Mapping[str, Any], voice: Voice) -> Iterator[Question]:
    """Yield the questions whose key falls to a shard."""
    with open(spec["questions"], encoding="utf-8") as lines:
        for line in lines:
            facts = json.loads(line)
            passage = Passage(**facts.pop("passage")) if facts["passage"] else facts.pop("passage")
            question = Question(**facts, passage=passage, reasks=0)
            if int(voice.key(question, voice.body(question))[:8], 16) % spec["shards"] == spec["number"]:
                yield question


def main() -> None:
    """Run the shard given on the command line as the child of a coordinator."""
    die_with_parent()
    spec = json.loads(sys.argv[1])
    ended = run_shard(spec)
    part = Path(spec["folder"]) / "result.part"
    part.write_text(json.dumps(ended), "utf-8")
    part.rename(part.with_name("result.json"))


if __name__ == "__main__":
    main()
