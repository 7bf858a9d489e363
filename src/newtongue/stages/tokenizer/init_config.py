"""Settings of how new rows start: a group of the `tokenizer` stage's settings."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import FileRef, ModelRef, Settings

InitMethod = Literal[
    "subword_mean",
    "mean",
    "mean_noise",
    "random_normal",
    "multivariate_normal",
    "lexical",
    "wechsel",
    "ofa",
    "focus",
    "clp",
    "constrained_word2vec",
    "vocadt",
    "omp",
    "zett",
    "token_distillation",
]
NEEDS_DONOR = ("clp", "omp")


class VectorSettings(Settings):
    """Where the vectors come from that `wechsel`, `ofa`, `focus` and `constrained_word2vec` compare tokens by."""

    file: FileRef | None = None
    """Word vectors of the new language (or of both) as text, one entry per line; null counts contexts in the corpus."""
    source_file: FileRef | None = None
    """Word vectors of the old language, when `file` holds only the new one."""
    dictionary: FileRef | None = None
    """Tab-separated word pairs, old language first, by which `source_file` is turned onto `file`."""
    width: int = Field(100, ge=1)
    """Width of vectors counted from the corpus."""
    window: int = Field(5, ge=1)
    """Old tokens on each side that count as context."""
    min_count: int = Field(10, ge=1)
    """A token needs this many contexts to have a vector."""


class LearningSettings(Settings):
    """How `vocadt` and `token_distillation` learn."""

    tokens: int = Field(200_000, ge=1)
    """Tokens of text seen, in the new vocabulary."""
    sequence_length: int = Field(128, ge=8)
    """Tokens per sequence."""
    sequences_per_step: int = Field(16, ge=1)
    """Sequences per step of the optimiser."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's learning rate, constant."""


class InitSettings(Settings):
    """How new rows of the input and output matrix start."""

    input: InitMethod = "subword_mean"
    """Method of the input embeddings."""
    head: InitMethod | None = None
    """Method of the output embeddings where they are a matrix of their own; null takes the input's."""
    fallback: Literal["subword_mean", "mean", "refuse"] = "subword_mean"
    """What a token gets for which the method finds nothing; such tokens are counted in `expansion.json`."""
    max_kl_bits: float | None = Field(None, gt=0)
    """Mix output rows with the mean row until the expected cost to protected text is proved to stay below this, bits
    per token."""
    noise: float | None = Field(None, ge=0)
    """Factor on the noise of `mean_noise`, `random_normal` and `multivariate_normal`; null takes the published one."""
    neighbours: int | None = Field(None, ge=1)
    """Old tokens in a mixture: `wechsel` and `ofa` (10), `clp` (all), `omp` (64), learnt mixtures (16)."""
    rank: int | None = Field(None, ge=1)
    """Coordinates per row in which `ofa` mixes (its paper takes 100, 200 and 400); null mixes whole rows."""
    temperature: float = Field(0.1, gt=0)
    """Divides similarities in `wechsel` and `ofa`."""
    vectors: VectorSettings = VectorSettings()
    """Where vectors to compare tokens by come from."""
    donor: ModelRef | None = None
    """Model that already has tokens of the language: needed by `clp` and `omp`, else its rows serve as vectors."""
    hypernetwork: FileRef | None = None
    """Folder of a hypernetwork trained for this model (`config.json`, `model.safetensors`), for `zett`."""
    learning: LearningSettings = LearningSettings()
    """How learnt methods learn."""
    measure_tokens: int = Field(0, ge=0)
    """Measure the cost to protected text on this many tokens by running the model; 0 leaves it at the proved bound."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        methods = {self.input, self.head}
        for method in NEEDS_DONOR:
            if method in methods and self.donor is None:
                raise ValueError(f"{method} needs a donor model: set init.donor")
        if "zett" in methods and self.hypernetwork is None:
            raise ValueError("zett needs a trained hypernetwork: set init.hypernetwork")
        if self.rank is not None and "ofa" not in methods:
            raise ValueError("init.rank belongs to ofa: set init.input or init.head to ofa, or leave it out")
        if self.vectors.source_file is not None and (self.vectors.file is None or self.vectors.dictionary is None):
            raise ValueError("init.vectors.source_file needs init.vectors.file and init.vectors.dictionary")
        return self
