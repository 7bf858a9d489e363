"""Settings of the `tokenizer` stage."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import CorpusRef, ModelRef, Settings, StageConfig
from newtongue.core.language import Languages
from newtongue.stages.tokenizer.init_config import InitMethod, InitSettings


class SizeSettings(Settings):
    """What `new_tokens: auto` weighs."""

    min_updates: int = Field(50, ge=1)
    """Training has to meet a new token this often for it to be learnt."""
    passes: float = Field(4.0, gt=0)
    """How often training will go through the corpus."""
    target_share: float = Field(0.5, gt=0, le=1)
    """Share of target text among all tokens in training and use; kept languages pay for new rows and save nothing."""
    min_saving: float = Field(0.02, ge=0, lt=1)
    """Share of computing that has to be saved, else no token is added."""


class TrimSettings(Settings):
    """What `trim` leaves."""

    tokens: int | None = Field(None, ge=1)
    """Tokens to keep at most, the most used first; single characters, specials and protected text keep theirs."""
    min_count: int = Field(1, ge=1)
    """A token stays when the corpus uses it at least this often."""


class ReplaceSettings(Settings):
    """What `replace` puts in."""

    donor: ModelRef | None = None
    """Model whose vocabulary is taken; null trains one in the same style on the corpus and the protected texts."""
    tokens: int = Field(32_000, ge=300)
    """Size of a vocabulary that is trained."""


class TokenizerConfig(StageConfig):
    """Add tokens of the target language to a model, every old id as it was; or trim or replace its vocabulary."""

    MAKES: ClassVar[str] = "Model"

    model: ModelRef
    """Model to expand."""
    corpus: CorpusRef
    """Text the new tokens are learnt on; only its training side is read."""
    protect: list[CorpusRef] = Field(default_factory=list)
    """Text whose token ids must not change, beside the shipped English, source code and chat samples."""
    guarantee: Literal["protected_text", "alphabet"] = "protected_text"
    """`protected_text`: these texts keep their ids; `alphabet`: so does every other text in their alphabet."""
    new_tokens: Annotated[int, Field(ge=0)] | Literal["auto"] = 1200
    """Tokens to add at most, fewer when the text has no more; 0 leaves the model as it is and only measures; `auto`
    weighs what they save against what they cost."""
    size: SizeSettings = SizeSettings()
    """What `new_tokens: auto` weighs."""
    trim: TrimSettings | None = None
    """Drop tokens instead of adding some: ids are numbered anew, and each row that stays keeps its bytes."""
    replace: ReplaceSettings | None = None
    """Put in another vocabulary instead of adding tokens: the model's special tokens stay, all other ids are new, and
    protected text is split anew."""
    max_bytes: int = Field(256_000_000, ge=1000)
    """Tokens are learnt on at most this much text, UTF-8 bytes, in row order."""
    min_count: int = Field(2, ge=1)
    """A token is added only when it occurs at least this often in the corpus."""
    max_token_chars: int = Field(16, ge=1)
    """Longest new token in characters."""
    init: InitMethod | InitSettings = "subword_mean"
    """How new rows start: a method for both matrices, or settings."""
    pad_rows_to: int = Field(64, ge=1)
    """The embedding matrix gets a multiple of this many rows."""
    languages: Languages = Languages()
    """Each kept language needs protected text: one of the corpora under `protect`, or the shipped English."""
    seed: int = 0
    """Seed of random initialisers."""

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if self.trim is not None and self.replace is not None:
            raise ValueError("trim and replace exclude each other; use two tokenizer stages")
        return self

    @property
    def initialisation(self) -> InitSettings:
        """How new rows start, written out."""
        return InitSettings(input=self.init) if isinstance(self.init, str) else self.init

    def rehearsal(self) -> Self:
        """Add a hundred tokens."""
        tokens = 100 if self.new_tokens == "auto" else min(self.new_tokens, 100)
        return self.model_copy(update={"new_tokens": tokens})
