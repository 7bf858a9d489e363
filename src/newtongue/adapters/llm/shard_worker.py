"""One shard at work: asks the requests that fall to it, with its own ledger, and says how it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from newtongue.adapters.llm.recall import Missing
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded, NewtongueError, ProviderError
from newtongue.core.process import die_with_parent
from newtongue.core.teacher import Sending, Teacher


def run_shard(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Ask everything that falls to a shard; return how it ended.

    A shard that finds no usable answer gives up: it knows little of the endpoint, the stage decides what that means.
    """
    teachers = {name: Teacher.model_validate(one) for name, one in spec["teachers"].items()}
    sending, folder = Sending.model_validate(spec["sending"]), Path(spec["folder"])
    try:
        with open_teachers(teachers, folder, spec["stage"], sending=sending) as opened:
            opened.send(mine(spec))
    except BudgetExceeded:
        return {"ended": "budget"}
    except ProviderError:
        return {"ended": "gave up"}
    except NewtongueError as error:
        return {"ended": "error", "problem": error.text()}
    return {"ended": "done"}


def mine(spec: Mapping[str, Any]) -> Iterator[Missing]:
    """Yield the requests whose key falls to a shard."""
    with open(spec["requests"], encoding="utf-8") as lines:
        for line in lines:
            request = Missing(*json.loads(line))
            if int(request.key[:8], 16) % spec["shards"] == spec["number"]:
                yield request


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
