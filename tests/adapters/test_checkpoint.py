"""Surgery on checkpoints: bytes of what is not touched, rounding, shards, links, ties, bad files."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from newtongue.adapters.hf import checkpoint as surgery
from newtongue.adapters.hf.checkpoint import INDEX, Checkpoint, open_checkpoint, rewrite, row_blocks, write_config
from newtongue.adapters.hf.embeddings import RowPlan, grow_checkpoint, grown_rows
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import NewTensor, decode, encode, raw, raw_rows, read_rows, write_file
from newtongue.adapters.hf.token_ids import renumber_file, renumbered
from newtongue.core.errors import DataError
from newtongue.methods.embedding_init import mean, subword_mean
from newtongue.methods.initialiser import Initialiser


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp("single") / "m", tied=False, dtype="bfloat16", padding_rows=16)


@pytest.fixture(scope="module")
def sharded(single: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in several files with an index."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("sharded") / "m"
    AutoModelForCausalLM.from_pretrained(single).save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


def grow(source: Path, target: Path, init: Initialiser, *, link: bool = False, multiple: int = 64) -> Checkpoint:
    """Add rows behind the last token (id 386) and return the result."""
    before = open_checkpoint(source)
    rows = grown_rows(before.rows, 387 + init.shape[0] - 1, multiple)
    changes = grow_checkpoint(before, (init, init), RowPlan(rows, np.arange(387, 387 + init.shape[0])), str)
    rewrite(before, changes, target, link=link)
    write_config(before, target, rows)
    return open_checkpoint(target)


@pytest.mark.parametrize("layout", ["single", "sharded"])
def test_only_vocabulary_tensors_change(layout: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    source = request.getfixturevalue(layout)
    before, after = open_checkpoint(source), grow(source, tmp_path / "new", subword_mean([[5, 6]] * 100, 408))
    assert before.tensors.keys() == after.tensors.keys()
    for name, tensor in before.tensors.items():
        new = after.tensors[name]
        assert new.dtype == tensor.dtype
        if tensor.shape[0] == before.rows:
            assert new.shape == (512, 64)
            assert raw(new, 0, 387) == raw(tensor, 0, 387)
            expected = (read_rows(tensor)[5] + read_rows(tensor)[6]) / 2
            np.testing.assert_allclose(read_rows(new)[387:487], np.tile(expected, (100, 1)), rtol=2**-8)
            padding = np.tile(read_rows(tensor)[:387].mean(0), (22, 1))
            np.testing.assert_allclose(read_rows(new)[490:], padding, atol=1e-3)
        else:
            assert raw(new) == raw(tensor)
    if layout == "sharded":
        index = json.loads((tmp_path / "new" / INDEX).read_text("utf-8"))
        assert index["metadata"]["total_size"] == sum(tensor.size_bytes for tensor in after.tensors.values())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(408)), kept=st.integers(0, 408), added=st.integers(0, 70))
@pytest.mark.parametrize("layout", ["single", "sharded"])
def test_an_id_map_moves_rows_byte_for_byte(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path, order: list[int], kept: int, added: int
) -> None:
    """Replacing and trimming: every kept row stands at its new id, new tokens fill places that are free."""
    before, rows = open_checkpoint(request.getfixturevalue(layout)), 512
    places = np.random.default_rng(kept).permutation(rows)
    id_map = np.full(408, -1)
    id_map[order[:kept]] = places[:kept]
    new_ids = np.sort(places[kept : kept + added])
    init = subword_mean([[5, 6]] * added, 408)
    rewrite(before, grow_checkpoint(before, (init, init), RowPlan(rows, new_ids, id_map), str), tmp_path, link=False)
    write_config(before, tmp_path, rows)
    after = open_checkpoint(tmp_path)
    for old, new in zip(before.vocabulary_tensors(), after.vocabulary_tensors(), strict=True):
        assert new.shape == (rows, 64)
        assert raw_rows(new, places[:kept]) == raw_rows(old, order[:kept])
        expected = (read_rows(old)[5] + read_rows(old)[6]) / 2
        np.testing.assert_allclose(read_rows(new)[new_ids], np.tile(expected, (added, 1)), rtol=2**-8)
        free = np.setdiff1d(np.arange(rows), places[: kept + added])
        np.testing.assert_allclose(read_rows(new)[free], np.tile(read_rows(old).mean(0), (len(free), 1)), atol=1e-3)


@pytest.mark.parametrize(("id_map", "places"), [([0, 0], 1), ([0, 9], 2)])
def test_an_id_map_that_is_no_map_is_refused(single: Path, id_map: list[int], places: int) -> None:
    init = mean(0, 408)
    plan = RowPlan(9, np.arange(0), np.asarray(id_map + [-1] * 406))
    with pytest.raises(DataError, match=f"sends 2 old rows to {places} places, the highest . of 9 rows"):
        grow_checkpoint(open_checkpoint(single), (init, init), plan, str)


def test_special_tokens_move_with_their_rows(single: Path, tmp_path: Path) -> None:
    before, id_map = open_checkpoint(single), np.arange(408)[::-1]
    write_config(before, tmp_path, 512, id_map)
    after = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert after["eos_token_id"] == 407 - before.config["eos_token_id"]
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1, 3], "pad_token_id": null, "top_k": 5}')
    renumber_file(tmp_path / "generation_config.json", id_map)
    moved = json.loads((tmp_path / "generation_config.json").read_text("utf-8"))
    assert moved == {"eos_token_id": [406, 404], "pad_token_id": None, "top_k": 5}
    with pytest.raises(DataError, match="eos_token_id 1 is among the dropped tokens"):
        renumbered({"eos_token_id": 1}, [0, -1])


def test_two_initialisers_for_one_tied_matrix_are_refused(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(make_pico(tmp_path / "m"))
    with pytest.raises(DataError, match="one matrix, which cannot start in two ways"):
        grow_checkpoint(checkpoint, (mean(1, 392), mean(1, 392)), RowPlan(448, np.arange(392, 393)), str)


def test_input_and_head_may_start_differently(single: Path, tmp_path: Path) -> None:
    before = open_checkpoint(single)
    makers = (subword_mean([[7]], 408), subword_mean([[9]], 408))
    rewrite(before, grow_checkpoint(before, makers, RowPlan(408, np.asarray([387])), str), tmp_path, link=False)
    write_config(before, tmp_path, 408)
    after = open_checkpoint(tmp_path)
    assert raw_rows(after.input, [387]) == raw_rows(before.input, [7])
    assert after.head is not None and before.head is not None
    assert raw_rows(after.head, [387]) == raw_rows(before.head, [9])


def damaged_header(file: Path, change: object) -> None:
    """Rewrite a header with the data left as it is."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)  # type: ignore[operator]
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["model.norm.weight"].update(shape=[63]), r"model.norm.weight: 128 bytes for shape \[63\] of BF16"),
        (lambda h: h["model.norm.weight"].update(data_offsets=[0, 128]), "begins inside"),
        (lambda h: h["model.norm.weight"].pop("shape"), r"the header is damaged \('shape'\)"),
    ],
)
def test_a_corrupted_header_is_refused(single: Path, tmp_path: Path, change: object, message: str) -> None:
    folder = copy(single, tmp_path / "m")
    damaged_header(folder / "model.safetensors", change)
    with pytest.raises(DataError, match=message):
        open_checkpoint(folder)


