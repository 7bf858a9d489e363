"""A pool in which a few topics crowd out the rest: what the M-DaQ methods cover that the highest scores do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stages.test_select import LINES, explained, run, sealed

from newtongue.core.rows import Conversation

TOPICS, ROWS, KEEP = 60, 900, 60


def skewed() -> list[Conversation]:
    """Rows about topics of Zipf's sizes; the crowded topics are scored a little higher."""
    draw = np.random.default_rng(0)
    shares = 1 / (1 + np.arange(TOPICS))
    vocabulary = [word + suffix for word in LINES["swh_Latn"].split() for suffix in ("", "ni", "zi", "ka", "pe", "lo")]
    names = [draw.choice(vocabulary, 6, replace=False) for _ in range(TOPICS)]
    rows = []
    for number in range(ROWS):
        topic = int(draw.choice(TOPICS, p=shares / shares.sum())) if number >= TOPICS else number
        said = " ".join(draw.choice(names[topic], 14))
        messages = (
            {"role": "user", "content": " ".join(names[topic][:3])},
            {"role": "assistant", "content": said + "."},
        )
        score = float(0.85 + 0.05 / (1 + topic / 4) + 0.02 * draw.standard_normal())
        rows.append(Conversation(f"r{number}", messages, "swh_Latn", task=f"t{topic}", score=score))  # type: ignore[arg-type]
    return rows


@pytest.mark.parametrize("method", ["mdaq_cluster", "mdaq_mmr"])
def test_more_topics_at_nearly_the_same_quality(tmp_path: Path, method: str) -> None:
    rows = skewed()
    source, topics, means = sealed(tmp_path, rows), {}, {}
    of = {row.id: row for row in rows}
    for name in ("topk", method):
        run(tmp_path, source, method=name, keep=KEEP)
        chosen = [of[line["id"]] for line in explained(tmp_path) if line["kept"]]
        topics[name] = len({row.task for row in chosen})
        means[name] = sum(row.score for row in chosen) / KEEP
    assert topics[method] >= 1.5 * topics["topk"]
    assert means[method] >= 0.95 * means["topk"]
