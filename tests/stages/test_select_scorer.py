"""The scorer a `select` stage makes: what it learns from, what it writes, how it is used, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages.synth_kit import context
from stages.test_select import LINES, Artefact, explained, kept, many, run, sealed

from newtongue.adapters.hf.pico import make_pico, write_pico_tokenizer
from newtongue.core.context import Outcome
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation
from newtongue.methods.corruption import Example, spoil
from newtongue.methods.quality import pair_accuracy
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.pool import example_of
from newtongue.stages.select.scorer import Score
from newtongue.stages.select.stage import select


def train(folder: Path, rows: list[Conversation] | None = None, **settings: Any) -> Outcome:
    source = sealed(folder, rows or many(40))
    encoder = settings.pop("encoder_at", None)
    given = {"corruptions": ["truncated", "repeated", "wrong_language"], "leave_out_language": False, **settings}
    inputs = {"$synth": source}
    if encoder:
        given["encoder"] = "./encoder"
        inputs["./encoder"] = Artefact("Model", encoder, name="./encoder")
    config = SelectConfig.model_validate({"candidates": "$synth", "train": given})
    return select(config, context(folder, inputs))


def scores(folder: Path, rows: list[Example]) -> np.ndarray:
    return Score(folder / "payload")(rows)["scores"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    train(folder, leave_out_language=True)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder of XLM-R's architecture."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("xlmr")
    ids = write_pico_tokenizer(folder, "sentencepiece", chat_template=False)
    config = XLMRobertaConfig(
        vocab_size=max(ids.values()) + 1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=130,
        pad_token_id=1,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_it_tells_how_well_it_does_per_language_and_without_one(plain: Path) -> None:
    facts = json.loads((plain / "payload" / "scorer.json").read_text())
    for side in ("languages", "left_out_languages"):
        assert set(facts["accuracy"][side]) == set(LINES)
        for found in facts["accuracy"][side].values():
            assert set(found["kinds"]) == {"truncated", "repeated", "wrong_language"}
            assert found["all"] >= 0.8
    assert not any("/" in text for text in json.dumps(facts["training"]).split('"') if text.startswith("/"))


def test_it_prefers_answers_to_their_spoiled_twins(plain: Path) -> None:
    rows = [example_of(row) for row in many(40) if row.split == "heldout"]
    pairs = spoil(rows, ["truncated", "repeated", "wrong_language"], seed=5)
    better, worse = (scores(plain, [getattr(pair, side) for pair in pairs]) for side in ("good", "bad"))
    assert pair_accuracy(better, worse) >= 0.9


def test_a_row_has_the_same_score_alone_and_among_others(plain: Path) -> None:
    rows = [example_of(row) for row in many(12)]
    together = scores(plain, rows)
    assert [float(scores(plain, [row])[0]) for row in rows[:5]] == together[:5].tolist()


def test_equal_trainings_give_equal_bytes(plain: Path, tmp_path: Path) -> None:
    train(tmp_path, leave_out_language=True)
    for name in ("scorer.json", "scorer.npz"):
        assert (tmp_path / "payload" / name).read_bytes() == (plain / "payload" / name).read_bytes()


def test_rows_are_chosen_by_it_and_carry_its_score(plain: Path, tmp_path: Path) -> None:
    bad = replace(many(40)[0], id="bad", score=9.0)
    bad = replace(bad, messages=(bad.messages[0], {"role": "assistant", "content": "a a a a a a a a a"}))
    rows = [replace(row, score=float("nan")) for row in many(40)] + [bad]
    inputs = {"$synth": sealed(tmp_path, rows), "$qsm": Artefact("Scorer", plain / "payload", sealed=True)}
    config = SelectConfig.model_validate({"candidates": "$synth", "scorer": "$qsm", "method": "topk", "keep": 30})
    select(config, context(tmp_path, inputs))
    assert "bad" not in kept(tmp_path)
    lines = explained(tmp_path)
    of = {line["id"]: line for line in lines}
    assert of["bad"]["rank_in_language"] >= 30
    assert min(line["score"] for line in lines if line["kept"]) >= max(
        line["score"] for line in lines if not line["kept"]
    )


@pytest.mark.parametrize("objective", ["mse", "triplet"])
def test_it_learns_from_experts_revisions(tmp_path: Path, objective: str) -> None:
    rows = [example_of(row) for row in many(40)]
    lines = [
        {"prompt": pair.good.prompt, "original": pair.bad.answer, "revised": pair.good.answer, "language": row.language}
        for row, pair in zip(rows, spoil(rows, ["repeated"], 0), strict=True)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    source = sealed(tmp_path, many(40))
    given = {"pairs": "./pairs", "min_change_fraction": 0.25, "objective": objective, "leave_out_language": False}
    config = SelectConfig.model_validate({"candidates": "$synth", "train": given})
    inputs = {"$synth": source, "./pairs": Artefact("Conversations", file, name="./pairs")}
    done = select(config, context(tmp_path, inputs))
    assert done.counts == {"documents": 90, "pairs": 90}
    assert all(value >= 0.8 for name, value in done.metrics.items() if name.startswith("pair_accuracy"))
    file.write_text('{"prompt": "a", "original": "b", "revised": "c"}')
    with pytest.raises(DataError, match="no text in the column `language`; the columns are original, prompt, revised"):
        select(config, context(tmp_path, inputs))


def test_it_learns_a_judges_scores(tmp_path: Path) -> None:
    rows = [replace(row, score=float(len(row.messages[-1]["content"]))) for row in many(40)]
    done = train(tmp_path, rows, judged=True)
    assert "learnt from a judge's score of 108 rows" in done.card[0]
    found = scores(tmp_path, [example_of(row) for row in rows])
    assert np.corrcoef(found, [row.score for row in rows])[0, 1] > 0.5


def test_hidden_states_of_an_encoder_are_features_and_travel_with_the_scorer(tmp_path: Path, encoder: Path) -> None:
    done = train(tmp_path, many(24), encoder_at=encoder)
    facts = json.loads((tmp_path / "payload" / "scorer.json").read_text())
    assert "far_from_prompt" in facts["symptoms"] and "encoder's hidden states" in done.card[0]
    assert (tmp_path / "payload" / "encoder" / "model.safetensors").is_file()
    assert str(encoder) not in (tmp_path / "payload" / "scorer.json").read_text()
    rows = [example_of(row) for row in many(12)]
    pairs = spoil(rows, ["repeated"], 3)
    assert pair_accuracy(*(scores(tmp_path, [getattr(p, side) for p in pairs]) for side in ("good", "bad"))) > 0.8


def test_the_adapted_models_surprise_is_a_feature(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "pico")
    train(tmp_path / "scorer", many(24), encoder_at=model, surprise=True)
    facts = json.loads((tmp_path / "scorer" / "payload" / "scorer.json").read_text())
    assert {"bits_given_prompt", "bits_alone", "prompt_helps_little", "worst_quarter"} <= set(facts["symptoms"])


def test_vectors_from_an_encoder_or_a_causal_model(tmp_path: Path, encoder: Path) -> None:
    for number, path in enumerate((encoder, make_pico(tmp_path / "pico"))):
        inputs = {
            "$synth": sealed(tmp_path / str(number), many(12)),
            "./e": Artefact("Model", path, fingerprint=f"fp{number}"),
        }
        settings = {"method": "k_center", "keep": 6, "embeddings": {"encoder": "./e", "centred": True}}
        config = SelectConfig.model_validate({"candidates": "$synth", **settings})
        select(config, context(tmp_path / str(number), inputs))
        assert len(kept(tmp_path / str(number))) == 6
        assert len(list((tmp_path / str(number) / ".cache" / "embeddings").iterdir())) == 1


def test_an_encoder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_pico_tokenizer(tmp_path / "empty", "byte_level")
    with pytest.raises(DataError, match="no safetensors weights") as refused:
        train(tmp_path, encoder_at=tmp_path / "empty")
    assert "hashed n-grams need none" in str(refused.value)
    inputs = {"$synth": sealed(tmp_path, many(4)), "./e": Artefact("Model", tmp_path / "empty")}
    wanted = {"candidates": "$synth", "method": "k_center", "keep": 2, "embeddings": {"encoder": "./e"}}
    with pytest.raises(DataError, match="no safetensors weights"):
        select(SelectConfig.model_validate(wanted), context(tmp_path, inputs))


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"9 rows and .* pairs are too few to learn from"):
        train(tmp_path, many(4)[:9])
    with pytest.raises(DataError, match="no column `round_trip`"):
        train(tmp_path, corruptions=["back_translated"])


def test_what_is_no_scorer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no scorer\.json"):
        scores(tmp_path, [])


def test_rows_that_exercise_the_new_tokens(tmp_path: Path) -> None:
    model = make_pico(tmp_path / "pico")
    source = sealed(tmp_path, many(20))
    inputs = {"$synth": source, "./m": Artefact("Model", model)}
    config = SelectConfig.model_validate(
        {"candidates": "$synth", "method": "new_token_coverage", "vocabulary": "./m", "keep": 8}
    )
    with pytest.raises(DataError, match=r"has no expansion\.json"):
        select(config, context(tmp_path, inputs))
    (model / "expansion.json").write_text('{"first_new_id": 256, "new_tokens": 400}')
    select(config, context(tmp_path, inputs))
    chosen = json.loads((tmp_path / "payload" / "selection.json").read_text())["coverage"]["new_tokens"]
    run(tmp_path, source, keep=8)
    assert 0 < chosen["after"] <= chosen["before"]


def test_a_scorer_of_another_template_is_refused(plain: Path, tmp_path: Path) -> None:
    facts = json.loads((plain / "payload" / "scorer.json").read_text())
    (tmp_path / "payload").mkdir()
    (tmp_path / "payload" / "scorer.json").write_text(json.dumps({**facts, "template": "{answer}"}))
    with pytest.raises(DataError, match="was trained with another template or format") as refused:
        scores(tmp_path, [])
    assert "train the scorer again" in str(refused.value)


def test_answers_translated_there_and_back_are_the_worse_of_their_pairs(tmp_path: Path) -> None:
    lines = []
    for row in many(30):
        prompt, answer = (turn["content"] for turn in row.messages)
        facts = {"id": row.id, "language": row.language, "group": row.group, "split": row.split}
        trip = " ".join(sorted(answer.split())[2:])
        lines.append({**facts, "prompt": prompt, "completion": answer, "round_trip": trip})
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    given = {"corruptions": ["back_translated"], "leave_out_language": False}
    config = SelectConfig.model_validate({"candidates": "./rows", "train": given})
    done = select(config, context(tmp_path, {"./rows": Artefact("Conversations", file, name="./rows")}))
    assert done.counts["pairs"] == done.counts["documents"] == 81
    facts = json.loads((tmp_path / "payload" / "scorer.json").read_text())
    assert all(found["kinds"]["back_translated"] >= 0.8 for found in facts["accuracy"]["languages"].values())
