"""The library's verbs: each stage as a function of its config, through the runner like the command line.

`out` becomes the sealed stage directory; calling again with the same config and inputs finds it and does nothing.
What comes back is the payload folder, which any artefact field of the next config takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from newtongue.run import plan as plans
from newtongue.run import recipe as recipes
from newtongue.run import runner
from newtongue.run.store import Store

if TYPE_CHECKING:
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


def curate(config: CorpusConfig, *, out: str | Path) -> Path:
    """Clean, de-duplicate and split text; return the folder of the Corpus."""
    return runner.run_stage("corpus", config, Path(out))


def expand_vocabulary(config: TokenizerConfig, *, out: str | Path) -> Path:
    """Give a model tokens of a language, old ids unchanged; return the folder of the Model."""
    return runner.run_stage("tokenizer", config, Path(out))


def pretrain(config: PretrainConfig, *, out: str | Path) -> Path:
    """Continue pre-training with replay; return the folder of the Model."""
    return runner.run_stage("pretrain", config, Path(out))


def synthesise(config: SynthConfig, *, out: str | Path) -> Path:
    """Let a teacher write instruction data; return the folder of the Conversations."""
    return runner.run_stage("synth", config, Path(out))


def translate(config: TranslateConfig, *, out: str | Path) -> Path:
    """Translate rows, structure and protected parts kept; return the folder of the rows."""
    return runner.run_stage("translate", config, Path(out))


def transform(config: TransformConfig, *, out: str | Path) -> Path:
    """Write rows in another script, or mix another language into them; return the folder of the rows."""
    return runner.run_stage("transform", config, Path(out))


def select(config: SelectConfig, *, out: str | Path) -> Path:
    """Choose which rows to train on; return the folder of the rows."""
    return runner.run_stage("select", config, Path(out))


def finetune(config: SftConfig, *, out: str | Path) -> Path:
    """Fine-tune on conversations; return the folder of the Model."""
    return runner.run_stage("sft", config, Path(out))


def merge(config: MergeConfig, *, out: str | Path) -> Path:
    """Combine models in weight space; return the folder of the Model."""
    return runner.run_stage("merge", config, Path(out))


def evaluate(config: EvalConfig, *, out: str | Path) -> Path:
    """Measure one model; return the folder of the Scores."""
    return runner.run_stage("eval", config, Path(out))


def report(config: ReportConfig, *, out: str | Path) -> Path:
    """Show what was gained, kept and spent; return the folder of the Report."""
    return runner.run_stage("report", config, Path(out))


def plan(
    recipe: str | Path, settings: Iterable[str] = (), *, out: str | Path | None = None, rehearse: bool = False
) -> plans.Plan:
    """Return what running a recipe would do, why, and what it would take; writes nothing.

    Args:
        recipe: A recipe file, or the name of a shipped one.
        settings: `key.sub=value` texts, as after `--set`.
        out: Folder of the store; `runs/<recipe>` when None.
        rehearse: Whether to plan the recipe at rehearsal size.
    """
    loaded = _load(recipe, settings, rehearse)
    return plans.make_plan(loaded, Store(_store(loaded, out)))


def run_recipe(
    recipe: str | Path, settings: Iterable[str] = (), *, out: str | Path | None = None, rehearse: bool = False
) -> runner.Run:
    """Run everything of a recipe that is not sealed yet; the arguments are those of `plan`.

    Raises:
        NewtongueError: With everything done so far kept; the same call goes on from there.
    """
    loaded = _load(recipe, settings, rehearse)
    return runner.run(loaded, _store(loaded, out))


def _load(recipe: str | Path, settings: Iterable[str], rehearse: bool) -> recipes.Recipe:
    loaded = recipes.load(recipe, settings)
    return recipes.rehearse(loaded) if rehearse else loaded


def _store(recipe: recipes.Recipe, out: str | Path | None) -> Path:
    return Path(out or Path("runs") / recipe.name).absolute()
