"""Run `select` on a sealed set in this process, for tests that must not share one: FOLDER SOURCE SETTINGS(JSON)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stages.synth_kit import context

from newtongue.core.artefact import Artefact
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.stage import select

if __name__ == "__main__":
    folder, source, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    if settings["engine"]["runner"] == "ray":
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    inputs = {"$synth": Artefact("Conversations", source, sealed=True, name="$synth")}
    inputs["$quality"] = Artefact("Scorer", source.parent / "payload", sealed=True, name="$quality")
    select(
        SelectConfig.model_validate({"candidates": "$synth", "scorer": "$quality", **settings}), context(folder, inputs)
    )
