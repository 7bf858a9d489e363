"""What a setting is: typed, frozen, documented, and either semantic or operational.

A semantic setting changes the bytes a stage makes and enters its fingerprint. An operational one
(workers, micro-batch, device, url of a teacher) changes speed or place, never the result.
References to other artefacts are values of type `Ref`; secrets are values of type `Secret`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import CoreSchema, PydanticSerializationUnexpectedValue, core_schema

from newtongue.core import secrets
from newtongue.core.errors import RecipeError

STAGE_REF = re.compile(r"^\$(?P<stage>[a-z][a-z0-9_]*)(?:\.(?P<part>[A-Za-z]\w*))?$")
HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?$")


def operational(default: Any = ..., **constraints: Any) -> Any:
    """Declare a setting that changes speed or place but never the result."""
    return Field(default, json_schema_extra={"operational": True}, **constraints)


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are errors and values never appear in messages."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    def model_post_init(self, context: Any) -> None:
        """Note the name of every environment variable whose value must not be shown."""
        for value in self.__dict__.values():
            if isinstance(value, str) and value.startswith("env:") and not isinstance(value, Ref):
                secrets.note(value.removeprefix("env:"))


class StageConfig(Settings):
    """Settings of one stage. Subclasses say which kind of artefact the stage makes."""

    MAKES: ClassVar[str]

    def makes(self) -> str:
        """Return the kind of artefact these settings make."""
        return self.MAKES

    def columns(self) -> list[tuple[Ref, list[str]]]:
        """Return (reference, columns its rows must have) for files of the user that a plan can look into."""
        return []

    def rehearsal(self) -> Self:
        """Return the same settings at rehearsal size: pico models, a hundred documents."""
        return self


def _plain_text(value: Any) -> str:
    """Return a text field as a plain string; anything else in a union is another member's to write."""
    if not isinstance(value, str):
        raise PydanticSerializationUnexpectedValue(f"{type(value).__name__} is no text")
    return str(value)


class _Text(str):
    """A string with a role; keeps its type through validation and prints as plain text."""

    @classmethod
    def check(cls, text: str) -> Self:
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls.check,
            core_schema.str_schema(min_length=1),
            serialization=core_schema.plain_serializer_function_ser_schema(_plain_text),
        )


class Ref(_Text):
    """A value in an artefact field: `$stage[.part]`, `asset:`, `env:`, a path, a glob or a hub id."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of artefact that may stand here."""

    @property
    def stage(self) -> str | None:
        """Name of the stage referred to, or None for anything outside the recipe."""
        match = STAGE_REF.match(self)
        return match["stage"] if match else None

    @property
    def part(self) -> str | None:
        """Part of the stage's artefact referred to (`train`, `heldout`, `W`), if any."""
        match = STAGE_REF.match(self)
        return match["part"] if match else None

    @property
    def is_hub_id(self) -> bool:
        """Whether this names a repository on the hub rather than something on this machine."""
        return bool(HUB_ID.match(self)) and not self.startswith(("./", "../", "~", "/", "asset:", "env:"))


class ModelRef(Ref):
    """A Hugging Face model directory: weights and tokenizer."""

    kinds = ("Model",)


class CorpusRef(Ref):
    """Documents: a Corpus, or JSONL, Parquet or text files, folders and globs."""

    kinds = ("Corpus",)


class ConversationsRef(Ref):
    """Conversations, or files of messages, instructions or prompt/completion rows."""

    kinds = ("Conversations",)


class RowsRef(Ref):
    """Anything with rows: Corpus, Conversations or Preferences."""

    kinds = ("Corpus", "Conversations", "Preferences")


class ScoresRef(Ref):
    """What one `eval` stage measured."""

    kinds = ("Scores",)


class AnyRef(Ref):
    """An artefact of any kind, for stages that only read manifests."""

    kinds = ("Corpus", "Model", "Conversations", "Preferences", "Scorer", "Suite", "Scores", "Report")


class FileRef(Ref):
    """A plain file the user wrote (a template, a task file); read, never executed."""

    kinds = ("File",)


class Secret(_Text):
    """The name of an environment variable that holds a secret, written `env:NAME`; always operational."""

    @classmethod
    def check(cls, text: str) -> Self:
        """Accept `env:NAME` and nothing else."""
        if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", text):
            raise ValueError("a secret is given as env:NAME, never as its value")
        return cls(text)

    def read(self) -> str:
        """Return the secret's value; it must not be stored, logged or put into a message."""
        name = self.removeprefix("env:")
        value = os.environ.get(name)
        if not value:
            raise RecipeError(f"the environment variable {name} is not set", fix=f"export {name}=…")
        return value


def references(value: Any, place: str = "") -> Iterator[tuple[str, Ref]]:
    """Yield (dotted place, reference) for every artefact reference inside a config, in field order."""
    if isinstance(value, Ref):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from references(getattr(value, name), f"{place}.{name}" if place else name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, f"{place}.{index}")


def semantic(value: Any) -> Any:
    """Return the part of a config that decides the result, as plain JSON values.

    Settings at their default are left out, so that adding a setting changes no old fingerprint.
    References are replaced by a placeholder (their content enters the fingerprint on its own).
    Mappings the user wrote become lists of single pairs: their order reaches the stage, so it counts.
    """
    if isinstance(value, Ref):
        return f"<{value.part or 'input'}>"
    if isinstance(value, BaseModel):
        return dict(_deciding(value))
    if isinstance(value, dict):
        return [{str(key): semantic(item)} for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [semantic(item) for item in value]
    return value


def _deciding(config: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, field in type(config).model_fields.items():
        value, extra = getattr(config, name), field.json_schema_extra
        if isinstance(value, Secret) or (isinstance(extra, dict) and extra.get("operational")):
            continue
        plain = semantic(value)
        if field.is_required() or plain != semantic(field.get_default(call_default_factory=True)):
            yield name, plain


def set_references(value: Any, change: Any) -> Any:
    """Return `value` with every `Ref` replaced by `change(ref)`; used to rehearse and to relocate recipes."""
    if isinstance(value, Ref):
        return type(value)(change(value))
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        return value.model_copy(update={n: set_references(getattr(value, n), change) for n in names})
    if isinstance(value, dict):
        return {key: set_references(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(set_references(item, change) for item in value)
    return value
