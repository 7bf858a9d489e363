"""Measure one model on held-out text, answers, prompts and questions, and keep every item's row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.hf.scoring import BATCH_TOLERANCE_BITS
from newtongue.adapters.llm.task_backend import EndpointBackend
from newtongue.adapters.tables.items import read_items, write_items
from newtongue.core.context import Context, Outcome
from newtongue.core.teacher import Sending
from newtongue.methods.joining import moved_spaces
from newtongue.methods.scores import summarise, tables
from newtongue.stages.eval.answers import generate_answers, heldout_conversations, score_answers
from newtongue.stages.eval.choice import read_questions, score_choices
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.parallel import plan_parallel
from newtongue.stages.eval.probe import score_probe
from newtongue.stages.eval.rules import plan_rules
from newtongue.stages.eval.subject import RemoteSubject, Subject
from newtongue.stages.eval.suites import plan_suite
from newtongue.stages.eval.tasks import plan_task, score_task
from newtongue.stages.eval.text import heldout, score_control, score_text, training_bytes

DRAWS, SEED = 1000, 0
"""Bootstrap of the intervals in `scores.json`; the report draws its own for differences."""

IN_CONTEXT = "in context"
"""Name of the probe's set."""

Row = dict[str, Any]
Found = list[Row] | tuple[list[Row], Row]
Measure = tuple[dict[str, Any], Callable[[Subject, Callable[[int], None]], Found]]


def evaluate(config: EvalConfig, context: Context) -> Outcome:
    """Score one model on every set of the config."""
    plan = _plan(config, context)
    subject = _subject(config, context)
    rows: list[Row] = []
    told: dict[str, Row] = {}
    for number, (name, (_facts, measure)) in enumerate(plan.items()):
        kept = context.scratch / f"{number:03d}.parquet"
        if not kept.is_file():
            scored = sum(row["tokens"] or 0 for row in rows)
            _keep(kept, measure(subject, _progress(context, name, scored)))
            context.journal("measured", set=name)
        rows.extend(read_items(kept))
        told[name] = orjson.loads(kept.with_suffix(".json").read_bytes())
    write_items(context.payload / "items.parquet", rows)
    _write_rejected(told, context.payload / "rejected.jsonl")
    found = {name: summarise(table, draws=DRAWS, seed=SEED) for name, table in tables(rows).items()}
    sets = {name: {**facts, **found[name], **told[name]} for name, (facts, _measure) in plan.items()}
    scores = {"format": 1, "model": subject.facts(), "settings": _settings(config), "sets": sets}
    (context.payload / "scores.json").write_bytes(orjson.dumps(scores, option=orjson.OPT_INDENT_2) + b"\n")
    return _outcome(sets, scores["model"])


def _subject(config: EvalConfig, context: Context) -> Any:
    if config.endpoint is not None:
        sending = Sending(concurrency=config.batch)
        backend = EndpointBackend(config.endpoint, context.store, sending, moved_spaces)
        return RemoteSubject.load(backend, context[config.tokenizer].path if config.tokenizer else None)
    assert config.model is not None
    adapter = context[config.adapter].path if config.adapter else None
    return Subject.load(context[config.model].path, config, adapter)


def _keep(file: Path, found: Found) -> None:
    """Write what was measured of one set, facts first: the rows are the sign that both are there."""
    rows, facts = found if isinstance(found, tuple) else (found, {})
    file.with_suffix(".json").write_bytes(orjson.dumps(facts))
    write_items(file, rows)


def _write_rejected(told: dict[str, Row], file: Path) -> None:
    """Write the rows that could not be used, out of the facts of their sets."""
    rows = [{"set": name, **row} for name, facts in told.items() for row in facts.pop("rejected_rows", [])]
    if rows:
        file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _plan(config: EvalConfig, context: Context) -> dict[str, Measure]:
    """Return set name -> (facts, how to measure it); all input is read and checked before the model is loaded."""
    plan: dict[str, Measure] = {}
    for name, wanted in config.text.items():
        documents = heldout(context[wanted.corpus], wanted)
        facts = {"language": wanted.language, "role": wanted.role}
        plan[name] = facts, partial(score_text, name, documents, config.window_bytes)
        if control := config.ngram_control.get(name):
            label = f"{name}.{control.order}-gram"
            more = {"control_of": name, "order": control.order, "smoothing": control.smoothing}
            counted = training_bytes(context[control.corpus])
            plan[label] = {**facts, **more}, _control(label, documents, counted, control, config.window_bytes)
    for name, asked in config.generation.items():
        conversations = heldout_conversations(context[asked.data])
        facts, label = {"language": asked.language, "role": "target"}, f"{name}.generated"
        plan[name] = facts, partial(score_answers, name, conversations)
        plan[label] = facts, partial(generate_answers, label, conversations, asked)
    for name, task in config.choice.items():
        facts = {"language": task.language, "role": task.role}
        plan[name] = facts, partial(score_choices, name, read_questions(context[task.path]), task)
    if probe := config.in_context:
        facts = {"language": probe.language, "role": "retention"}
        plan[IN_CONTEXT] = facts, partial(score_probe, IN_CONTEXT, probe)
    training = [context[ref] for ref in config.contamination]
    for name, asked_task in config.tasks.items():
        facts = {"language": asked_task.language, "role": asked_task.role}
        plan[name] = facts, partial(score_task, name, asked_task.language, plan_task(asked_task, context), training)
    for name, suite in config.suites.items():
        plan |= plan_suite(name, suite, context, training)
    return plan | plan_rules(config, context) | plan_parallel(config, context)


def _control(*given: Any) -> Callable[[Subject, Any], list[Row]]:
    return lambda _subject, _progress: score_control(*given)


def _progress(context: Context, name: str, before: int) -> Callable[[int], None]:
    return lambda tokens: context.progress(before + tokens, None, "tokens", note=name)


def _settings(config: EvalConfig) -> dict[str, Any]:
    return {
        "window_bytes": config.window_bytes,
        "context": "the window before, the same bytes for every model",
        "max_length_tokens": config.max_length,
        "dtype": config.dtype,
        "batch_tolerance_bits_per_token": BATCH_TOLERANCE_BITS,
        "interval_draws": DRAWS,
        "interval_seed": SEED,
    }


def _outcome(sets: dict[str, dict[str, Any]], model: dict[str, Any]) -> Outcome:
    metrics = {f"{n}_bits_per_byte": s["bits_per_byte"]["value"] for n, s in sets.items() if "bits_per_byte" in s}
    metrics |= {f"{n}_fertility": s["fertility"]["value"] for n, s in sets.items() if "fertility" in s}
    shares = ("faithful_fraction", "stopped_fraction", "correct_fraction")
    metrics |= {f"{n}_{k}": s[k]["value"] for n, s in sets.items() for k in (*shares, "saving") if s.get(k)}
    return Outcome(
        counts={
            "sets": len(sets),
            "items": sum(s["n"] for s in sets.values()),
            "tokens": sum(s["tokens"] for s in sets.values() if s["kind"] != "control"),
            "parameters": model["parameters"],
        },
        metrics=metrics,
        languages=sorted({s["language"] for s in sets.values()}),
        card=[
            (
                "Held-out text in bits per byte on windows of fixed bytes, each given the window before it; "
                "answers given their rendered prompt; greedy generations judged by script, loops and stop token. "
                f"Prompt format: {model['chat_template']}."
            ),
        ],
    )
