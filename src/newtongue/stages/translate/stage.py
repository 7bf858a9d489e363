"""Translate rows window by window: read, ask, check, write; what does not hold is kept with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, repeat

from newtongue.adapters.llm.pilot import UNITS, Pilot
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.adapters.prompts import FALLBACK, load_prompts, read_prompts
from newtongue.adapters.tables import Reject, RejectWriter
from newtongue.core.budget import MICRO
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Document, Preference
from newtongue.methods.licences import combine_licences
from newtongue.methods.pilot import dollars_per_row
from newtongue.stages.translate.config import TranslateConfig
from newtongue.stages.translate.desk import Desk, Result
from newtongue.stages.translate.neighbours import neighbours
from newtongue.stages.translate.rows import Row, read_jobs, translated, write_translated

STAGE = "translate"
ROWS_PER_WINDOW = 256
"""Rows translated before the next are read; a matter of memory only."""
SHARDED = 32
"""Times as many with shards, each of which starts anew for every window."""
STAND_IN = (
    "**The translator was the offline stand-in.** It knows an invented language and the sample's own sentences; for "
    "anything else its words are placeholders. The rows show that the pipeline works and nothing more."
)


@dataclass(slots=True)
class Tally:
    """Counts of one run, filled while rows are written."""

    rows: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)
    utf8_bytes: int = 0
    total: int = 0


def translate(config: TranslateConfig, context: Context) -> Outcome:
    """Translate rows of one language into another.

    Raises:
        BudgetExceeded: The money is spent; what was paid is kept and the same call goes on.
        ProviderError: The translator cannot be used.
        DataError: A row is in another language than stated, or no translation could be used.
    """
    tally, texts = Tally(), _prompts(config, context)
    near = neighbours(config.near, context[config.near.data]) if config.near else None
    how = {"routing": config.routes(), "sending": config.sending()}
    with (
        open_teachers(config.asked(), context.store, STAGE, **how) as teachers,
        RejectWriter(context.payload / "rejected.jsonl") as rejects,
    ):
        desk = Desk(config, teachers, texts, near)
        write_translated(config, context.payload, _rows(config, context, desk, tally, rejects))
        spent = teachers.cost_of(desk.keys) / MICRO
    if near:
        near.write(context.payload)
    if not tally.rows.total():
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in rejects.counts.most_common(3))
        raise DataError(f"no row could be translated: {reasons or 'there are none'}", place=STAGE)
    counts = _counts(tally, desk, rejects.counts)
    context.journal("translated", **counts)
    return Outcome(
        counts=counts,
        metrics=_metrics(tally),
        licences=dict(sorted(tally.licences.items())),
        languages=[config.language],
        card=_card(config, tally, desk, rejects.counts),
        costs={"usd": spent},
    )


def _prompts(config: TranslateConfig, context: Context) -> Mapping[str, str]:
    if config.prompts:
        return read_prompts(STAGE, context[config.prompts].path)
    return load_prompts(STAGE, config.language if config.prompt_language == "target" else FALLBACK)


def _rows(config: TranslateConfig, context: Context, desk: Desk, tally: Tally, rejects: RejectWriter) -> Iterator[Row]:
    """Yield the translated rows, counting them; the others go to `rejects`. The first ones say what the rest costs."""
    jobs = read_jobs(config, context[config.data])
    pilot = Pilot(STAGE, desk.teachers, context.journal, dollars_per_row, "rows")
    sizes = chain([UNITS], repeat(ROWS_PER_WINDOW * (SHARDED if config.shards > 1 else 1)))
    while window := list(islice(jobs, next(sizes))):
        results = desk.translate(window)
        for result in results:
            pilot.watch(result.job.id, result.keys, 0)
            if row := _take(config, desk, tally, rejects, result):
                yield row
        if pilot.full and not pilot.told:
            rows = sum(1 for _ in read_jobs(config, context[config.data]))
            pilot.judge([int(result.texts is not None) for result in results[:UNITS]], rows, rows - tally.total)
        context.progress(tally.total, config.rows, "rows", note=f"{desk.questions} requests")


def _take(config: TranslateConfig, desk: Desk, tally: Tally, rejects: RejectWriter, result: Result) -> Row | None:
    """Count what became of one row; return it, or None when it was refused."""
    tally.total += 1
    if result.chrf is not None:
        tally.scores.append(result.chrf)
    if result.texts is None:
        content = json.dumps({"texts": list(result.job.texts), "note": result.note}, ensure_ascii=False)
        rejects.add(Reject(result.job.id, result.reason, content[:2000]))
        return None
    row = translated(config, result.job, result.texts, desk.translators(result))
    tally.rows[row.split if isinstance(row, Document | Conversation | Preference) else "items"] += 1
    terms = combine_licences([one.license for one in desk.translators(result)])
    tally.licences[terms if isinstance(row, dict) else row.license] += 1
    tally.utf8_bytes += sum(len(text.encode()) for text in result.texts)
    return row


def _counts(tally: Tally, desk: Desk, reasons: Counter[str]) -> dict[str, int]:
    return {
        "documents": tally.rows.total(),
        "utf8_bytes": tally.utf8_bytes,
        **{split: tally.rows[split] for split in sorted(tally.rows)},
        "requests": desk.questions,
        "received": tally.total,
        "rejected": reasons.total(),
        "round_trips": len(tally.scores),
        **({"near": len(desk.near.found)} if desk.near else {}),
        **{f"rejected: {reason}": reasons[reason] for reason in sorted(reasons)},
    }


def _metrics(tally: Tally) -> dict[str, float]:
    metrics = {"accepted_fraction": round(tally.rows.total() / max(1, tally.total), 6)}
    if tally.scores:
        metrics["round_trip_chrf"] = round(sum(tally.scores) / len(tally.scores), 4)
    return metrics


def _card(config: TranslateConfig, tally: Tally, desk: Desk, reasons: Counter[str]) -> Sequence[str]:
    said = ", ".join(f"{reason} {number:,}" for reason, number in reasons.most_common(5)) or "none"
    writers = " or ".join(f"`{name}`" for name in config.writers())
    done = (
        f"{tally.rows.total():,} rows translated from {config.source} into {config.language} by "
        f"{writers}. Machine-translated; no human reviewed it. Protected parts, numbers and structure "
        "are those of the source."
    )
    parts = [done, f"Rejected rows are kept in rejected.jsonl: {said}."]
    if tally.scores:
        mean = sum(tally.scores) / len(tally.scores)
        parts.append(f"{len(tally.scores):,} rows were translated back: chrF {mean:.1f} against their source.")
    if desk.near:
        parts.append(f"{len(desk.near.found):,} rows stand in `{config.near and config.near.data}` already.")
    if desk.stand_in:
        parts.insert(1, STAND_IN)
    return parts
