"""Let a teacher write instruction data: plan a round, ask, judge in request order, until the quotas are full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext

from newtongue.adapters.languages import load_card
from newtongue.adapters.llm.client import ChatClient, Endpoint
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.offline import offline_teacher
from newtongue.adapters.llm.requests import Price
from newtongue.adapters.tables import write_conversations, write_rejects
from newtongue.core.budget import MICRO
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.teacher import Teacher
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.loop import Loop
from newtongue.stages.synth.material import gather

STAGE = "synth"
WRITTEN = (
    "from seed tasks and documents in the manner of Self-Instruct (arXiv 2212.10560). "
    "Machine-written; no human reviewed it."
)
STAND_IN = (
    "**The teacher was the offline stand-in.** It understands nothing: it recombines seed tasks and documents it is "
    "shown with shipped wordings. The rows show that the pipeline works; they are no substitute for a teacher."
)


def synthesise(config: SynthConfig, context: Context) -> Outcome:
    """Write conversations from seed tasks and documents with the help of a teacher.

    Raises:
        BudgetExceeded: The money is spent; what was paid is kept and the same call goes on.
        ProviderError: The teacher cannot be used.
        DataError: There are no seeds of a wanted task type, or no row was accepted.
    """
    loop = Loop(config, gather(config, context), load_card(config.language).name)
    with _place(config.teacher) as url, closing(Ledger(context.store / "ledger.db")) as ledger:
        client = ChatClient(_endpoint(config, url), ledger, STAGE)
        while requests := loop.plan():
            replies = client.complete([r.body for r in requests], lambda: _show(loop, config, context))
            loop.take(requests, replies)
            _show(loop, config, context)
        spent = ledger.cost_of(loop.keys) / MICRO
    if not loop.accepted:
        raise DataError(f"no row was accepted; most were rejected for: {loop.reasons(3)}", place="synth")
    write_conversations(context.payload, loop.accepted)
    write_rejects(context.payload / "rejected.jsonl", [*loop.rejected, *loop.failed])
    context.journal("written", **loop.counts())
    return Outcome(
        counts=loop.counts(),
        metrics={"accepted_fraction": round(len(loop.accepted) / max(1, loop.received), 6)},
        licences=loop.licences(),
        languages=[config.language],
        card=_card(config, loop),
        costs={"usd": spent},
    )


def _place(teacher: Teacher) -> AbstractContextManager[str]:
    """Return the teacher's url for the time of the work, starting the offline one where asked for."""
    if teacher.url is None:
        return offline_teacher()
    if not teacher.url.startswith("env:"):
        return nullcontext(teacher.url)
    name = teacher.url.removeprefix("env:")
    if not os.environ.get(name):
        raise RecipeError(f"the environment variable {name} is not set", place="teacher.url", fix=f"export {name}=…")
    return nullcontext(os.environ[name])


def _endpoint(config: SynthConfig, url: str) -> Endpoint:
    teacher = config.teacher
    return Endpoint(
        url=url,
        shown_url=teacher.url or url,
        api_key=teacher.api_key,
        price=Price(*teacher.prices),
        concurrency=config.concurrency,
        timeout_seconds=config.timeout_seconds,
        max_attempts=config.max_attempts,
    )


def _show(loop: Loop, config: SynthConfig, context: Context) -> None:
    context.progress(len(loop.accepted), config.rows, "rows", note=f"{len(loop.keys)} requests")


def _card(config: SynthConfig, loop: Loop) -> Sequence[str]:
    """Return what a reader must know of the data."""
    parts = [
        f"{len(loop.accepted):,} conversations in {config.language}, written by the teacher `{config.teacher.model}` "
        + WRITTEN
    ]
    if loop.stand_in:
        parts.append(STAND_IN)
    parts.append(f"Rejected rows are kept in rejected.jsonl: {loop.reasons(5)}.")
    if loop.unknown:
        parts.append(
            f"The language of {loop.unknown:,} rows could not be told; they carry the flag `language unknown`."
        )
    if loop.other_models:
        parts.append(f"Warning: answers came from {', '.join(loop.other_models)}, not from `{config.teacher.model}`.")
    if len(loop.accepted) < config.rows:
        gaps = ", ".join(f"{c.task} ({c.split}) {c.accepted} of {c.quota}" for c in loop.cells if c.accepted < c.quota)
        parts.append(f"Fewer rows than asked for: {gaps}.")
    return parts
