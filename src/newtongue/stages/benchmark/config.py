"""Settings of the `benchmark` stage, which is announced and not there yet."""

from __future__ import annotations

from typing import ClassVar

from newtongue.core.config import StageConfig


class BenchmarkConfig(StageConfig):
    """Not there yet: a recipe that names this stage is refused before any work."""

    MAKES: ClassVar[str] = "Suite"
