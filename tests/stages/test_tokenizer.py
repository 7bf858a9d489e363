"""The tokenizer stage on pico models: fertility falls, protected ids stay, files agree with each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapters.tokenizer_twins import write_twin
from stages.model_kit import URDU, expand

from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer
from newtongue.adapters.hf.checkpoint import open_checkpoint, rewrite
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.hf.safetensors_file import NewTensor, encode, raw, read_rows
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer, token_text
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pico(tmp_path_factory.mktemp("pico") / "llama", dtype="bfloat16")


@pytest.fixture(scope="session")
def expanded(tmp_path_factory: pytest.TempPathFactory, pico: Path):
    return expand(tmp_path_factory.mktemp("expanded"), pico, protect=["$keep"])


def test_fertility_falls_and_protected_texts_keep_their_ids(expanded) -> None:
    outcome, _payload, facts = expanded
    assert facts["fertility"]["measured_on"] == "heldout"
    assert facts["fertility"]["after"]["tokens_per_word"] < facts["fertility"]["before"]["tokens_per_word"] / 2
    assert set(facts["protected"]) == {"english", "code", "mathematics", "chat", "protect.1"}
    assert all(item["changed"] == 0 and item["documents"] for item in facts["protected"].values())
    assert outcome.counts["changed_documents"] == 0
    assert facts["unreachable"] == []
    assert facts["fertility"]["after"]["round_trips"]


def test_old_rows_keep_their_bytes_and_new_rows_are_the_mean_of_their_pieces(pico: Path, expanded) -> None:
    _outcome, payload, facts = expanded
    before, after = open_checkpoint(pico), open_checkpoint(payload)
    assert raw(after.input, 0, facts["first_new_id"]) == raw(before.input, 0, facts["first_new_id"])
    w = np.load(payload / "W.npz")
    rows = read_rows(before.input)
    first = slice(int(w["indptr"][0]), int(w["indptr"][1]))
    expected = (rows[w["indices"][first]] * w["data"][first, None]).sum(0)
    np.testing.assert_allclose(read_rows(after.input)[facts["first_new_id"]], expected, rtol=2**-8, atol=1e-6)
    others = [name for name in before.tensors if name != before.input.name]
    assert all(raw(before.tensors[name]) == raw(after.tensors[name]) for name in others)
    assert after.config["vocab_size"] == after.rows == facts["rows"]
    assert after.rows % 64 == 0


def test_transformers_loads_the_result_with_specials_and_template_as_they_were(pico: Path, expanded) -> None:
    from transformers import AutoModelForCausalLM

    _outcome, payload, facts = expanded
    old, new = load_auto_tokenizer(pico), load_auto_tokenizer(payload)
    assert old.added_tokens_encoder == new.added_tokens_encoder
    turns = [{"role": "user", "content": "Hi there"}]
    assert old.apply_chat_template(turns) == new.apply_chat_template(turns)
    model = AutoModelForCausalLM.from_pretrained(payload)
    assert model.get_input_embeddings().weight.shape[0] == facts["rows"]
    assert len(new(URDU[0])["input_ids"]) < len(old(URDU[0])["input_ids"]) / 2


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, pico: Path, expanded) -> None:
    _outcome, again, _facts = expand(tmp_path, pico, protect=["$keep"])
    _outcome, payload, _facts = expanded
    names = sorted(path.name for path in payload.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((payload / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_no_new_tokens_leaves_the_weights_as_they_are(tmp_path: Path, pico: Path) -> None:
    outcome, payload, facts = expand(tmp_path, pico, new_tokens=0)
    assert (payload / "model.safetensors").read_bytes() == (pico / "model.safetensors").read_bytes()
    assert facts["new_tokens"] == outcome.counts["new_tokens"] == 0
    assert facts["fertility"]["before"] == facts["fertility"]["after"]
    assert load_tokenizer(payload).ids == load_tokenizer(pico).ids


def copied(pico: Path, folder: Path) -> Path:
    """A copy of the model to damage."""
    (folder / "model").mkdir(parents=True)
    for file in pico.iterdir():
        (folder / "model" / file.name).write_bytes(file.read_bytes())
    return folder / "model"


def far_token(model: Path) -> None:
    content = json.loads((model / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"].append({**content["added_tokens"][-1], "id": 4000, "content": "<|far|>"})
    content["model"]["vocab"]["<|far|>"] = 4000
    (model / "tokenizer.json").write_text(json.dumps(content), "utf-8")


def broken_row(model: Path) -> None:
    before = open_checkpoint(model)
    rows = read_rows(before.input).copy()
    rows[9] = np.nan
    block = {before.input.name: NewTensor("BF16", rows.shape, [encode(rows, "BF16")])}
    rewrite(before, block, model / "new", link=False)
    (model / "new" / "model.safetensors").replace(model / "model.safetensors")


def wrong_tie(model: Path) -> None:
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}), "utf-8")


def special_beyond_rows(model: Path) -> None:
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, "eos_token_id": [1, 5000]}), "utf-8")


def own_code(model: Path) -> None:
    settings = {"tokenizer_class": "HomeMade", "auto_map": {"AutoTokenizer": ["code.HomeMade", None]}}
    (model / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (far_token, r"the tokenizer uses ids up to 4,000, the embedding matrix has \d+ rows"),
        (special_beyond_rows, r"eos_token_id is 5,000, the embedding matrix has \d+ rows"),
        (broken_row, r"model\.embed_tokens\.weight: the row of token 9 .* is not finite"),
        (wrong_tie, "tie_word_embeddings is false, and no output matrix is stored"),
        (own_code, "transformers cannot load the tokenizer"),
        (lambda model: (model / "tokenizer.json").unlink(), "the model directory has no tokenizer"),
    ],
)
def test_models_that_cannot_be_expanded_are_refused(tmp_path: Path, pico: Path, damage: Any, message: str) -> None:
    model = copied(pico, tmp_path)
    damage(model)
    with pytest.raises(DataError, match=message) as caught:
        expand(tmp_path, model)
    assert caught.value.fix
    assert not list((tmp_path / "out" / "payload").iterdir())


def test_a_corpus_without_training_text_is_refused(tmp_path: Path, pico: Path) -> None:
    with pytest.raises(DataError, match=r"\$corpus: the corpus has no training text"):
        expand(tmp_path, pico, texts=[])


def test_a_corpus_the_tokenizer_already_covers_is_refused_before_anything_is_written(
    tmp_path: Path, pico: Path
) -> None:
    covered = ["The the of and to."] * 8
    with pytest.raises(DataError, match=r"\$corpus: the tokenizer already covers this text.*would fire on protected"):
        expand(tmp_path, pico, texts=covered, new_tokens=500)
    assert not list((tmp_path / "out" / "payload").iterdir())
    outcome, _payload, facts = expand(tmp_path / "auto", pico, texts=covered, new_tokens="auto")
    assert facts["new_tokens"] == 0
    assert facts["size"]["reason"] == "the text holds no token that would be met often enough to learn it"
    assert any("the text holds no token" in paragraph for paragraph in outcome.card)


def test_fewer_tokens_than_asked_for_are_said_to_be_fewer(tmp_path: Path, pico: Path) -> None:
    outcome, _payload, facts = expand(tmp_path, pico, texts=["Habari ya asubuhi, watoto."] * 8, new_tokens=500)
    assert 0 < facts["new_tokens"] < 100
    assert any("500 tokens were asked for" in paragraph for paragraph in outcome.card)


def full_disk(*_args: Any) -> None:
    raise OSError(28, "full")


def test_a_run_cut_off_while_writing_ends_with_the_same_bytes(
    tmp_path: Path, pico: Path, expanded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner empties the payload; nothing else of a broken attempt is read again."""
    with monkeypatch.context() as patch:
        patch.setattr("newtongue.stages.tokenizer.stage.write_config", full_disk)
        with pytest.raises(OSError, match="full"):
            expand(tmp_path, pico, protect=["$keep"])
    shutil.rmtree(tmp_path / "out" / "payload")
    _outcome, again, _facts = expand(tmp_path, pico, protect=["$keep"])
    _outcome, payload, _facts = expanded
    assert all((payload / file.name).read_bytes() == file.read_bytes() for file in again.iterdir())


