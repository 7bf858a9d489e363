"""Settings of the `merge` stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import ModelRef, StageConfig


class MergeConfig(StageConfig):
    """Combine models of one family in weight space, whatever their vocabularies."""

    MAKES: ClassVar[str] = "Model"

    method: Literal["linear", "task_arithmetic", "chat_vector"] = "linear"
    """`linear` averages; `task_arithmetic` adds differences to `base`; `chat_vector` adds instruct - base to one."""
    models: list[ModelRef] = Field(min_length=1)
    """Models to combine; the first decides vocabulary, tokenizer and config (`chat_vector`: the adapted model)."""
    weights: list[float] = Field(default_factory=list)
    """One weight per model; `linear` scales them to sum to 1. Empty means equal weights, 1 each."""
    base: ModelRef | None = None
    """Common ancestor: needed by `task_arithmetic` and `chat_vector`."""
    instruct: ModelRef | None = None
    """Instruction-tuned sibling of `base`: needed by `chat_vector`."""

    @model_validator(mode="after")
    def _has_what_the_method_needs(self) -> Self:
        if self.method != "linear" and self.base is None:
            raise ValueError(f"`{self.method}` needs `base`")
        if self.method == "chat_vector" and (self.instruct is None or len(self.models) != 1):
            raise ValueError("`chat_vector` needs `instruct` and exactly one model, the adapted one")
        if self.weights and len(self.weights) != len(self.models):
            raise ValueError(f"{len(self.weights)} weights for {len(self.models)} models")
        return self
