"""Hub ids against a hub on loopback: download, cut and resume, a new revision, 401, offline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from adapters.hf.hub_server import Hub, serve

from newtongue.core import manifest

OLD, NEW = "1" * 40, "2" * 40
MODEL = {"config.json": b"{}", "tokenizer.json": b"{ }", "pytorch_model.bin": b"pickle", "modeling.py": b"code"}


def weights(size: int = 40) -> bytes:
    """Return a safetensors file of one tensor."""
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    return len(header).to_bytes(8, "little") + header + bytes(range(256)) * (size // 256) + bytes(size % 256)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as hub:
        hub.commits[OLD] = {**MODEL, "model.safetensors": weights()}
        hub.branches["main"] = OLD
        yield hub


@pytest.fixture
def run(tmp_path, command, hub):
    """A function: reference, store, environment -> (exit code, standard error), of a run and its store."""

    def call(ref: str = "org/tiny", store: str = "s", verb: str = "run", **env: str) -> tuple[int, str, str]:
        recipe = tmp_path / "r.yaml"
        recipe.write_text(f"newtongue: 1\nstages:\n  a: {{stage: grow, model: {ref}}}\n")
        home = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": ""}
        process = command(verb, recipe, "--out", tmp_path / store, env={**os.environ, **home, **env})
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return call


def test_a_model_is_downloaded_at_a_locked_commit_and_never_its_pickles_or_code(tmp_path, hub, run):
    _, out, _ = run(verb="plan")
    assert "note: a: tiny: unpinned: the revision is locked when `run` asks the hub" in out
    assert hub.requests == []
    code, _, err = run()
    assert code == 0, err
    assert f"   org/tiny: locked at commit {OLD[:12]}" in err.splitlines()
    assert (tmp_path / "s" / "recipe.lock.yaml").read_text() == f"org/tiny: '{OLD}'\n"
    fetched = {path.rpartition("/")[2] for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path}
    assert fetched == {"config.json", "tokenizer.json", "model.safetensors"}
    (place,) = (tmp_path / "s").glob("01-a-*")
    facts = manifest.read_manifest(place)["inputs"]["model"]
    assert facts == {"name": "org/tiny", "fingerprint": f"hub:org/tiny@{OLD}", "digest": ""}
    hub.requests.clear()
    assert run()[0] == 0
    assert hub.requests == []


def test_a_cut_connection_is_taken_up_where_it_broke(tmp_path, hub, run):
    hub.commits[OLD]["model.safetensors"] = large = weights(25_000_000)
    hub.cut_after = [15_000_000, 5_000_000]
    code, _, err = run()
    assert code == 0, err
    ranges = [wanted for method, path, wanted in hub.requests if method == "GET" and path.endswith(".safetensors")]
    assert ranges[0] == ""
    assert ranges[1] == "bytes=10485760-"
    (file,) = (tmp_path / "hf").rglob("snapshots/*/model.safetensors")
    assert file.read_bytes() == large


def test_a_new_revision_changes_nothing_in_a_store_that_locked_the_old_one(tmp_path, hub, run):
    run()
    hub.commits[NEW] = {**MODEL, "model.safetensors": weights(41)}
    hub.branches["main"] = NEW
    code, _, err = run()
    assert (code, "a: sealed, reused" in err) == (0, True)
    assert run(store="other")[0] == 0
    assert (
        NEW in (tmp_path / "other" / "recipe.lock.yaml").read_text()
        or OLD in (tmp_path / "other" / "recipe.lock.yaml").read_text()
    )
    code, _, err = run(f"org/tiny@{NEW}")
    assert (code, "a: run, an input changed" in err) == (0, True)
    assert len(list((tmp_path / "s").glob("*/manifest.json"))) == 2


def test_a_revision_that_is_not_there_is_named(hub, run):
    code, _, err = run("org/tiny@nightly")
    assert code == 5
    assert err.splitlines()[-2:] == [
        "newtongue: org/tiny@nightly: the hub says: no such revision",
        "  fix: check the name, or set HF_TOKEN",
    ]


def test_without_the_right_the_token_is_asked_for_and_never_shown(tmp_path, hub, run):
    hub.token = "hf_secretsecret"
    code, _, err = run()
    assert code == 5
    assert err.splitlines()[-2:] == ["newtongue: org/tiny@main: the hub answered 401", "  fix: set HF_TOKEN"]
    code, out, err = run(HF_TOKEN=hub.token)
    assert code == 0, err
    texts = [file.read_bytes().decode("utf-8", "replace") for file in (tmp_path / "s").rglob("*") if file.is_file()]
    assert not [text for text in [out, err, *texts] if hub.token in text]


def test_offline_says_so_and_a_locked_and_downloaded_model_needs_no_hub(tmp_path, hub, run):
    code, _, err = run(HF_HUB_OFFLINE="1")
    assert code == 5
    assert err.splitlines()[-2:] == [
        "newtongue: org/tiny@main: not on this machine, and the hub is not asked or not reached",
        "  fix: unset HF_HUB_OFFLINE, or download it on another machine and name the folder",
    ]
    assert run()[0] == 0
    hub.requests.clear()
    (place,) = (tmp_path / "s").glob("01-a-*")
    shutil.rmtree(place)
    assert run(HF_HUB_OFFLINE="1")[0] == 0
    assert hub.requests == []


def test_a_repository_without_a_tokenizer_is_refused(hub, run):
    del hub.commits[OLD]["tokenizer.json"]
    code, _, err = run()
    assert code == 3
    assert "newtongue: org/tiny: no tokenizer: tokenizer.json is missing" in err


def test_a_hub_that_is_down_is_a_providers_error(tmp_path, hub, run):
    code, _, err = run(HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 5
    assert "newtongue: org/tiny@main: the hub cannot be reached (" in err
    assert err.splitlines()[-1] == "  fix: try again: it resumes"
    assert not list(Path(tmp_path / "s").glob("0*"))
