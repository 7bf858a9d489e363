"""What `synth` will take.

Requests are the rows wanted over the tasks per request and the share that is accepted, at most `max_requests`. Time
is requests times the teacher's answering time over `concurrency`. Dollars are requests times the tokens of a prompt
(frame, exemplars, document) and of an answer, at the teacher's prices.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.stages.synth.config import SynthConfig

ACCEPTED = (0.9, 0.55, 0.3)
"""Share of written rows that are accepted: good, likely, bad."""
PROMPT_TOKENS = 900
"""Tokens of a prompt without its exemplars and document."""
TOKENS_PER_EXEMPLAR = 250
"""A seed task in a script that costs about two tokens per word and more."""
CHARACTERS_PER_TOKEN = 2.0
"""Of text in a language the teacher's tokenizer knows a little."""
SECONDS_PER_REQUEST = {"offline": (0.003, 0.005, 0.02), "remote": (2.0, 8.0, 25.0)}
"""From sending to the whole answer."""
START_SECONDS = 1.6
"""Process start, reading and writing of a small run."""
BYTES_PER_ROW = 340
"""UTF-8 bytes of instruction, input and answer of one row."""


def estimate(config: SynthConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, dollars and the size of the set."""
    teacher, prompt = config.teacher, config.prompt
    most = config.max_requests or 3 * config.rows
    requests = [min(most, config.rows / (prompt.tasks * share) + 1) for share in ACCEPTED]
    document = prompt.max_document_characters / CHARACTERS_PER_TOKEN if config.documents else 0
    input_tokens = PROMPT_TOKENS + TOKENS_PER_EXEMPLAR * prompt.exemplars + document
    output_tokens = min(teacher.max_tokens, prompt.tasks * TOKENS_PER_EXEMPLAR)
    price = input_tokens * teacher.prices[0] + output_tokens * teacher.prices[1]
    latency = SECONDS_PER_REQUEST["offline" if teacher.serve else "remote"]
    parallel = 1 if teacher.serve else config.concurrency
    low, likely, high = (START_SECONDS + n * s / parallel for n, s in zip(requests, latency, strict=True))
    usd = tuple(n * price / 1e6 for n in requests)
    notes = () if teacher.serve else (f"{requests[1]:,.0f} requests expected, {most:,} allowed",)
    return Estimate(
        seconds=(low, likely, high),
        usd=(usd[0], usd[1], usd[2]),
        tokens=int(requests[1] * (input_tokens + output_tokens)),
        memory_gb=0.3,
        disk_gb=requests[1] * 2e-5,
        makes=Counts(documents=config.rows, utf8_bytes=config.rows * BYTES_PER_ROW),
        notes=notes,
    )
