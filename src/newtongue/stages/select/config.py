"""Settings of the `select` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import ConversationsRef, FileRef, ModelRef, Ref, RowsRef, Settings, StageConfig, operational
from newtongue.core.engine import Engine

Method = Literal[
    "random", "length", "topk", "car", "mdaq_cluster", "mdaq_mmr", "k_center", "facility_location", "new_token_coverage"
]
Corruption = Literal[
    "truncated", "repeated", "wrong_language", "shuffled", "mismatched", "word_noise", "back_translated"
]
EMBEDDED: tuple[str, ...] = ("car", "mdaq_cluster", "mdaq_mmr", "k_center", "facility_location")
"""Methods that need a vector per row."""
SCORED: tuple[str, ...] = ("topk", "car", "mdaq_cluster", "mdaq_mmr")
"""Methods that need a score per row."""


class ScorerRef(Ref):
    """A scorer made by another `select` stage."""

    kinds = ("Scorer",)


class Embeddings(Settings):
    """How rows become vectors; cosines are taken between vectors of length one."""

    encoder: ModelRef | None = None
    """Directory of a sentence encoder, or of the adapted model; None takes hashed character n-grams."""
    dimensions: int = Field(384, ge=8, le=8192)
    """Numbers per vector of hashed n-grams; an encoder has its own."""
    max_tokens: int = Field(512, ge=8)
    """Longer rows are cut for an encoder, tokens."""
    centred: bool = False
    """Whether the mean of all vectors is taken off first: for hidden states, which share one large direction. A pool
    that is mostly copies of one row must not be centred: its copies would look different."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where an encoder runs."""


class Diversity(Settings):
    """How difference is weighed against quality."""

    quality_weight: float = Field(0.5, ge=0, le=1)
    """`mdaq_mmr`: share of quality against difference; 1 is `topk`, 0 is farthest-first."""
    clusters: int | None = Field(None, ge=1)
    """Clusters; None takes floor(sqrt(rows / 2))."""
    variance: float = Field(0.95, gt=0, le=1)
    """Share of variance kept before clustering."""
    per_cluster: int = Field(1, ge=0)
    """`car`: best rows taken of every cluster, beside the `keep` best of all."""
    ground_rows: int = Field(20000, ge=1)
    """`facility_location`: rows to be represented at most, drawn by chance from the candidates."""


class Quota(Settings):
    """Rows wanted of named values: a whole number, or below 1 a share of `keep`. Other values share the rest."""

    language: dict[str, float] = Field(default_factory=dict)
    """Language tag -> rows."""
    task: dict[str, float] = Field(default_factory=dict)
    """Task type -> rows."""
    source: dict[str, float] = Field(default_factory=dict)
    """Source -> rows."""


