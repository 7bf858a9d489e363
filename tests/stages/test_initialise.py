"""Initialisers through the tokenizer stage: every method, both matrices, gaps, bounds and what they really cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.torch import save_file
from stages.model_kit import URDU, context, corpus, expand

from newtongue.adapters.hf.checkpoint import open_checkpoint
from newtongue.adapters.hf.hypernetwork import Hypernetwork
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import raw, read_rows
from newtongue.adapters.hf.tokenizers import load_tokenizer
from newtongue.core.artefact import Artefact
from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import DataError
from newtongue.methods.embedding_init import subword_mean
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.estimate import estimate
from newtongue.stages.tokenizer.init_config import InitSettings
from newtongue.stages.tokenizer.stage import expand_vocabulary

TEXTS = URDU * 12
SWAHILI = ["Habari ya asubuhi, watoto wanasoma vitabu shuleni na wazazi wanafanya kazi shambani."] * 12
IN_PROCESS = (
    "mean", "mean_noise", "random_normal", "multivariate_normal", "lexical", "wechsel", "ofa", "focus",
    "constrained_word2vec",
)  # fmt: skip


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp("untied") / "m", tied=False)


@pytest.fixture(scope="session")
def donor(tmp_path_factory: pytest.TempPathFactory, untied: Path) -> Path:
    """The same model after it learnt the language: it has rows for the new tokens."""
    _outcome, payload, _facts = expand(tmp_path_factory.mktemp("donor"), untied, texts=TEXTS, init="random_normal")
    return payload


Made = tuple[Path, dict[str, Any]]


def start(folder: Path, model: Path, init: Any, /, texts: list[str] = TEXTS, **files: Path) -> Made:
    """Expand a model with some initialiser settings; return the payload and what it says of them."""
    config = TokenizerConfig(model="./model", corpus="$corpus", new_tokens=60, init=init)
    inputs = {"./model": Artefact("Model", model, name="./model"), "$corpus": corpus(folder, texts)}
    inputs |= {f"./{name}": Artefact("File", path, name=f"./{name}") for name, path in files.items()}
    ctx = context(folder / "out", inputs)
    expand_vocabulary(config, ctx)
    return ctx.payload, json.loads((ctx.payload / "expansion.json").read_text("utf-8"))


def made_rows(payload: Path, facts: dict[str, Any], *, head: bool = False) -> np.ndarray:
    checkpoint = open_checkpoint(payload)
    matrix = checkpoint.head if head else checkpoint.input
    assert matrix is not None
    return read_rows(matrix)[facts["first_new_id"] : facts["first_new_id"] + facts["new_tokens"]]


def from_w(folder: Path, file: Path, *, head: bool = False) -> np.ndarray:
    """Apply a saved W to the old model by hand."""
    w, checkpoint = np.load(file), open_checkpoint(folder)
    matrix = checkpoint.head if head else checkpoint.input
    assert matrix is not None
    rows = read_rows(matrix)
    dense = np.zeros(w["shape"])
    for token in range(len(dense)):
        span = slice(w["indptr"][token], w["indptr"][token + 1])
        np.add.at(dense[token], w["indices"][span], w["data"][span])
    used = rows[:387]
    return dense @ rows + w["mean_share"][:, None] * used.mean(0)


@pytest.mark.parametrize("method", IN_PROCESS)
def test_every_method_that_needs_only_text_runs_and_is_what_w_says(tmp_path: Path, untied: Path, method: str) -> None:
    payload, facts = start(tmp_path, untied, method)
    said = facts["initialisation"]["input"]
    assert said["method"] == method
    for head in (False, True):
        rows = made_rows(payload, facts, head=head)
        assert np.isfinite(rows).all()
        assert (np.abs(rows).sum(1) > 0).all()
        name = "W_head.npz" if head and (payload / "W_head.npz").exists() else "W.npz"
        if "noise" not in (payload / "W.txt").read_text("utf-8"):
            np.testing.assert_allclose(rows, from_w(untied, payload / name, head=head), atol=1e-5)
    assert len((payload / "W.txt").read_text("utf-8").splitlines()) == facts["new_tokens"] + 1
    convex = method in ("mean", "lexical", "wechsel", "ofa", "focus", "constrained_word2vec")
    assert facts["initialisation"]["certificate"]["greedy"] == convex


@pytest.mark.parametrize("method", ["clp", "omp", "focus", "lexical"])
def test_a_donor_lends_its_knowledge(tmp_path: Path, untied: Path, donor: Path, method: str) -> None:
    payload, facts = start(tmp_path, untied, {"input": method, "donor": "./donor"}, donor=donor)
    expected = facts["new_tokens"] if method == "lexical" else 0
    assert facts["initialisation"]["input"]["fallback_tokens"] <= expected
    rows = made_rows(payload, facts)
    np.testing.assert_allclose(rows, from_w(untied, payload / "W.npz"), atol=1e-3)
    if method == "omp":
        wanted = made_rows(donor, json.loads((donor / "expansion.json").read_text("utf-8")))[: len(rows)]
        np.testing.assert_allclose(rows, wanted, atol=1e-3)
        assert (payload / "W_head.npz").exists()


def write_vectors(file: Path, words: list[str], seed: int, turn: np.ndarray | None = None) -> Path:
    rng = np.random.default_rng(seed)
    lines = [f"{len(words)} 6"]
    for word in words:
        row = rng.standard_normal(6) if turn is None else rng.standard_normal(6) @ turn
        lines.append(" ".join([word, *(f"{value:.4f}" for value in row)]))
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def test_word_vectors_of_two_languages_are_turned_onto_each_other(tmp_path: Path, untied: Path) -> None:
    urdu = sorted({word for text in URDU for word in text.split()})
    english = ["the", "people", "children", "school", "village", "home", "water", "and", "of", "in"]
    (tmp_path / "pairs.txt").write_text("the\tایک\npeople\tلوگ\nwater\tگھر\n", "utf-8")
    files = {
        "target": write_vectors(tmp_path / "ur.vec", urdu, 0),
        "source": write_vectors(tmp_path / "en.vec", english, 1),
        "pairs": tmp_path / "pairs.txt",
    }
    vectors = {"file": "./target", "source_file": "./source", "dictionary": "./pairs"}
    payload, facts = start(tmp_path, untied, {"input": "wechsel", "vectors": vectors}, **files)
    assert facts["initialisation"]["input"]["fallback_tokens"] < facts["new_tokens"] / 2
    assert np.isfinite(made_rows(payload, facts)).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file holds no vectors"),
        ("a 1 2\nb 1\n", "line 2 is no word with 2 values"),
        ("a 1 nan\n", "line 1 is no word with its values"),
        ("a b c\n", "line 1 is no word"),
    ],
)
def test_a_damaged_vector_file_is_refused(tmp_path: Path, untied: Path, content: str, message: str) -> None:
    (tmp_path / "bad.vec").write_text(content, "utf-8")
    init = {"input": "focus", "vectors": {"file": "./bad"}}
    with pytest.raises(DataError, match=message):
        start(tmp_path, untied, init, bad=tmp_path / "bad.vec")
    assert not list((tmp_path / "out" / "payload").iterdir())


def test_ofa_mixes_in_the_leading_directions_where_asked(tmp_path: Path, untied: Path) -> None:
    payload, facts = start(tmp_path, untied, {"input": "ofa", "rank": 6})
    assert not facts["initialisation"]["certificate"]["greedy"]
    assert "(in 6 directions)" in (payload / "W.txt").read_text("utf-8")
    for head in (False, True):
        checkpoint = open_checkpoint(untied)
        matrix = checkpoint.head if head else checkpoint.input
        assert matrix is not None
        used = read_rows(matrix)[:387].astype(np.float64)
        leading = np.linalg.svd(used, full_matrices=False)[2][:6]
        expected = from_w(untied, payload / "W.npz", head=head) @ leading.T @ leading
        np.testing.assert_allclose(made_rows(payload, facts, head=head), expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"init\.rank belongs to ofa"):
        start(tmp_path, untied, {"input": "focus", "rank": 6})


def test_input_and_head_have_policies_of_their_own(tmp_path: Path, untied: Path) -> None:
    payload, facts = start(tmp_path, untied, {"input": "subword_mean", "head": "mean"})
    assert (facts["initialisation"]["input"]["method"], facts["initialisation"]["head"]["method"]) == (
        "subword_mean",
        "mean",
    )
    assert "1 mean" in (payload / "W_head.txt").read_text("utf-8").splitlines()[1]
    assert "mean" not in (payload / "W.txt").read_text("utf-8").splitlines()[1]
    head = made_rows(payload, facts, head=True)
    np.testing.assert_allclose(head, np.tile(head[0], (len(head), 1)))


def test_a_tied_model_cannot_start_in_two_ways(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "tied")
    with pytest.raises(DataError, match=r"init\.head is mean, but input and output embeddings are one matrix"):
        start(tmp_path, model, {"input": "subword_mean", "head": "mean"})


def test_gaps_follow_the_stated_fallback_and_are_counted(tmp_path: Path, untied: Path) -> None:
    payload, facts = start(tmp_path / "a", untied, {"input": "lexical", "fallback": "mean"})
    assert facts["initialisation"]["input"]["fallback_tokens"] > facts["new_tokens"] / 2
    lines = (payload / "W.txt").read_text("utf-8").splitlines()
    assert sum(line.endswith("\t1 mean") for line in lines) == facts["initialisation"]["input"]["fallback_tokens"]
    with pytest.raises(DataError, match=r"lexical finds nothing for \d+ of \d+ new tokens"):
        start(tmp_path / "b", untied, {"input": "lexical", "fallback": "refuse"})


def test_the_measured_cost_stays_below_the_bound_and_greedy_decoding_is_kept(tmp_path: Path, untied: Path) -> None:
    _payload, facts = start(tmp_path, untied, {"input": "subword_mean", "measure_tokens": 600})
    bound, found = facts["initialisation"]["certificate"], facts["initialisation"]["measured"]
    assert found["tokens"] == 600
    assert 0 < found["worst_bits"] <= bound["worst_bits"]
    assert found["greedy_kept"] == 1


def test_a_head_is_mixed_with_the_mean_until_the_bound_holds(tmp_path: Path, untied: Path) -> None:
    _payload, plain = start(tmp_path / "a", untied, "subword_mean", SWAHILI)
    least = float(np.log2(1 + (plain["rows"] - 387) / 387))
    assert plain["initialisation"]["certificate"]["expected_bits"] > least + 0.01
    limit = (plain["initialisation"]["certificate"]["expected_bits"] + least) / 2
    payload, facts = start(tmp_path / "b", untied, {"max_kl_bits": limit}, SWAHILI)
    assert facts["initialisation"]["certificate"]["expected_bits"] == pytest.approx(limit, abs=1e-3)
    assert 0 < facts["initialisation"]["mean_share"] < 1
    assert "mean" in (payload / "W_head.txt").read_text("utf-8").splitlines()[1]
    with pytest.raises(DataError, match=r"new tokens may cost .* bits per token however they are mixed"):
        start(tmp_path / "c", untied, {"max_kl_bits": 0.001}, SWAHILI)
    with pytest.raises(DataError, match="needs output rows that are averages"):
        start(tmp_path / "d", untied, {"input": "random_normal", "max_kl_bits": 1})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": "omp"}, r"omp needs a donor model: set init\.donor"),
        ({"head": "clp"}, r"clp needs a donor model"),
        ({"input": "zett"}, r"zett needs a trained hypernetwork: set init\.hypernetwork"),
        ({"vectors": {"source_file": "./a"}}, r"source_file needs init\.vectors\.file and init\.vectors\.dictionary"),
    ],
)
def test_settings_that_lack_something_say_what(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InitSettings(**given)


def test_equal_settings_give_equal_bytes(tmp_path: Path, untied: Path) -> None:
    for method in ("focus", "constrained_word2vec"):
        folders = [start(tmp_path / method / again, untied, method)[0] for again in "ab"]
        names = sorted(file.name for file in folders[0].iterdir())
        assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


@pytest.mark.parametrize("method", ["token_distillation", "vocadt"])
def test_learnt_rows_leave_the_old_ones_alone(tmp_path: Path, untied: Path, method: str) -> None:
    init = {"input": method, "learning": {"tokens": 2000, "sequence_length": 32, "learning_rate": 0.01}}
    payload, facts = start(tmp_path, untied, init)
    before, after = open_checkpoint(untied), open_checkpoint(payload)
    first = facts["first_new_id"]
    assert raw(after.input, 0, first) == raw(before.input, 0, first)
    plain = subword_mean(expansion_pieces(payload), 392)
    rows = read_rows(before.input)
    started = plain.rows(rows[plain.support()], rows.mean(0), np.zeros(0, np.float32))
    moved = np.abs(made_rows(payload, facts) - started).max(1)
    assert (moved > 1e-3).mean() > 0.8
    assert np.isfinite(made_rows(payload, facts, head=True)).all()
    assert (payload / "W.npz").exists() == (method == "vocadt")


def test_a_hypernetwork_gives_rows_for_both_matrices(tmp_path: Path, untied: Path) -> None:
    (tmp_path / "net").mkdir()
    config = {
        "n_embd": 64, "hn_hidden_size": 32, "hn_intermediate_size": 32, "hn_num_attention_heads": 2, "hn_n_layers": 1,
        "hn_embed_using_source_embeddings": True, "separate_out_embeddings": True, "hn_surface_maxlen": 16,
    }  # fmt: skip
    (tmp_path / "net" / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(Hypernetwork(config).state_dict(), tmp_path / "net" / "model.safetensors")
    init = {"input": "zett", "hypernetwork": "./net"}
    payload, facts = start(tmp_path, untied, init, net=tmp_path / "net")
    made, head = (made_rows(payload, facts, head=side) for side in (False, True))
    assert np.isfinite(made).all()
    assert not np.allclose(made, head)
    assert not (payload / "W.npz").exists()
    assert (payload / "W.txt").read_text("utf-8").splitlines()[1].endswith("made, not mixed")


def expansion_pieces(payload: Path) -> list[list[int]]:
    """Read the old ids that spell each new token from the tokenizer itself."""
    tokenizer = load_tokenizer(payload)
    facts = json.loads((payload / "expansion.json").read_text("utf-8"))
    merges = {"".join(pair): pair for pair in tokenizer.content["model"]["merges"]}

    def spell(token: str) -> list[int]:
        if tokenizer.ids[token] < facts["first_new_id"]:
            return [tokenizer.ids[token]]
        return [piece for part in merges[token] for piece in spell(part)]

    return [spell(tokenizer.names[facts["first_new_id"] + n]) for n in range(facts["new_tokens"])]


def test_initialisers_that_run_the_model_are_estimated_with_it() -> None:
    machine, counts = (
        Machine(),
        {"./m": Counts(parameters=10**9, rows=1000, hidden=64), "./c": Counts(utf8_bytes=10**6)},
    )
    plain, learnt = (
        estimate(TokenizerConfig(model="./m", corpus="./c", init=init), counts, machine)
        for init in ("focus", "token_distillation")
    )
    assert learnt.memory_gb == pytest.approx(plain.memory_gb + 4)
    assert learnt.seconds[1] > plain.seconds[1] + 1000
