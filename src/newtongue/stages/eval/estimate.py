"""What `eval` will take.

Two operations per weight and token, for the held-out text with its context and for prompts and answers, at the
machine's training speed, plus a least time per step of generation. Memory is the weights and one batch of logits. An
endpoint is priced by what is sent to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.core.teacher import Teacher
from newtongue.stages.eval.config import EvalConfig

START_SECONDS = 4.0
"""Loading libraries, tokenizer and model."""
BYTES_PER_TOKEN = 2.5
"""Assumed before a tokenizer has been seen; the base needs more tokens on a script it does not know."""
CONTEXT_FACTOR = 1.4
"""Tokens shown per token scored: windows are given the window before them."""
HELDOUT_FRACTION = 0.1
"""Assumed held-out share of a corpus whose counts do not tell."""
PROMPT_TOKENS = 60
"""Assumed length of a prompt."""
PROBE_TOKENS = 550
"""Assumed tokens of one item of each task of the in-context probe, with and without its demonstration."""
STEP_SECONDS = 0.024
"""Least time of one generation step, whatever the model's size."""

SENT = (1, 3, 6)
"""Times a prompt goes to an endpoint: to generate, for two choices, for five; each time with all of it."""
ANSWER_TOKENS = 256
"""Longest answer most tasks ask for; scoring generates one token a text."""
ANSWER_SECONDS = (0.1, 1.0, 10.0)
"""From sending to the whole answer of an endpoint."""


def estimate(config: EvalConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return the time to score all text and to answer all prompts, with the memory of one forward pass."""
    if config.endpoint is not None:
        return _asked(config, config.endpoint, counts)
    model = counts.get(str(config.model), Counts())
    scored = sum(_scored_bytes(w.corpus, w.max_bytes, counts) for w in config.text.values())
    scored += sum(_scored_bytes(g.data, None, counts) for g in config.generation.values())
    scored += sum(_task_bytes(ref, counts) for ref in _task_data(config))
    tokens = int(CONTEXT_FACTOR * scored / BYTES_PER_TOKEN)
    tokens += PROBE_TOKENS * config.in_context.items_per_task if config.in_context else 0
    asked = {name: g.prompts * max(1, len(g.wordings)) for name, g in config.generation.items()}
    generated = sum(n * (config.generation[k].max_new_tokens + PROMPT_TOKENS) for k, n in asked.items())
    directions = {name: len(t.corpora) * (len(t.corpora) - 1) for name, t in config.translation.items()}
    asked_more = {name: t.sentences * directions[name] for name, t in config.translation.items()}
    generated += sum(n * (config.translation[k].max_new_tokens + PROMPT_TOKENS) for k, n in asked_more.items())
    steps = sum(config.generation[k].max_new_tokens * -(-n // (4 * config.batch)) for k, n in asked.items())
    steps += sum(config.translation[k].max_new_tokens * -(-n // (4 * config.batch)) for k, n in asked_more.items())
    speed = machine.teraflops * 1e12
    seconds = START_SECONDS + 2 * model.parameters * (tokens + generated) / speed + STEP_SECONDS * steps
    width = 4 if config.dtype == "float32" else 2
    logits = 4 * model.rows * min(config.max_length, 1024)
    return Estimate(
        seconds=(0.7 * seconds, seconds, 2 * seconds),
        tokens=tokens + generated,
        memory_gb=0.5 + (width * model.parameters + 2 * max(logits, 200_000_000)) / 1e9,
        makes=Counts(documents=tokens // max(1, config.window_bytes)),
    )


def _asked(config: EvalConfig, endpoint: Teacher, counts: Mapping[str, Counts]) -> Estimate:
    """Return the time and dollars of asking an endpoint: a prompt is sent again with every answer to score."""
    found = [counts.get(ref, Counts()) for ref in _task_data(config)]
    tokens = sum(one.utf8_bytes for one in found) / BYTES_PER_TOKEN
    items = sum(one.documents for one in found) or tokens / PROMPT_TOKENS
    price_in, price_out = endpoint.prices
    generated = (1, ANSWER_TOKENS / 8, ANSWER_TOKENS)
    costs = [(price_in * tokens * n + price_out * items * out) / 1e6 for n, out in zip(SENT, generated, strict=True)]
    waits = [START_SECONDS + items * n * s / config.batch for n, s in zip(SENT, ANSWER_SECONDS, strict=True)]
    return Estimate(
        seconds=(waits[0], waits[1], waits[2]),
        usd=(costs[0], costs[1], costs[2]),
        tokens=int(SENT[1] * tokens),
        makes=Counts(documents=int(items)),
        notes=("a prompt is sent once to generate, and once per choice and once alone to score",),
    )


def _scored_bytes(ref: str, limit: int | None, counts: Mapping[str, Counts]) -> int:
    found = counts.get(str(ref), Counts())
    size = int(found.extra.get("heldout_utf8_bytes", HELDOUT_FRACTION * found.utf8_bytes))
    return size if limit is None else min(size, limit)


def _task_data(config: EvalConfig) -> list[str]:
    """Return the data of every task: what the recipe gives, else the folder the task file stands in."""
    own = [str(task.data or task.path) for task in config.tasks.values()]
    return own + [str(ref) for suite in config.suites.values() for ref in suite.data.values()]


def _task_bytes(ref: str, counts: Mapping[str, Counts]) -> int:
    """Return the bytes shown for a task: each prefix is computed once, so about the bytes of its rows."""
    return counts.get(ref, Counts()).utf8_bytes
