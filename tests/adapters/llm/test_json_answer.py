"""What is read out of a model's answer, what is mended, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.adapters.llm.json_answer import check_schema, read_json, violation

VALUE = {"سوال": 'اس نے کہا "ہاں"', "n": [1, 2]}
TEXT = json.dumps(VALUE, ensure_ascii=False)


@pytest.mark.parametrize(
    "written",
    [
        f"```json\n{TEXT}\n```", f"Here it is: {TEXT} I hope this helps.", TEXT[:-1] + ",}",
        "{'سوال': 'اس نے کہا \"ہاں\"', 'n': [1, 2]}", TEXT.replace("\\\"", '"'),
    ],
)  # fmt: skip
def test_what_can_be_mended_is_and_says_so(written: str) -> None:
    found = read_json(written)
    assert (found.value, found.repaired, found.problem) == (VALUE, True, "")
    assert read_json(written, cut_off=True).problem == "cut off"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("no brackets", "no JSON"), (TEXT[:-1], "cut off"), (TEXT[:9], "cut off"), ("{a: b}", "broken JSON"),
        ("", "no JSON"), ("[" * 5000, "cut off"), ("[" * 3000 + "]" * 3000, "broken JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_mended(written: str, problem: str) -> None:
    assert read_json(written).problem == problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_whole_json_is_read_as_it_is(value: Any) -> None:
    found = read_json(json.dumps(value, ensure_ascii=False))
    assert (found.value, found.repaired, found.problem) == (value, False, "")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(), st.text(), min_size=1), st.data())
def test_a_cut_answer_is_never_taken_for_whole(value: dict[str, str], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    assert read_json(cut).problem
    assert read_json(cut, cut_off=True).problem == "cut off"


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "string", "minLength": 2}, "ک", "answer has the wrong length"),
        ({"type": "integer"}, True, "answer is no integer"),
        ({"type": "integer"}, 3.0, ""),
        ({"type": ["string", "null"]}, None, ""),
        ({"enum": ["a"]}, "b", "answer is none of the allowed values"),
        ({"type": "number", "maximum": 5}, 6, "answer is out of range"),
        ({"type": "array", "minItems": 1}, [], "answer has fewer than 1 items"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "2"], "answer[] is no integer"),
        ({"type": "object", "required": ["a"]}, {}, "answer lacks a"),
        ({"type": "object", "additionalProperties": False}, {"x": 1}, "answer has a key nobody asked for"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"x": 1}, "answer.x is no string"),
        ({"type": "string", "pattern": "^[ا-ی]+$"}, "abc", "answer does not have the wanted form"),
        ({"const": 1}, 2, "answer is not the required value"),
    ],
)
def test_the_first_thing_wrong_is_named(schema: dict[str, Any], value: Any, problem: str) -> None:
    check_schema(schema)
    assert violation(value, schema) == problem


def test_a_keyword_nobody_checks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"schema\.a: `oneOf` is not supported"):
        check_schema({"type": "object", "properties": {"a": {"oneOf": []}}})