@pytest.mark.parametrize("init", ["mean", "random_normal"])
def test_other_initialisers_give_finite_rows_and_say_so(tmp_path: Path, pico: Path, init: str) -> None:
    _outcome, payload, facts = expand(tmp_path, pico, init=init)
    rows = read_rows(open_checkpoint(payload).input)[facts["first_new_id"] :]
    assert np.isfinite(rows).all()
    assert facts["initialisation"]["input"] == {"method": init, "fallback": "subword_mean", "fallback_tokens": 0}
    line = (payload / "W.txt").read_text("utf-8").splitlines()[1]
    assert line.endswith("1 mean" if init == "mean" else "1 mean + noise 1")


def test_real_documents_of_a_latin_language_leave_real_english_alone(
    tmp_path: Path, pico: Path, shared_data: Path
) -> None:
    lines = (shared_data / "corpus" / "sw.docs.jsonl").read_text("utf-8").splitlines()[:24]
    books = (shared_data / "corpus" / "en.books.jsonl").read_text("utf-8").splitlines()[:12]
    texts, keep = ([json.loads(line)["text"] for line in found] for found in (lines, books))
    _outcome, _payload, facts = expand(tmp_path, pico, texts=texts, keep=keep, protect=["$keep"], new_tokens=400)
    assert facts["protected"]["protect.1"] == {**facts["protected"]["protect.1"], "documents": 12, "changed": 0}
    assert facts["fertility"]["after"]["tokens_per_word"] < facts["fertility"]["before"]["tokens_per_word"]
    assert facts["unreachable"] == []