class ScorerTraining(Settings):
    """How a quality scorer learns."""

    pairs: ConversationsRef | None = None
    """Rows with `prompt`, `original`, `revised` and `language`: answers before and after an expert's revision."""
    min_change_fraction: float = Field(0.0, ge=0, lt=1)
    """Share of the pairs, those with the smallest edit distance, that is left out (CaR: 0.323)."""
    judged: bool = False
    """Learn from the column `score` of the candidates instead of from pairs."""
    corruptions: list[Corruption] = Field(
        default_factory=lambda: ["truncated", "repeated", "wrong_language", "shuffled", "mismatched", "word_noise"]
    )
    """Ways candidates are spoiled to make pairs; `back_translated` needs the column `round_trip`."""
    objective: Literal["mse", "triplet"] = "mse"
    """`mse` fits labels 1 and 0 with one intercept per pair; `triplet` asks for a margin only."""
    encoder: ModelRef | None = None
    """Encoder or model directory whose hidden states are features; None needs no download."""
    surprise: bool = False
    """With a causal model as encoder: add how surprising it finds the answer, with the prompt and without."""
    leave_out_language: bool = True
    """Whether the card tells how a scorer that never saw a language scores it; one more training per language."""
    max_rows: int = Field(2000, ge=20)
    """Candidates trained on at most, drawn by chance."""
    max_tokens: int = Field(512, ge=8)
    """Longer rows are cut for an encoder, tokens."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where an encoder runs."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.surprise and not self.encoder:
            raise ValueError("`surprise` needs `encoder`: a causal model's directory")
        if self.judged and self.pairs:
            raise ValueError("give either `judged` or `pairs`")
        if not (self.judged or self.pairs or self.corruptions):
            raise ValueError("nothing to learn from: give `pairs`, `judged` or `corruptions`")
        return self


class SelectConfig(StageConfig):
    """Choose which rows to train on, or learn to score them."""

    MAKES: ClassVar[str] = "Conversations"

    candidates: RowsRef
    """Rows to choose from; held-out rows pass through untouched. For a scorer: good rows to learn from."""
    method: Method = "random"
    """`random` draws, `length` takes the longest answers, `topk` the highest scores; others weigh difference too."""
    keep: int | None = Field(None, ge=1)
    """Training rows to keep (all when there are fewer); None takes `keep_fraction`. `car` adds rows to it."""
    keep_fraction: float = Field(1.0, gt=0, le=1)
    """Share of training rows to keep when `keep` is not set."""
    scope: Literal["global", "language"] = "global"
    """Whether rows compete with all others, or with those of their language only, each with its share of `keep`."""
    quotas: Quota = Quota()
    """Rows wanted per language, task and source."""
    protect: FileRef | list[str] = Field(default_factory=list)
    """Ids of rows that always stay, or a file with one per line; they count against `keep` and come first."""
    scorer: ScorerRef | None = None
    """Scorer that gives every row its score; None reads `score_column`."""
    score_column: str = "score"
    """Numeric column with the score, highest best; every training row must have one where the method needs it."""
    embeddings: Embeddings | None = None
    """How rows become vectors. None: hashed n-grams where the method needs vectors, nothing elsewhere."""
    diversity: Diversity = Diversity()
    """How difference is weighed against quality."""
    vocabulary: ModelRef | None = None
    """`new_token_coverage`: model whose new tokens (those of its `expansion.json`) rows should exercise."""
    train: ScorerTraining | None = None
    """Make a Scorer instead of choosing rows."""
    shard_rows: int = Field(1_000_000, ge=2)
    """Rows looked at together. A larger pool stays on disk and is cut into shards by chance; each shard chooses, then
    one choice is made of what the shards keep."""
    engine: Engine = operational(Engine())
    """Where passes over a pool of more than `shard_rows` rows run."""
    makes_kind: Literal["Conversations", "Corpus", "Preferences"] = "Conversations"
    """Kind of the rows; the stage makes the kind it was given, or a Scorer when `train` is set."""
    seed: int = 0
    """Seed of draws, of ties and of cluster centres."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "new_token_coverage" and self.vocabulary is None:
            raise ValueError("`new_token_coverage` needs `vocabulary`: the model with the new tokens")
        wanted = {**self.quotas.language, **self.quotas.task, **self.quotas.source}
        if bad := [f"{name}: {n:g}" for name, n in wanted.items() if n < 0 or (n > 1 and n != int(n))]:
            raise ValueError(f"a quota is a whole number of rows, or a share below 1, not {bad[0]}")
        return self

    def makes(self) -> str:
        """Return the kind of the rows chosen from, or Scorer."""
        return "Scorer" if self.train else self.makes_kind

    def rehearsal(self) -> Self:
        """Keep thirty rows; learn from a hundred."""
        update: dict[str, object] = {"keep": min(self.keep, 30)} if self.keep else {}
        if self.train:
            update["train"] = self.train.model_copy(update={"max_rows": min(self.train.max_rows, 100)})
        if self.quotas != Quota():
            update["quotas"] = Quota()
        return self.model_copy(update=update)