def test_an_index_that_names_a_tensor_elsewhere_is_refused(sharded: Path, tmp_path: Path) -> None:
    folder = copy(sharded, tmp_path / "m")
    index = json.loads((folder / INDEX).read_text("utf-8"))
    files = sorted(set(index["weight_map"].values()))
    index["weight_map"] = {name: files[0] for name in index["weight_map"]}
    (folder / INDEX).write_text(json.dumps(index), "utf-8")
    with pytest.raises(DataError, match=r"index\.json says that .* is in .*, where it is not"):
        open_checkpoint(folder)
    (folder / INDEX).write_text("{}", "utf-8")
    with pytest.raises(DataError, match=r"not a valid index \('weight_map'\)"):
        open_checkpoint(folder)


def test_transformers_loads_both_layouts_alike(single: Path, sharded: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    init = subword_mean([[5, 6], [7]], 408)
    models = []
    for source in (single, sharded):
        grow(source, tmp_path / source.parent.name, init)
        models.append(AutoModelForCausalLM.from_pretrained(tmp_path / source.parent.name))
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert models[0].dtype == torch.bfloat16


def test_padded_matrices_never_shrink_and_spare_rows_are_used_first(single: Path, tmp_path: Path) -> None:
    before = open_checkpoint(single)
    assert before.rows == 408
    after = grow(single, tmp_path, mean(5, 408))
    assert after.rows == 408
    assert after.config["vocab_size"] == 408
    assert raw(after.input, 392, 408) == raw(before.input, 392, 408)
    assert raw(after.input, 387, 392) != raw(before.input, 387, 392)


def test_block_size_changes_no_byte(single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init = subword_mean([[i, i + 1] for i in range(90)], 408)
    whole = grow(single, tmp_path / "whole", init)
    monkeypatch.setattr(surgery, "BLOCK_BYTES", 7 * 128)
    assert len(list(row_blocks(whole.input))) > 50
    grow(single, tmp_path / "small", init)
    names = ["model.safetensors", "config.json"]
    assert all((tmp_path / "whole" / n).read_bytes() == (tmp_path / "small" / n).read_bytes() for n in names)


def test_untouched_shards_are_linked_where_allowed_else_copied(sharded: Path, tmp_path: Path) -> None:
    grow(sharded, tmp_path / "linked", mean(1, 408), link=True)
    grow(sharded, tmp_path / "copied", mean(1, 408))
    touched = {tensor.file.name for tensor in open_checkpoint(sharded).vocabulary_tensors()}
    for file in sharded.glob("*.safetensors"):
        same = [os.path.samefile(file, tmp_path / kind / file.name) for kind in ("linked", "copied")]
        assert same == [file.name not in touched, False]
        if file.name not in touched:
            assert (tmp_path / "copied" / file.name).read_bytes() == file.read_bytes()


def test_a_link_that_the_file_system_refuses_becomes_a_copy(
    sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert grow(sharded, tmp_path, mean(1, 408), link=True).rows == 408


def test_blobs_of_the_hub_cache_are_linked(sharded: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "x"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for file in sharded.iterdir():
        (blobs / file.name).write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(blobs / file.name)
    grow(snapshot, tmp_path / "new", mean(1, 408))
    assert sum(os.path.samefile(blobs / f.name, f) for f in (tmp_path / "new").glob("*.safetensors")) > 0


@settings(max_examples=100, deadline=None)
@given(arrays(np.float32, 16, elements=st.floats(width=32, allow_nan=True, allow_infinity=True)))
def test_bfloat16_rounds_like_torch(values: np.ndarray) -> None:
    ours = np.frombuffer(encode(values, "BF16"), np.uint16)
    theirs = torch.from_numpy(values.copy()).bfloat16().view(torch.uint16).numpy()
    is_nan = np.isnan(values)
    np.testing.assert_array_equal(ours[~is_nan], theirs[~is_nan])
    assert (ours[is_nan] & 0x7F80 == 0x7F80).all()


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_stored_values_survive_reading_and_writing(single: Path, dtype: str) -> None:
    tensor = open_checkpoint(single).input
    values = decode(encode(read_rows(tensor)[:4], dtype), type(tensor)("x", tensor.file, dtype, (4, 64), 0, 0))
    np.testing.assert_allclose(values.reshape(4, 64), read_rows(tensor)[:4], rtol=2**-7, atol=1e-4)


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def set_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **values}), "utf-8")


def test_a_tied_flag_that_disagrees_with_storage_is_refused(single: Path, tmp_path: Path) -> None:
    folder = copy(single, tmp_path / "m")
    set_config(folder, tie_word_embeddings=True)
    with pytest.raises(DataError, match=r"tie_word_embeddings is true, but .* hold different values"):
        _ = open_checkpoint(folder).tied
    tied = make_pico(tmp_path / "tied")
    set_config(tied, tie_word_embeddings=False)
    with pytest.raises(DataError, match="tie_word_embeddings is false, and no output matrix is stored"):
        _ = open_checkpoint(tied).tied


def test_a_tied_model_that_stores_its_head_twice_stays_tied(tmp_path: Path) -> None:
    """Both copies get the same bytes."""
    folder = make_pico(tmp_path / "m")
    before = open_checkpoint(folder)
    new = {name: NewTensor(t.dtype, t.shape, [raw(t)]) for name, t in before.tensors.items()}
    new["lm_head.weight"] = NewTensor(before.input.dtype, before.input.shape, [raw(before.input)])
    write_file(folder / "twice", new, {"format": "pt"})
    (folder / "twice").replace(folder / "model.safetensors")
    assert open_checkpoint(folder).tied
    after = grow(folder, tmp_path / "new", mean(10, 392))
    assert raw(after.input) == raw(after.tensors["lm_head.weight"])


def test_further_tables_by_token_are_refused(single: Path, tmp_path: Path) -> None:
    folder = copy(single, tmp_path / "m")
    before = open_checkpoint(folder)
    new = {name: NewTensor(t.dtype, t.shape, [raw(t)]) for name, t in before.tensors.items()}
    new["model.embed_tokens_per_layer.weight"] = NewTensor("BF16", (400, 2), [bytes(1600)])
    write_file(folder / "model.safetensors.new", new, {})
    (folder / "model.safetensors.new").replace(folder / "model.safetensors")
    with pytest.raises(DataError, match=r"embed_tokens_per_layer\.weight \(shape \[400, 2\]\) has a row per token"):
        grow(folder, tmp_path / "new", mean(1, 408))


@pytest.mark.parametrize("layout", ["single", "sharded"])
@pytest.mark.parametrize("which", ["input", "head"])
@pytest.mark.parametrize("init", [mean(1, 408), subword_mean([[5]], 408)], ids=["reads all rows", "reads one row"])
def test_a_row_that_is_not_finite_is_named_before_anything_is_written(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path, which: str, init: Initialiser
) -> None:
    before = open_checkpoint(request.getfixturevalue(layout))
    tensor = getattr(before, which)
    rows = read_rows(tensor)
    rows[17, 3] = np.nan
    rewrite(before, {tensor.name: NewTensor("BF16", tensor.shape, [encode(rows, "BF16")])}, tmp_path, link=False)
    write_config(before, tmp_path, before.rows)
    with pytest.raises(DataError, match=f"{tensor.name}: the row of token 17 is not finite"):
        grow(tmp_path, tmp_path / "new", init)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "the model directory has no weights"),
        (lambda f: (f / "config.json").unlink(), "the model directory has no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "not a safetensors file"),
        (
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-10]),
            "the file is cut off",
        ),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "the weights are pickled (pytorch_model.bin), which could run code when loaded",
        ),
    ],
)
def test_damaged_directories_are_refused(single: Path, tmp_path: Path, damage: object, message: str) -> None:
    folder = copy(single, tmp_path / "m")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        open_checkpoint(folder)
    assert caught.value.problem.startswith(message)


def test_a_missing_shard_is_named(sharded: Path, tmp_path: Path) -> None:
    folder = copy(sharded, tmp_path / "m")
    gone = sorted(folder.glob("*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(DataError, match=f"shard {gone.name} is missing"):
        open_checkpoint(folder)


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Growing a matrix of 64 MB holds blocks, not the matrix."""
    rows, width = 65536, 512
    tensor_bytes = rows * width * 2

    def blocks() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(tensor_bytes // 64)

    source = tmp_path / "m"
    source.mkdir()
    write_file(
        source / "model.safetensors", {"model.embed_tokens.weight": NewTensor("BF16", (rows, width), blocks())}, {}
    )
    (source / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": rows}))
    before = open_checkpoint(source)
    tracemalloc.start()
    init = mean(64, rows)
    changes = grow_checkpoint(before, (init, init), RowPlan(rows + 64, np.arange(rows, rows + 64)), str)
    rewrite(before, changes, tmp_path / "new", link=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * tensor_bytes
    assert (tmp_path / "new" / "model.safetensors").stat().st_size > tensor_bytes