LATIN = ["Habari ya asubuhi, watoto wanasoma vitabu shuleni na wazazi wanafanya kazi shambani."] * 4
ENGLISH = ["Children read books at school.", "habits and shambles", "The basket was at the window."]


def test_a_language_in_the_protected_script_is_learnt_around_it(tmp_path: Path, pico: Path) -> None:
    """Latin target, Latin protected text: the rule drops merges, says what that costs, and nothing changes."""
    _outcome, _payload, facts = expand(tmp_path, pico, texts=LATIN * 3, keep=ENGLISH, protect=["$keep"], new_tokens=60)
    fertility = facts["fertility"]
    assert facts["dropped"]["would fire on protected text"] > 0
    assert all(item["changed"] == 0 for item in facts["protected"].values())
    words = [fertility[key]["tokens_per_word"] for key in ("without_protection", "after", "before")]
    assert words == sorted(words)
    assert words[1] < words[2]
    assert facts["unreachable"] == []


def test_the_alphabet_guarantee_covers_every_token(tmp_path: Path, pico: Path) -> None:
    texts = [f"{text} Azure Azure cloud cloud" for text in URDU * 6]
    _outcome, plain, facts = expand(tmp_path / "a", pico, texts=texts, new_tokens=200)
    assert facts["alphabet_rule"]["covered"] < facts["alphabet_rule"]["tokens"]
    _outcome, payload, facts = expand(tmp_path / "b", pico, texts=texts, new_tokens=200, guarantee="alphabet")
    assert facts["alphabet_rule"]["covered"] == facts["alphabet_rule"]["tokens"] > 50
    unseen = "Azure cloud Azure clouds"
    old, new = load_tokenizer(pico).backend, load_tokenizer(payload).backend
    assert old.encode(unseen).ids == new.encode(unseen).ids
    assert old.encode(unseen).ids != load_tokenizer(plain).backend.encode(unseen).ids


@pytest.mark.parametrize(("tag", "name"), [("sw", "Swahili"), ("id", "Indonesian")])
def test_every_protected_thing_has_a_row_and_none_changes_for_a_latin_language(
    tmp_path: Path, pico: Path, shared_data: Path, tag: str, name: str
) -> None:
    """Where merges come first, as public recipes put them, nearly every English document changes."""
    files = [(shared_data / "corpus" / f"{which}.docs.jsonl").read_text("utf-8") for which in (tag, "en")]
    texts, keep = ([json.loads(line)["text"] for line in file.splitlines()[:16]] for file in files)
    languages = {"target": ["urd_Arab"], "keep": ["eng_Latn"]}
    _outcome, payload, facts = expand(
        tmp_path, pico, texts=texts, keep=keep, protect=["$keep"], new_tokens=300, languages=languages
    )
    assert {row: facts["protected"][row]["changed"] for row in facts["protected"]} == {
        "english": 0, "code": 0, "mathematics": 0, "chat": 0, "protect.1": 0,
    }  # fmt: skip
    old, new = load_tokenizer(pico), load_tokenizer(payload)
    prepended = {**new.content, "model": {**new.content["model"]}}
    merges, before = new.content["model"]["merges"], len(old.content["model"]["merges"])
    prepended["model"]["merges"] = merges[before:] + merges[:before]
    public = FastTokenizer(prepended, name).backend
    changed = sum(public.encode(text).ids != old.backend.encode(text).ids for text in keep)
    assert changed >= 0.9 * len(keep)


def test_a_kept_language_without_protected_text_is_refused(tmp_path: Path, pico: Path) -> None:
    with pytest.raises(DataError, match="fra_Latn is to be kept, and no text of it is protected"):
        expand(tmp_path, pico, languages={"target": ["urd_Arab"], "keep": ["eng_Latn", "fra_Latn"]})


def test_what_is_measured_of_both_tokenizers(expanded) -> None:
    _outcome, _payload, facts = expanded
    before, after = facts["fertility"]["before"], facts["fertility"]["after"]
    assert 0 <= before["single_token_words_fraction"] < after["single_token_words_fraction"] < 1
    assert 0 < after["renyi_efficiency"] <= 1
    assert after["fragment_fraction"] < before["fragment_fraction"]
    assert facts["expected_updates"]["median"] > facts["expected_updates"]["fewest"] >= 0
    pairs = facts["parity"]["protect.1"]
    assert pairs["after"] < pairs["before"]


