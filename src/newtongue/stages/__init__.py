"""The catalogue: every stage of the product, as a literal table.

Nothing is imported to read it; `config`, `function` and `estimate` are loaded when first needed,
so that planning never imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from newtongue.core.artefact import Artefact
    from newtongue.core.budget import Counts, Estimate
    from newtongue.core.config import StageConfig
    from newtongue.core.context import Context, Outcome

    StageFunction = Callable[[StageConfig, Context], Outcome]
    EstimateFunction = Callable[..., Estimate]
    _ = (Artefact, Counts, Mapping)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stage of the catalogue.

    Attributes:
        key: Name in a recipe.
        verb: Name of the stage's function.
        config: Name of the config class in `newtongue.stages.<key>.config`.
        version: Raised by hand when a default or an algorithm changes results.
        ready: False for a stage that is announced and not there yet.
    """

    key: str
    verb: str
    config: str
    version: int = 1
    ready: bool = True

    def load_config(self) -> type[StageConfig]:
        """Import and return the config class (light: pydantic only)."""
        return _load(f"newtongue.stages.{self.key}.config", self.config)

    def load_function(self) -> StageFunction:
        """Import and return the stage function (heavy: may import torch)."""
        return _load(f"newtongue.stages.{self.key}.stage", self.verb)

    def load_estimate(self) -> EstimateFunction:
        """Import and return `estimate(config, counts, machine) -> Estimate` (light)."""
        return _load(f"newtongue.stages.{self.key}.estimate", "estimate")


def _load(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


CATALOGUE: dict[str, Entry] = {
    entry.key: entry
    for entry in (
        Entry("corpus", "curate", "CorpusConfig"),
        Entry("tokenizer", "expand_vocabulary", "TokenizerConfig", version=5),
        Entry("pretrain", "pretrain", "PretrainConfig"),
        Entry("translate", "translate", "TranslateConfig"),
        Entry("transform", "transform", "TransformConfig"),
        Entry("synth", "synthesise", "SynthConfig", version=3),
        Entry("select", "select", "SelectConfig", version=3),
        Entry("sft", "finetune", "SftConfig"),
        Entry("align", "align", "AlignConfig", ready=False),
        Entry("merge", "merge", "MergeConfig"),
        Entry("benchmark", "build_benchmark", "BenchmarkConfig", ready=False),
        Entry("eval", "evaluate", "EvalConfig", version=4),
        Entry("report", "report", "ReportConfig", version=3),
    )
}
