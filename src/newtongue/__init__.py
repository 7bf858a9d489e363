"""Teach an existing open language model a new language, end to end, inside a budget, with proof.

Every stage is a verb over its config, `newtongue.pretrain(newtongue.PretrainConfig(…), out="work/pretrain")`, and
runs as it does from the command line: checked, resumable, sealed. Recipes are `plan`, `run_recipe` and `sweep`.
Names are loaded when first used; importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newtongue.core.errors import (
        BudgetExceeded,
        DataError,
        GateFailed,
        NewtongueError,
        ProviderError,
        RecipeError,
    )
    from newtongue.run.compare import compare
    from newtongue.run.sweep import sweep
    from newtongue.run.verbs import (
        curate,
        evaluate,
        expand_vocabulary,
        finetune,
        merge,
        plan,
        pretrain,
        report,
        run_recipe,
        select,
        synthesise,
        transform,
        translate,
    )
    from newtongue.stages.corpus.config import CorpusConfig
    from newtongue.stages.eval.config import EvalConfig
    from newtongue.stages.merge.config import MergeConfig
    from newtongue.stages.pretrain.config import PretrainConfig
    from newtongue.stages.report.config import ReportConfig
    from newtongue.stages.select.config import SelectConfig
    from newtongue.stages.sft.config import SftConfig
    from newtongue.stages.synth.config import SynthConfig
    from newtongue.stages.tokenizer.config import TokenizerConfig
    from newtongue.stages.transform.config import TransformConfig
    from newtongue.stages.translate.config import TranslateConfig

__all__ = [
    "BudgetExceeded",
    "CorpusConfig",
    "DataError",
    "EvalConfig",
    "GateFailed",
    "MergeConfig",
    "NewtongueError",
    "PretrainConfig",
    "ProviderError",
    "RecipeError",
    "ReportConfig",
    "SelectConfig",
    "SftConfig",
    "SynthConfig",
    "TokenizerConfig",
    "TransformConfig",
    "TranslateConfig",
    "compare",
    "curate",
    "evaluate",
    "expand_vocabulary",
    "finetune",
    "merge",
    "plan",
    "pretrain",
    "report",
    "run_recipe",
    "select",
    "sweep",
    "synthesise",
    "transform",
    "translate",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'newtongue' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"newtongue.{_home(name)}"), name)
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})


def _home(name: str) -> str:
    """Return the module a public name lives in: errors and configs by their form, everything else among the verbs."""
    if name.endswith("Config"):
        return f"stages.{name.removesuffix('Config').lower()}.config"
    if name[0].isupper():
        return "core.errors"
    return f"run.{name}" if name in ("compare", "sweep") else "run.verbs"