def test_trimming_keeps_every_row_it_keeps_bit_for_bit(tmp_path: Path, expanded: Any) -> None:
    _outcome, grown, _facts = expanded
    english = ["Children read books at school.", "Farmers grow wheat."] * 4
    outcome, payload, facts = expand(tmp_path, grown, texts=english, trim={"min_count": 2}, protect=["$keep"])
    id_map = np.load(payload / "id_map.npy")
    before, after = open_checkpoint(grown), open_checkpoint(payload)
    kept = np.flatnonzero(id_map >= 0)
    assert len(kept) == facts["kept_tokens"] == facts["first_new_id"] < len(load_tokenizer(grown).ids) - 50
    np.testing.assert_array_equal(read_rows(after.input)[id_map[kept]], read_rows(before.input)[kept])
    assert all(row["changed"] == 0 for row in facts["protected"].values())
    assert after.rows % 64 == 0
    assert "no text needed were dropped" in outcome.card[0]
    same_logits(grown, payload, "The children read books at school.", id_map)


def same_logits(before: Path, after: Path, text: str, id_map: Any) -> None:
    """The logits of kept ids are equal bit for bit, special tokens are where the settings say."""
    import torch
    from transformers import AutoModelForCausalLM

    models = [AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval() for path in (before, after)]
    ids = [load_auto_tokenizer(path)(text, return_tensors="pt")["input_ids"] for path in (before, after)]
    assert id_map[ids[0][0].numpy()].tolist() == ids[1][0].tolist()
    with torch.no_grad():
        logits = [model(one).logits[0].numpy() for model, one in zip(models, ids, strict=True)]
    kept = np.flatnonzero(id_map >= 0)
    np.testing.assert_array_equal(logits[1][:, id_map[kept]], logits[0][:, kept])
    ends = [load_auto_tokenizer(path).eos_token_id for path in (before, after)]
    assert id_map[ends[0]] == ends[1] == models[1].generation_config.eos_token_id == models[1].config.eos_token_id


@pytest.mark.parametrize("donor", [True, False], ids=["donor", "trained"])
def test_replacing_keeps_rows_of_equal_tokens_and_starts_the_others_from_their_spelling(
    tmp_path: Path, pico: Path, donor: bool
) -> None:
    inputs = {}
    replace: dict[str, Any] = {"tokens": 500}
    if donor:
        inputs["./donor"] = Artefact("Model", make_pico(tmp_path / "donor", "mistral", "sentencepiece"), name="./donor")
        replace = {"donor": "./donor"}
    _outcome, payload, facts = expand(tmp_path, pico, replace=replace, inputs=inputs)
    id_map, first = np.load(payload / "id_map.npy"), facts["first_new_id"]
    before, after = open_checkpoint(pico), open_checkpoint(payload)
    kept = np.flatnonzero(id_map >= 0)
    np.testing.assert_array_equal(read_rows(after.input)[id_map[kept]], read_rows(before.input)[kept])
    old, new = load_tokenizer(pico), load_tokenizer(payload)
    assert sorted(id_map[kept]) == list(range(first))
    assert all(token_text(old, old.names[int(i)]) == token_text(new, new.names[int(id_map[i])]) for i in kept)
    assert new.added == {token: int(id_map[i]) for token, i in old.added.items()}
    assert np.isfinite(read_rows(after.input)).all()
    w = np.load(payload / "W.npz")
    assert len(w["indptr"]) == facts["new_tokens"] + 1
    text = "Children read books. یہ ایک گاؤں ہے"
    assert new.backend.decode(new.backend.encode(text).ids) == text
    if not donor:
        assert facts["fertility"]["after"]["tokens"] < facts["fertility"]["before"]["tokens"] / 2


@pytest.mark.parametrize("style", ["unigram", "gemma", "qwen25"])
def test_twins_of_real_tokenizers_go_through_the_stage_without_losing_a_row(tmp_path: Path, style: str) -> None:
    """The matrix is padded, as Qwen and Gemma ship it: it never shrinks, and spare rows are used first."""
    model = make_pico(tmp_path / "model", padding_rows=200)
    write_twin(model, style)
    before = open_checkpoint(model).rows
    _outcome, payload, facts = expand(tmp_path, model, new_tokens=40)
    assert facts["rows"] == open_checkpoint(payload).rows >= before
    assert facts["first_new_id"] == load_tokenizer(model).last_id + 1
    assert facts["new_tokens"] > 10
    assert all(row["changed"] == 0 for row in facts["protected"].values())
    assert facts["unreachable"] == []
    assert facts["fertility"]["after"]["tokens"] < facts["fertility"]["before"]["tokens"]
