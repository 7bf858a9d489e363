"""The offline teacher as a test bed: the stand-in's answers, and everything that can go wrong on the way to them.

    newtongue teacher --scenario faults.yaml

`methods.scenario` says what happens to which request, `adapters.llm.bed` does it. Translations, by chat or in the way
of a service (`/translate`, `/v2/translate`), go back letter for letter. `GET /meter` tells what was asked,
answered and billed, `POST /control` changes the scenario while it runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from newtongue.adapters.llm.bed import Bed
from newtongue.adapters.llm.requests import Price
from newtongue.core.errors import RecipeError
from newtongue.core.process import die_with_parent
from newtongue.methods.odd_answers import odd
from newtongue.methods.scenario import Scenario, unit
from newtongue.tools import toy_translator

SAMPLE: Final = files("newtongue") / "assets" / "sample"
QUALITY: Final = re.compile(r"\[quality (\d\.\d\d)\]")
"""Where a model of known strength says how good its answer is, for a judge of known noise to read."""
JUDGE_NOISE: Final = 0.1


def serve_bed(
    scenario: Scenario, port: int, ready: Callable[[str], None], write: Callable[[dict[str, Any]], str] | None = None
) -> None:
    """Serve a scenario on loopback until the process ends.

    Args:
        scenario: What goes wrong.
        port: Port to listen on; 0 takes a free one.
        ready: Called with the base url (up to `/v1`).
        write: Request body -> text; the stand-in's answers, and translations that go back, when left out.

    Raises:
        RecipeError: The port is taken.
    """
    asyncio.run(_serve(scenario, port, ready, write or toy_translator.write))


def make_bed(scenario: Scenario, write: Callable[[dict[str, Any]], str]) -> Bed:
    """Return a bed that plays a scenario; `POST /control` plays another."""
    bed = Bed(scenario.fault, lambda body: answer(bed_scenario[0], body, write))
    bed.translate, bed_scenario = toy_translator.serve, [scenario]

    def play(new: Scenario) -> None:
        bed_scenario[0] = new
        bed.behave, bed.latency, bed.price = new.fault, new.latency, Price(*new.price, new.character_price)
        bed.requests_per_second, bed.retry_after_seconds = new.requests_per_second, new.retry_after_seconds
        bed.odd = lambda fault, text: odd(fault, text, _texts(new.language))

    bed.control = lambda settings: play(read_scenario(settings))
    play(scenario)
    return bed


def answer(scenario: Scenario, body: dict[str, Any], write: Callable[[dict[str, Any]], str]) -> str:
    """Return what a model says: a grade of what a model of known strength wrote, or an answer of that strength."""
    content = str(body["messages"][-1]["content"])
    told = QUALITY.search(content)
    name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    if told:
        noisy = float(told[1]) + JUDGE_NOISE * (2 * unit(f"{scenario.seed}/judge/{name}") - 1)
        return str(min(5, max(1, round(1 + 4 * noisy))))
    if str(body.get("model")) in scenario.strengths:
        good = unit(f"{scenario.seed}/strength/{name}") < scenario.strengths[str(body["model"])]
        return f"[quality {0.9 if good else 0.2:.2f}] {write(body)}"
    return write(body)


def read_scenario(settings: Mapping[str, Any]) -> Scenario:
    """Return a scenario from plain settings.

    Raises:
        RecipeError: A key or a fault nobody knows.
    """
    try:
        return Scenario(**{**settings, "price": tuple(settings.get("price", (0.0, 0.0)))})
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error), place="scenario", expected=", ".join(Scenario.__dataclass_fields__)) from None


def load_scenario(file: Path) -> Scenario:
    """Return the scenario of a JSON file.

    Raises:
        RecipeError: The file is not there, is no JSON, or holds what nobody knows.
    """
    try:
        settings = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"the scenario cannot be read ({error})", place=str(file)) from None
    return read_scenario(settings)


@cache
def _texts(tag: str) -> dict[str, str]:
    file = SAMPLE / f"odd.{tag}.json"
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


async def _serve(scenario: Scenario, port: int, ready: Callable[[str], None], write: Callable[..., str]) -> None:
    bed = make_bed(scenario, write)
    try:
        await bed.serve(port)
    except OSError as error:
        raise RecipeError(f"port {port} cannot be used: {error.strerror}", fix="choose another --port") from None
    ready(bed.url)
    await asyncio.Event().wait()


def short_text(body: dict[str, Any]) -> str:
    """Return two dozen words that are the request's own; costs next to nothing."""
    content = str(body["messages"][-1]["content"])
    mark = hashlib.blake2b(content.encode(), digest_size=6).hexdigest()
    return f"answer {mark} to {content[:60]} " + "word " * 20


def main() -> None:
    """Serve the scenario given as JSON on the command line, as the child of a test: the url goes to standard output."""
    die_with_parent()
    settings = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    write = short_text if settings.pop("short", True) else toy_translator.write

    def say(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    serve_bed(read_scenario(settings), 0, say, write)


if __name__ == "__main__":
    main()
