"""Let a teacher write instruction data: plan a round, ask, judge in request order, until the quotas are full."""

from __future__ import annotations

import json
from collections.abc import Sequence

from newtongue.adapters.languages import load_card
from newtongue.adapters.llm.pilot import Pilot
from newtongue.adapters.llm.questions import Reply
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.adapters.prompts import FALLBACK, load_prompts, read_prompts
from newtongue.adapters.tables import write_conversations, write_preferences, write_rejects
from newtongue.core.budget import MICRO
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError, ProviderError
from newtongue.core.manifest import write_json
from newtongue.methods.pilot import dollars_per_row
from newtongue.stages.synth.books import Books
from newtongue.stages.synth.chains import ChainWork
from newtongue.stages.synth.classic import ClassicWork
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.facts import synthesis_facts
from newtongue.stages.synth.generators.self_instruct import SelfInstruct
from newtongue.stages.synth.loop import Loop
from newtongue.stages.synth.material import gather
from newtongue.stages.synth.pilot import rows_per_request
from newtongue.stages.synth.summary import summary
from newtongue.stages.synth.units import make_kit, units

STAGE = "synth"
FACTS = "synthesis.json"
"""What became of every row, for the report."""
SUMMARY = "summary.md"
"""The page for readers; it names dollars, so it counts as volatile."""
WRITTEN = (
    "from seed tasks and documents in the manner of Self-Instruct (arXiv 2212.10560). "
    "Machine-written; no human reviewed it."
)
STAND_IN = (
    "**The teacher was the offline stand-in.** It understands nothing: it recombines seed tasks and documents it is "
    "shown with shipped wordings. The rows show that the pipeline works; they are no substitute for a teacher."
)

Work = Loop | ClassicWork | ChainWork


def synthesise(config: SynthConfig, context: Context) -> Outcome:
    """Write conversations from seed tasks and documents with the help of a teacher.

    Raises:
        BudgetExceeded: The money is spent; what was paid is kept and the same call goes on.
        ProviderError: The teacher cannot be used.
        DataError: There are no seeds of a wanted task type, or no row was accepted.
    """
    work = begin(config, context)
    books = work.books
    how = {"routing": config.routes(), "sending": config.sending()}
    with open_teachers(config.asked(), context.store, STAGE, **how) as teachers:
        pilot = Pilot(STAGE, teachers, context.journal, dollars_per_row)
        while requests := work.plan():
            replies = []
            for _, reply in teachers.stream(request.question for request in requests):
                replies.append(reply)
                pilot.watch(reply.key, reply.keys, len(requests))
                _show(books, config, context)
            _require_answers(books, replies)
            work.take(requests, replies)
            got = len(books.accepted)
            pilot.judge(rows_per_request(pilot.units, books), config.rows, config.rows - got)
        _show(books, config, context)
        spent = teachers.cost_of(books.keys) / MICRO
    if not books.accepted:
        raise DataError(f"no row was accepted; most were rejected for: {books.reasons(3)}", place="synth")
    _write(config, context, books)
    facts = synthesis_facts(books)
    write_json(context.payload / FACTS, facts)
    page = summary(facts, f"What {config.teacher.model} wrote in {config.language}", spent)
    (context.payload / SUMMARY).write_text(page, "utf-8")
    context.journal("written", **books.counts())
    return Outcome(
        counts=books.counts(),
        metrics={"accepted_fraction": round(len(books.accepted) / max(1, books.received), 6)},
        licences=books.licences(),
        languages=sorted({row.language for row in books.accepted}),
        card=_card(config, work),
        costs={"usd": spent},
        volatile=[SUMMARY],
    )


def begin(config: SynthConfig, context: Context) -> Work:
    """Return the work of the generator."""
    if not isinstance(config.generator, SelfInstruct):
        return ChainWork(config, units(config, context), make_kit(config, context))
    card = load_card(config.language)
    target = config.prompt_language == "target"
    name = (card.autonym if target else "") or card.name
    texts = load_prompts(config.generator.mode, config.language if target else FALLBACK)
    own = load_prompts(config.generator.mode, config.language)
    texts |= {name: own[name] for name in ("blocked_words", "blocked_beginnings") if name in own}
    if config.prompts:
        texts = read_prompts(config.generator.mode, context[config.prompts].path, texts)
    if config.generator.mode == "self_instruct":
        return ClassicWork(config, gather(config, context), name, texts)
    return Loop(config, gather(config, context), name, texts)


def _write(config: SynthConfig, context: Context, books: Books) -> None:
    if config.makes() == "Preferences":
        write_preferences(context.payload, books.accepted)
    else:
        write_conversations(context.payload, books.accepted)
    write_rejects(context.payload / "rejected.jsonl", [*books.rejected, *books.failed])
    lines = (json.dumps(row, ensure_ascii=False) for row in books.provenance)
    (context.payload / "provenance.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _require_answers(books: Books, replies: Sequence[Reply]) -> None:
    if not books.received and all(reply.completion is None for reply in replies):
        raise ProviderError(
            f"the teacher refused all of the first {len(replies)} requests: {replies[0].why} {replies[0].detail}",
            place="teacher",
            fix="correct what it complains about in the recipe, then run again",
        )


def _show(books: Books, config: SynthConfig, context: Context) -> None:
    context.progress(len(books.accepted), config.rows, "rows", note=f"{books.requests} requests")


def _how(config: SynthConfig) -> str:
    """Return how rows came about and what to cite."""
    if isinstance(config.generator, SelfInstruct):
        return WRITTEN
    about = (type(config.generator).__doc__ or "").splitlines()[0]
    return f"by the generator `{config.generator.kind}`: {about} Machine-written; no human reviewed it."


def _card(config: SynthConfig, work: Work) -> Sequence[str]:
    """Return what a reader must know of the data."""
    books = work.books
    who = f"{config.language}, written by the teacher `{config.teacher.model}`"
    parts = [f"{len(books.accepted):,} {config.makes().lower()} in {who} {_how(config)}"]
    if books.stand_in:
        parts.append(STAND_IN)
    parts.append(f"Rejected rows are kept in rejected.jsonl: {books.reasons(5)}.")
    if books.unknown:
        parts.append(
            f"The language of {books.unknown:,} rows could not be told; they carry the flag `language unknown`."
        )
    if other := books.other_models([teacher.model for teacher in config.asked().values()]):
        parts.append(f"Warning: answers came from {', '.join(other)}, not from `{config.teacher.model}`.")
    if len(books.accepted) < config.rows:
        parts.append(f"Fewer rows than asked for: {', '.join(work.gaps())}.")
    return parts
