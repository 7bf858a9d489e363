"""Settings: what is semantic, what a reference is, what a secret may be."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import Field, ValidationError

from newtongue.core import secrets
from newtongue.core.config import (
    CorpusRef,
    ModelRef,
    Ref,
    Secret,
    Settings,
    StageConfig,
    operational,
    references,
    semantic,
    set_references,
)
from newtongue.core.errors import RecipeError


class Inner(Settings):
    place: str | None = operational(None)
    heat: float = 1.0


class Example(StageConfig):
    MAKES: ClassVar[str] = "Corpus"

    text: CorpusRef
    model: ModelRef | None = None
    more: dict[str, CorpusRef] = Field(default_factory=dict)
    listed: list[ModelRef] = Field(default_factory=list)
    inner: Inner = Inner()
    maybe: Inner | None = None
    count: int = 3
    key: Secret | None = None
    workers: int = operational(1)


def test_semantic_settings_leave_out_defaults_operational_ones_and_secrets():
    config = Example(text="$a", workers=4, key="env:KEY", inner={"place": "x"})
    assert semantic(config) == {"text": "<input>"}
    config = Example(text="$a.train", count=4, inner={"heat": 2}, maybe={}, more={"x": "/x", "y": "$b.heldout"})
    assert semantic(config) == {
        "text": "<train>", "more": [{"x": "<input>"}, {"y": "<heldout>"}], "inner": {"heat": 2.0}, "maybe": {},
        "count": 4,
    }  # fmt: skip


def test_references_are_found_in_order_with_their_places_and_can_be_changed():
    config = Example(text="$a", model="org/m", more={"x": "/x"}, listed=["$m", "/n"])
    assert list(references(config)) == [
        ("text", "$a"), ("model", "org/m"), ("more.x", "/x"), ("listed.0", "$m"), ("listed.1", "/n"),
    ]  # fmt: skip
    changed = set_references(config, lambda ref: f"{ref}!")
    assert [str(ref) for _, ref in references(changed)] == ["$a!", "org/m!", "/x!", "$m!", "/n!"]
    assert isinstance(changed.model, ModelRef) and config.text == "$a"
    assert Example.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("text", "stage", "part", "hub"),
    [
        ("$corpus", "corpus", None, False), ("$corpus.heldout", "corpus", "heldout", False),
        ("$tok.W", "tok", "W", False),
        ("org/name", None, None, True), ("org/name@v1.0", None, None, True), ("./a/b", None, None, False),
        ("/a/b", None, None, False), ("asset:x", None, None, False), ("env:X", None, None, False),
        ("~/a", None, None, False), ("$Bad", None, None, False), ("name", None, None, False),
        ("a/b/c", None, None, False),
    ],
)  # fmt: skip
def test_what_a_reference_names(text, stage, part, hub):
    ref = Ref(text)
    assert (ref.stage, ref.part, ref.is_hub_id) == (stage, part, hub)


def test_settings_are_frozen_and_unknown_keys_are_errors_that_show_no_value():
    config = Example(text="$a")
    with pytest.raises(ValidationError):
        config.count = 4  # type: ignore[misc]
    with pytest.raises(ValidationError) as raised:
        Example(text="$a", cuont="sk-secret", count="sk-secret")  # type: ignore[call-arg]
    assert "sk-secret" not in str(raised.value)


def test_a_secret_is_named_read_at_use_and_never_shown(monkeypatch):
    with pytest.raises(ValidationError) as raised:
        Example(text="$a", key="sk-secret")
    assert "sk-secret" not in str(raised.value)
    secret = Example(text="$a", key="env:EXAMPLE_SECRET").key
    monkeypatch.delenv("EXAMPLE_SECRET", raising=False)
    with pytest.raises(RecipeError) as missing:
        secret.read()
    assert missing.value.text() == "the environment variable EXAMPLE_SECRET is not set\n  fix: export EXAMPLE_SECRET=…"
    monkeypatch.setenv("EXAMPLE_SECRET", "sk-value")
    assert secret.read() == "sk-value"
    assert secrets.redact("got sk-value!") == "got •••!"
    assert "sk-value" not in repr(Example(text="$a", key="env:EXAMPLE_SECRET"))


def test_a_plain_setting_from_the_environment_is_hidden_too(monkeypatch):
    Inner(place="env:EXAMPLE_URL")
    monkeypatch.setenv("EXAMPLE_URL", "http://10.0.0.1/a b")
    assert (
        secrets.redact('{"url": "http://10.0.0.1/a b", "u": "http%3A%2F%2F10.0.0.1%2Fa%20b"}')
        == '{"url": "•••", "u": "•••"}'
    )


def test_short_values_would_hide_ordinary_words_and_stay(monkeypatch):
    secrets.note("EXAMPLE_SHORT")
    monkeypatch.setenv("EXAMPLE_SHORT", "the")
    assert secrets.redact("the end") == "the end"
