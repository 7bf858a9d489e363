"""What `translate` will take.

Tokens are the source's bytes over bytes per token, once as prompt and, by the growth of text in the new language, as
answer; a translation service bills characters of the source. Rows translated back and judged cost the same again.
Time is requests times the answering time over `concurrency`.
"""

from __future__ import annotations

from collections.abc import Mapping

from newtongue.core.budget import Counts, Estimate, Machine
from newtongue.core.teacher import Teacher
from newtongue.stages.translate.config import TranslateConfig

BYTES_PER_TOKEN = 4.0
"""Of the source text."""
ANSWER_TOKENS_PER_SOURCE_TOKEN = (1.0, 2.0, 4.0)
"""The new language costs the teacher more tokens: good, likely, bad."""
PROMPT_TOKENS = 90
"""Tokens of a prompt around its text."""
SCREEN_PROMPT_TOKENS, SCREEN_ANSWER_TOKENS = 170, 50
"""Tokens around a text that is screened, and of the answer."""
SECONDS_PER_REQUEST = {"offline": (0.003, 0.005, 0.02), "remote": (1.0, 5.0, 20.0)}
"""From sending to the whole answer."""
BYTES_PER_CHARACTER = 1.2
"""Of the source text; decides how many pieces there are."""
GROWTH = 1.8
"""Bytes of the translation per byte of the source, for scripts of two and three bytes a letter."""


def estimate(config: TranslateConfig, counts: Mapping[str, Counts], machine: Machine) -> Estimate:
    """Return time, dollars and the size of the translated set."""
    given = counts[str(config.data)]
    rows = min(given.documents, config.rows or given.documents)
    size = given.utf8_bytes * rows / max(1, given.documents)
    length = config.max_piece_characters if config.unit == "document" else 100
    pieces = max(rows, size / (BYTES_PER_CHARACTER * length))
    tokens = size / BYTES_PER_TOKEN
    times = 1 + config.round_trip.fraction
    low, likely, high = (times * usd for usd in _usd(config.teacher, size, pieces))
    if config.quality:
        judged = config.quality.teacher.prices[0] * (3 * tokens + PROMPT_TOKENS * pieces) / 1e6
        low, likely, high = low + judged, likely + judged, high + judged
    if config.screen:
        usual = (config.screen.teacher or config.teacher).prices
        seen = (usual[0] * (tokens + SCREEN_PROMPT_TOKENS * rows) + usual[1] * SCREEN_ANSWER_TOKENS * rows) / 1e6
        low, likely, high = low + seen, likely + seen, high + seen
    asked = times * pieces + (rows if config.screen else 0)
    latency = SECONDS_PER_REQUEST["offline" if config.teacher.serve else "remote"]
    fast, usual, slow = (1.5 + asked * each / config.concurrency for each in latency)
    return Estimate(
        seconds=(fast, usual, slow),
        usd=(low, likely, high),
        tokens=int(times * tokens * 3),
        memory_gb=0.3,
        disk_gb=4e-9 * size,
        makes=Counts(documents=rows, utf8_bytes=int(size * GROWTH)),
    )


def _usd(teacher: Teacher, size: float, pieces: float) -> tuple[float, float, float]:
    """Return what translating so many bytes in so many pieces costs, dollars: good, likely, bad."""
    if teacher.protocol != "chat":
        characters = (teacher.usd_per_million_characters or 0.0) * size / 1e6
        return characters / BYTES_PER_CHARACTER, characters / BYTES_PER_CHARACTER, characters
    tokens, prices = size / BYTES_PER_TOKEN, teacher.prices
    prompt = prices[0] * (tokens + PROMPT_TOKENS * pieces)
    low, likely, high = ((prompt + prices[1] * tokens * grown) / 1e6 for grown in ANSWER_TOKENS_PER_SOURCE_TOKEN)
    return low, likely, high
