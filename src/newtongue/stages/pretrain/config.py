"""Settings of the `pretrain` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import CorpusRef, ModelRef, Settings, StageConfig, operational
from newtongue.core.training import Lora, check_rows_can_be_held


class Architecture(Settings):
    """A model made from nothing: a decoder of the Llama family with a byte-level BPE tokenizer."""

    vocabulary: int = Field(4096, ge=300)
    """Tokens of the tokenizer trained on the corpus."""
    hidden_size: int = Field(192, ge=8)
    """Width."""
    layers: int = Field(6, ge=1)
    """Depth."""
    heads: int = Field(6, ge=1)
    """Attention heads."""
    intermediate_size: int = Field(512, ge=8)
    """Width of the feed-forward layer."""
    max_positions: int = Field(1024, ge=16)
    """Longest sequence in tokens."""
    tied: bool = True
    """Whether input and output embeddings are one matrix."""


class Replay(Settings):
    """Text of the languages to keep, mixed into training."""

    corpus: CorpusRef | None = None
    """Text to replay, or text sampled from `sampled_from` earlier."""
    sampled_from: ModelRef | None = None
    """Model whose own samples at temperature 1 are the replay, when its training data is not to be had."""
    tokens: int = Field(0, ge=0)
    """Tokens to sample; not needed when `corpus` holds the samples."""
    share: float = Field(0.2, ge=0, lt=1)
    """Share of training tokens that are replay."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.corpus is None and (self.sampled_from is None or self.tokens == 0):
            raise ValueError("replay needs `corpus`, or `sampled_from` with `tokens`")
        return self


class Counting(Settings):
    """Counts of n-grams of the training text; what they predict smooths what is learnt from little text."""

    order: int = Field(6, ge=2, le=8)
    """Tokens of the longest n-grams, the predicted one included."""
    share: float = Field(0.15, gt=0, le=1)
    """Share of the counts in what is taught beside a `model`; without one they are all of it."""


class Distillation(Settings):
    """Whole predictions that are learnt beside the next token of the text: a model's, those of counts, or both."""

    model: ModelRef | None = None
    """Teacher: the base itself on the languages to keep, or another model with the same first token ids."""
    counts: Counting | None = None
    """Teach what counting n-grams of the text predicts of each place as if it were not there."""
    weight: float = Field(0.5, gt=0, le=1)
    """Share of the target that is the taught distribution; the rest is the next token of the text."""
    temperature: float = Field(1.0, gt=0)
    """The model's logits are divided by this; above 1 corrects a teacher that is too sure of its training text."""
    on: Literal["replay", "all"] = "replay"
    """Where is taught: on the replay, which a base can read whatever tokens were added, or on all text."""

    @model_validator(mode="after")
    def _somebody_teaches(self) -> Self:
        if self.model is None and self.counts is None:
            raise ValueError("distillation needs a `model`, `counts`, or both")
        return self


class PretrainConfig(StageConfig):
    """Continue pre-training on target text while replaying the languages to keep."""

    MAKES: ClassVar[str] = "Model"

    model: ModelRef | Architecture
    """Model to start from (usually `$tokenizer`), or an architecture to start from nothing."""
    corpus: CorpusRef | dict[str, CorpusRef]
    """Target text: one corpus, or a mapping name -> corpus with `weights`."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Relative weight of each named corpus; missing ones weigh by their size."""
    replay: Replay | None = None
    """Replay of kept languages; None trains on target text alone, with a warning."""
    distillation: Distillation | None = None
    """Learn a teacher's predictions too; None learns the text alone."""
    tokens: int = Field(ge=1)
    """Training tokens, replay included, counted with the model's tokenizer."""
    sequence_length: int = Field(1024, ge=8)
    """Tokens per packed sequence."""
    tokens_per_step: int = Field(8192, ge=8)
    """Tokens per optimiser step; rounded down to whole sequences."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate."""
    embedding_learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate of the embedding matrices; None takes `learning_rate`."""
    embedding_rows: Literal["all", "new"] = "all"
    """Embedding rows that learn: all, or those `tokenizer` added (`lora.rows` decides when `lora` is set)."""
    warmup_fraction: float = Field(0.05, ge=0, le=1)
    """Share of steps over which the learning rate rises from 0."""
    decay_fraction: float = Field(0.5, ge=0, le=1)
    """Share of steps, at the end, over which it falls to `final_fraction` by a cosine."""
    final_fraction: float = Field(0.1, ge=0, le=1)
    """Learning rate at the last step, as a share of the peak."""
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of matrices; norms and biases have none."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of what each block adds that is dropped while training; useful when text is read many times over."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Arithmetic of forward and backward passes; weights are kept in float32 while training."""
    lora: Lora | None = None
    """Train adapters instead of every weight."""
    seed: int = 0
    """Seed of data order and sampling."""
    micro_batch: int = operational(8, ge=1)
    """Sequences per device and forward pass."""
    save_every_seconds: float = operational(60.0, gt=0)
    """Time between checkpoints for resuming, seconds."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where to train."""
    devices: int = operational(1, ge=1)
    """Processes that train together, one per GPU (FSDP2 under torchrun)."""
    threads: int | None = operational(None, ge=1)
    """CPU threads; None takes all cores."""

    @model_validator(mode="after")
    def _rows_can_be_held(self) -> Self:
        check_rows_can_be_held(self.devices, self.embedding_rows, self.lora)
        return self

    @model_validator(mode="after")
    def _something_to_teach_on(self) -> Self:
        if self.distillation and self.distillation.on == "replay" and self.replay is None:
            raise ValueError("distillation on the replay needs `replay`; `on: all` teaches on all text")
        return self

    def rehearsal(self) -> Self:
        """Train for a few steps."""
        length = min(self.sequence_length, 64)
        replay = self.replay and self.replay.model_copy(update={"tokens": min(self.replay.tokens, 512)})
        small = {"tokens": min(self.tokens, 4096), "sequence_length": length, "tokens_per_step": 8 * length}
        return self.model_copy(update={**small, "replay": replay})
