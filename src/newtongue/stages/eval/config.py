"""Settings of the `eval` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from newtongue.core.config import (
    ConversationsRef,
    CorpusRef,
    FileRef,
    ModelRef,
    RowsRef,
    Settings,
    StageConfig,
    operational,
)
from newtongue.core.teacher import Teacher

PROMPT_MODES = ("direct", "in_language", "english_first", "xlt")
"""Names of the shipped wordings, in `prompt_modes.yaml`."""


class TextSet(Settings):
    """Held-out text to score in bits per byte."""

    corpus: CorpusRef
    """Text; of a Corpus only the held-out side is scored, of files everything."""
    language: str
    """Tag of its language."""
    role: Literal["target", "retention", "replay"]
    """What it shows: the language taught, a language to keep, or the replay's own domain (shown, never judged)."""
    max_bytes: int | None = Field(None, ge=1)
    """Score at most this much, UTF-8 bytes, in row order; None scores all."""


class NgramControl(Settings):
    """A byte n-gram model counted on the training text: what no neural network is needed for."""

    corpus: CorpusRef
    """Text to count on; only the training side."""
    order: int = Field(6, ge=1, le=12)
    """Bytes per n-gram, the predicted one included."""
    smoothing: Literal["kneser_ney", "witten_bell"] = "kneser_ney"
    """How long and short n-grams are mixed; `kneser_ney` (modified, interpolated) is the stronger."""


class Generation(Settings):
    """Prompts to answer greedily, for script fidelity, stopping and loops."""

    data: ConversationsRef
    """Conversations; of a Conversations artefact only the held-out side. Answers are also scored in bits per byte."""
    language: str
    """Tag of the language answers must be in."""
    prompts: int = Field(60, ge=1)
    """Prompts to answer, at most."""
    max_new_tokens: int = Field(160, ge=1)
    """Longest answer in tokens."""
    wordings: list[str] = Field(default_factory=list)
    """Ways to ask: `direct`, `in_language`, `english_first`, `xlt`, or a text with {prompt} (and {language}) in it.
    Three or more show how far figures move with the wording; none asks directly, once."""
    contrast: list[str] = Field(default_factory=lambda: ["eng_Latn"])
    """Tags of languages whose frequent words count as foreign in an answer, where scripts do not tell."""
    min_script_fraction: float = Field(0.8, ge=0, le=1)
    """An answer is in the language when at least this share of its letters is in the language's script."""

    @field_validator("wordings")
    @classmethod
    def _ask_something(cls, wordings: list[str]) -> list[str]:
        for wording in wordings:
            if wording not in PROMPT_MODES and "{prompt}" not in wording:
                known = ", ".join(PROMPT_MODES)
                raise ValueError(f"a wording needs {{prompt}} in it, or one of the names {known}")
        if len(set(wordings)) < len(wordings):
            raise ValueError("two wordings are the same")
        return wordings


class Alignment(Settings):
    """Aligned text of two languages, for how near translations lie in the model, layer by layer."""

    corpora: dict[str, CorpusRef] = Field(min_length=2, max_length=2)
    """Tag of each language -> its text; of a Corpus the held-out side. Ids agree up to the language."""
    sentences: int = Field(100, ge=2)
    """Pairs to look at, at most."""
    role: Literal["target", "retention"] = "target"
    """What it shows."""


class Translation(Settings):
    """Aligned text of several languages, translated from each into each other one."""

    corpora: dict[str, CorpusRef] = Field(min_length=2)
    """Tag of each language -> its text; of a Corpus the held-out side. Ids agree up to the language."""
    sentences: int = Field(50, ge=2)
    """Texts to translate per direction, at most."""
    max_new_tokens: int = Field(160, ge=1)
    """Longest translation in tokens."""
    instruction: str = "Translate into {language}:\n{text}"
    """What the model is asked; {language} is the English name of the target, {text} the source."""
    comet: FileRef | None = None
    """Checkpoint of COMET on this machine, scored with the package unbabel-comet when it is installed."""


