"""Identity and sealing: canonical JSON, digests, atomic writes, what a changed byte shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.core import manifest
from newtongue.core.errors import Corrupt, NotSealed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=5))
def test_equal_values_give_equal_bytes_whatever_the_order(value):
    turned = dict(reversed(list(value.items())))
    try:
        assert manifest.canonical(value) == manifest.canonical(turned)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert json.loads(manifest.canonical(value)) == value


def test_canonical_json_refuses_what_has_no_value():
    with pytest.raises(ValueError, match="JSON"):
        manifest.canonical(float("nan"))
    assert manifest.canonical({"ب": 1}) == '{"ب":1}'.encode()


def test_the_fingerprint_is_a_hash_of_all_its_parts():
    parts = ("corpus", 1, {"a": 1}, {"x": "1"}, {"urd_Arab": "2"})
    known = manifest.fingerprint(*parts)
    assert known == manifest.fingerprint("corpus", 1, {"a": 1}, {"x": "1"}, {"urd_Arab": "2"})
    others = [("select", *parts[1:]), ("corpus", 2, *parts[2:]), (*parts[:2], {"a": 2}, *parts[3:]),
              (*parts[:3], {"y": "1"}, parts[4]), (*parts[:4], {})]  # fmt: skip
    assert len({known, *(manifest.fingerprint(*other) for other in others)}) == 6


@pytest.fixture
def sealed(tmp_path) -> Path:
    """A sealed directory of two files, one volatile."""
    payload = tmp_path / "corpus"
    (payload / "sub").mkdir(parents=True)
    (payload / "sub" / "a.txt").write_text("alpha")
    (payload / "b.txt").write_text("now")
    files = manifest.describe_payload(payload, ("b.txt",))
    manifest.write_json(tmp_path / "manifest.json", {"payload": "corpus", "files": files})
    return tmp_path


def test_a_payload_is_described_by_name_bytes_and_hash(sealed):
    files = manifest.read_manifest(sealed)["files"]
    assert files == {"b.txt": {"volatile": True}, "sub/a.txt": {"bytes": 5, "sha256": manifest.sha256(b"alpha")}}
    assert manifest.digest(files) == manifest.digest({"sub/a.txt": files["sub/a.txt"]})
    assert manifest.verify(sealed) == [] == manifest.missing(sealed)


def test_every_difference_is_found(sealed):
    (sealed / "corpus" / "b.txt").write_text("later")
    assert manifest.verify(sealed) == []
    (sealed / "corpus" / "sub" / "a.txt").write_text("ALPHA")
    (sealed / "corpus" / "new.txt").write_text("x")
    assert manifest.verify(sealed) == ["new.txt: not in the manifest", "sub/a.txt: bytes differ"]
    assert manifest.missing(sealed) == []
    (sealed / "corpus" / "sub" / "a.txt").write_text("longer")
    assert manifest.missing(sealed) == ["sub/a.txt"]
    (sealed / "corpus" / "sub" / "a.txt").unlink()
    assert manifest.verify(sealed)[0] == "sub/a.txt: missing"


def test_a_directory_without_or_with_a_broken_manifest_says_so(tmp_path):
    with pytest.raises(NotSealed) as raised:
        manifest.read_manifest(tmp_path)
    assert raised.value.text() == f"{tmp_path}: not sealed: the stage has not finished\n  fix: run it"
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(Corrupt, match="the manifest is not JSON"):
        manifest.read_manifest(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    manifest.write_json(file, {"a": 1})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        manifest.write_json(file, {"a": 2})
    assert json.loads(file.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
