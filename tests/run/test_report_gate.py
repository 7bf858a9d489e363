"""The retention gate of a real report: exit code 6 after sealing, and again on rerun."""

from __future__ import annotations

from pathlib import Path

import pytest
from stages.test_report_golden import LEVELS, scores

from newtongue.core import manifest
from newtongue.core.errors import GateFailed
from newtongue.run.runner import run_stage
from newtongue.stages.report.config import ReportConfig


def config(folder: Path, **settings: object) -> ReportConfig:
    paths = {name: str(scores(folder, name).path) for name in LEVELS}
    return ReportConfig.model_validate({**paths, "bootstrap_draws": 200, **settings})


def test_a_lost_language_ends_with_exit_code_6_and_a_sealed_report(tmp_path: Path) -> None:
    asked = config(tmp_path, gate=["retention"], max_retention_loss=0.001)
    for _ in range(2):
        with pytest.raises(GateFailed, match="retention failed") as caught:
            run_stage("report", asked, tmp_path / "out")
        assert caught.value.exit_code == 6
        assert manifest.is_sealed(tmp_path / "out") and (tmp_path / "out/report/report.html").is_file()


def test_a_verdict_that_is_no_gate_ends_nothing(tmp_path: Path) -> None:
    run_stage("report", config(tmp_path, gate=["gain"], max_retention_loss=0.001), tmp_path / "out")


def test_undecided_is_no_failure(tmp_path: Path) -> None:
    """English rises by 0.67 per cent, every document alike; a limit just above the value and a wide interval."""
    run_stage("report", config(tmp_path, gate=True, max_retention_loss=0.0067), tmp_path / "out")