class RuleSet(Settings):
    """Prompts with rules that a program can check, in the layout of IFEval and M-IFEval."""

    path: FileRef
    """JSONL with `prompt`, `instruction_id_list` and `kwargs`."""
    language: str
    """Tag of the language answers are in; its card decides what a sentence, a comma or a capital is."""
    role: Literal["target", "retention"] = "target"
    """What it shows."""
    prompts: int | None = Field(None, ge=1)
    """Prompts to answer, at most; None answers all."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest answer in tokens."""


class MultipleChoice(Settings):
    """A multiple-choice task in one JSONL file: rows with `question`, `choices` and `answer` (index)."""

    path: FileRef
    """The file."""
    language: str
    """Tag of its language."""
    role: Literal["target", "retention"] = "target"
    """What it shows."""


class InContextProbe(Settings):
    """Demonstrations of made-up words: how many bits a model saves by looking at its context."""

    language: str = "eng_Latn"
    """Tag of the kept language it stands for; the words are those of no language."""
    items_per_task: int = Field(40, ge=2)
    """Items of each of the four tasks: repeat, copy, recall, cycle."""
    seed: int = 0
    """Seed of the words."""


class TaskSet(Settings):
    """A task in the format of lm-evaluation-harness: its YAML file, and the rows it asks about."""

    path: FileRef
    """Task file, or the folder that holds it with what it includes and its data."""
    task: str | None = None
    """Name of the file in the folder, without `.yaml`; None when `path` is the file or the folder holds one."""
    data: FileRef | None = None
    """Rows to ask about, in place of those the file names (JSONL, JSON, CSV, TSV, Parquet)."""
    fewshot_data: FileRef | None = None
    """Rows that examples are drawn from, in place of those the file names."""
    language: str
    """Tag of its language."""
    role: Literal["target", "retention"] = "target"
    """What it shows."""
    num_fewshot: int | None = Field(None, ge=0)
    """Examples in the prompt; None takes the file's number."""
    limit: int | None = Field(None, ge=1)
    """Items to ask, at most, in order of the file; None asks all."""
    chat: bool = False
    """Whether prompts are put under the model's chat template."""


class SuiteSet(Settings):
    """A suite of tasks: a file that names them, and the data you bring for them."""

    path: FileRef
    """Suite file, or a folder with `suite.yaml`; `asset:suites/target-core.yaml` and others are shipped."""
    data: dict[str, FileRef] = Field(default_factory=dict)
    """Name of a task in the suite -> its data; tasks without data are left out, and the scores say so."""
    language: str
    """Tag of the language of tasks that leave it open."""
    limit: int | None = Field(None, ge=1)
    """Items per task, at most."""


_NEEDS_WEIGHTS = [
    "adapter",
    "text",
    "ngram_control",
    "generation",
    "choice",
    "in_context",
    "translation",
    "rules",
    "alignment",
]
"""Settings that an endpoint cannot serve."""


