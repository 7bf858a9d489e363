"""YAML as version 1.2 reads it: the traps of 1.1, doubled keys, merge keys, and lines in messages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.core.errors import RecipeError
from newtongue.run import yaml12


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("NO", "NO"), ("y", "y"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("Null", None),
        ("2e-5", 2e-5), ("1E3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-.5e+2", -50.0), ("1.0", 1.0),
        ("12", 12), ("-7", -7), ("+3", 3), ("007", 7), ("0o17", 15), ("0x1F", 31), ("017", 17),
        ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("2024-01-02", "2024-01-02"), ("1_000", "1_000"), ("0b11", "0b11"),
        ("=", "="), ("'no'", "no"), ("1.2.3", "1.2.3"), ("1e", "1e"), ("-", [None]),
        (".inf", math.inf), ("-.INF", -math.inf),
    ],
)  # fmt: skip
def test_plain_scalars_are_those_of_the_core_schema(text, value):
    assert yaml12.parse(f"key: {text}" if text != "-" else "key:\n  -", "t") == {"key": value}


def test_not_a_number_is_a_number():
    assert math.isnan(yaml12.parse("key: .nan", "t")["key"])


NAMES = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
LETTERS = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\ufffe\uffff\u2028\u2029"
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(LETTERS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@given(VALUES)
def test_what_is_written_is_read_again(value):
    assert yaml12.parse(yaml12.dump({"key": value}), "t") == {"key": value}


def message(text: str) -> str:
    with pytest.raises(RecipeError) as raised:
        yaml12.parse(text, "r.yaml")
    return raised.value.text()


def test_a_doubled_key_is_an_error_with_both_lines():
    text = "a: 1\nstages:\n  corpus: {}\n  pretrain: {}\n  corpus: {}\n"
    assert message(text) == "r.yaml, line 5: the key 'corpus' stands twice, first on line 3\n  fix: remove one"


def test_a_merge_key_is_an_error():
    assert message("a: &a {x: 1}\nb:\n  <<: *a\n") == (
        "r.yaml, line 3: merge keys (<<) are not part of YAML 1.2\n  fix: use `extends:` or write it out"
    )


def test_anchors_are_read():
    assert yaml12.parse("a: &a {x: 1}\nb: *a", "t") == {"a": {"x": 1}, "b": {"x": 1}}


def test_broken_yaml_names_its_line():
    assert message("a: 1\nb: [1, 2\nc: 3\n").startswith("r.yaml, line 3: not YAML: ")
    assert message("a: 1\n\tb: 2\n").startswith("r.yaml, line 2: not YAML: ")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.system x", "!thing 1"])
def test_tags_never_make_objects(tag):
    assert "not YAML" in message(f"a: {tag}")


def test_a_key_that_cannot_be_a_key_is_an_error():
    assert "not YAML" in message("? [1, 2]\n: 3")


def test_files_that_cannot_be_read_are_errors(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        yaml12.read(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read"):
        yaml12.read(tmp_path / "bytes.yaml")
