"""Settings of the `sft` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import ConversationsRef, CorpusRef, FileRef, ModelRef, StageConfig, operational
from newtongue.core.training import Lora, check_rows_can_be_held


class SftConfig(StageConfig):
    """Fine-tune on conversations: loss on answers only, the stop token always among them."""

    MAKES: ClassVar[str] = "Model"

    model: ModelRef
    """Model to fine-tune."""
    data: ConversationsRef
    """Conversations in the target language; only the training side is read."""
    english: ConversationsRef | None = None
    """Conversations in the kept language, mixed in at `english_share`."""
    english_share: float = Field(0.2, ge=0, lt=1)
    """Share of training conversations from `english`, when given."""
    text: dict[str, CorpusRef] = Field(default_factory=dict)
    """Name -> plain text mixed in, so that fluency in the new and the kept languages stays."""
    text_shares: dict[str, float] = Field(default_factory=dict)
    """Name -> share of training rows from that text; one without a share gets 0.1. They sum to less than 1."""
    epochs: float = Field(2.0, gt=0)
    """Passes over `data`."""
    sequence_length: int = Field(1024, ge=16)
    """Longest conversation in tokens; longer ones are set aside and counted."""
    tokens_per_step: int = Field(8192, ge=8)
    """Tokens per optimiser step, prompts included; conversations per step follow from their mean length."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate."""
    embedding_rows: Literal["all", "new"] = "all"
    """Embedding rows that learn: all, or special tokens and those `tokenizer` added."""
    warmup_fraction: float = Field(0.05, ge=0, le=1)
    """Share of steps over which the learning rate rises from 0."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of matrices."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    chat_template: Literal["keep", "chatml"] | FileRef = "keep"
    """`keep` the model's own (chatml where it has none), `chatml`, or the path of a template file."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Arithmetic of forward and backward passes."""
    lora: Lora | None = None
    """Train adapters instead of every weight."""
    seed: int = 0
    """Seed of data order."""
    micro_batch: int = operational(16, ge=1)
    """Conversations per device and forward pass."""
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
    def _shares_fit(self) -> Self:
        if unknown := set(self.text_shares) - set(self.text):
            raise ValueError(f"text_shares names {', '.join(sorted(unknown))}, which `text` does not")
        if sum(self.shares_of_text()) >= 1 or min(self.text_shares.values(), default=1) <= 0:
            raise ValueError("text_shares must be positive and sum to less than 1")
        return self

    def shares_of_text(self) -> tuple[float, ...]:
        """Return the share of training rows from each plain text, in the order of `text`."""
        return tuple(self.text_shares.get(name, 0.1) for name in self.text)

    def rehearsal(self) -> Self:
        """One short pass."""
        return self.model_copy(
            update={"epochs": min(self.epochs, 1.0), "sequence_length": min(self.sequence_length, 256)}
        )