class EvalConfig(StageConfig):
    """Measure one model; every item's row is kept."""

    MAKES: ClassVar[str] = "Scores"

    model: ModelRef | None = None
    """Model to measure."""
    adapter: FileRef | None = None
    """Low-rank adapter (PEFT directory) to lay over the model."""
    endpoint: Teacher | None = None
    """Model behind an OpenAI-compatible endpoint, in place of `model`; it can be asked `generate_until`
    tasks, and the others where its `/completions` takes `echo` and `logprobs` (vLLM does)."""
    tokenizer: FileRef | None = None
    """Directory of the tokenizer of the model behind `endpoint`: its chat template is rendered here where a task
    asks for log-probabilities under it."""
    engine: Literal["own", "lm_eval"] = "own"
    """What answers tasks: our scorer, or a model of lm-evaluation-harness where that is installed."""
    text: dict[str, TextSet] = Field(default_factory=dict)
    """Name -> held-out text."""
    ngram_control: dict[str, NgramControl] = Field(default_factory=dict)
    """Name of a text set -> n-gram control scored on the same bytes."""
    generation: dict[str, Generation] = Field(default_factory=dict)
    """Name -> prompts."""
    alignment: dict[str, Alignment] = Field(default_factory=dict)
    """Name -> aligned text of two languages."""
    translation: dict[str, Translation] = Field(default_factory=dict)
    """Name -> aligned text to translate in every direction."""
    rules: dict[str, RuleSet] = Field(default_factory=dict)
    """Name -> prompts with rules a program can check."""
    choice: dict[str, MultipleChoice] = Field(default_factory=dict)
    """Name -> multiple-choice task."""
    in_context: InContextProbe | None = None
    """Probe of in-context learning, judged with the kept languages; None leaves it out."""
    tasks: dict[str, TaskSet] = Field(default_factory=dict)
    """Name -> task file."""
    suites: dict[str, SuiteSet] = Field(default_factory=dict)
    """Name -> suite; its sets are called NAME.TASK."""
    contamination: list[RowsRef] = Field(default_factory=list)
    """Training data that items of tasks are looked up in; scores are then also given without the items found."""
    join: Literal["safe", "lm_eval"] = "safe"
    """Where an answer begins when a token spans prompt and answer: at that token, or where lm-eval cuts."""
    window_bytes: int = Field(1024, ge=64)
    """Text is scored in windows of this many bytes, cut at character boundaries, the same for every model."""
    max_length: int = Field(1024, ge=16)
    """Longest sequence shown to the model in tokens; a window that needs more is scored in pieces."""
    dtype: Literal["bfloat16", "float32"] = "float32"
    """Arithmetic of the forward pass."""
    batch: int = operational(16, ge=1)
    """Sequences per forward pass."""
    processes: int = operational(1, ge=1)
    """Processes that share the scoring of tasks, each with the whole model."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where to run."""
    threads: int | None = operational(None, ge=1)
    """CPU threads; None takes all cores."""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.model is None) == (self.endpoint is None):
            raise ValueError("give either `model` or `endpoint`")
        asked = [name for name in _NEEDS_WEIGHTS if getattr(self, name, None)]
        if self.endpoint and asked:
            raise ValueError(f"an `endpoint` can be asked `tasks` and `suites` alone, not `{asked[0]}`")
        if self.endpoint and self.endpoint.protocol != "chat":
            raise ValueError(f"an `endpoint` answers; one of protocol {self.endpoint.protocol} only translates")
        if self.tokenizer and not self.endpoint:
            raise ValueError("`tokenizer` goes with an `endpoint`; a `model` brings its own")
        return self

    def rehearsal(self) -> Self:
        """Score little text and few prompts."""
        text = {k: v.model_copy(update={"max_bytes": min(v.max_bytes or 8192, 8192)}) for k, v in self.text.items()}
        short = {"prompts": 4, "max_new_tokens": 16}
        generation = {k: v.model_copy(update=short) for k, v in self.generation.items()}
        tasks = {k: v.model_copy(update={"limit": min(v.limit or 8, 8)}) for k, v in self.tasks.items()}
        few = {"sentences": 2, "max_new_tokens": 16}
        grid = {k: v.model_copy(update=few) for k, v in self.translation.items()}
        rules = {k: v.model_copy(update={"prompts": 4, "max_new_tokens": 16}) for k, v in self.rules.items()}
        suites = {k: v.model_copy(update={"limit": min(v.limit or 8, 8)}) for k, v in self.suites.items()}
        sets = {
            "text": text,
            "generation": generation,
            "tasks": tasks,
            "translation": grid,
            "rules": rules,
            "suites": suites,
        }
        return self.model_copy(update=sets)
