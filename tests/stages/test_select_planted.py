"""The encoder-free scorer on real text: faults it never saw, in languages it saw and in ones it did not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "experiments"))

SURFACE = ("truncated", "repeated", "wrong_language")


@pytest.fixture(scope="module")
def fit(shared_data: Path):  # type: ignore[no-untyped-def]
    """A third of the experiment's rows, so that it takes seconds; the page of results has all of them."""
    import planted_quality

    from newtongue.stages.select.config import ScorerTraining
    from newtongue.stages.select.features import Describer

    material = planted_quality.planted(shared_data, [*SURFACE, "shuffled"], rows=90, test=60)
    return planted_quality.Fit(material, Describer(None, False, 256, "cpu"), ScorerTraining(), planted_quality.quiet())


@pytest.mark.parametrize("kind", SURFACE)
def test_surface_faults_never_shown_in_training_are_told(fit, kind: str) -> None:  # type: ignore[no-untyped-def]
    tags = sorted(set(fit.material.languages))
    seen = [fit.accuracy(tag, unseen_kind=kind)["kinds"][kind] for tag in tags]
    assert np.mean(seen) >= 0.95
    assert min(seen) >= 0.9


@pytest.mark.parametrize("kind", SURFACE)
def test_they_are_told_in_a_language_never_shown(fit, kind: str) -> None:  # type: ignore[no-untyped-def]
    for tag in ("urd_Arab", "tha_Thai"):
        assert fit.accuracy(tag, leave_out=tag, unseen_kind=kind)["kinds"][kind] >= 0.85
