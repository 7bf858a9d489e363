"""Translation scores are sacrebleu's, signatures included; COMET is a plug-in that is never downloaded."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from newtongue.adapters.translation_metrics import comet_scores, corpus_scores, sentence_chrf
from newtongue.core.errors import DataError, MissingExtra

sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu (extra `eval`) is not installed")

OUTPUTS = ["دریا خاموشی سے بہتا ہے۔", "نदी", "the old mill stood there"]
REFERENCES = ["دریا خاموشی سے بہہ رہا ہے۔", "नदी बहती है", "the old mill stood"]


def test_corpus_scores_equal_sacrebleu() -> None:
    found = corpus_scores(OUTPUTS, REFERENCES, spaces=True)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(OUTPUTS, [REFERENCES], word_order=2).score, abs=1e-4)
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES]).score, abs=1e-4)
    assert "nw:2" in found["chrf_signature"] and "tok:13a" in found["bleu_signature"]


def test_languages_without_spaces_count_characters() -> None:
    found = corpus_scores(["川は静かに流れる"], ["川は静かに流れた"], spaces=False)
    assert "tok:char" in found["bleu_signature"] and found["bleu"] > 50
    assert corpus_scores(["川は静かに流れる"], ["川は静かに流れた"], spaces=True)["bleu"] == 0


def test_sentence_scores_are_shares() -> None:
    assert sentence_chrf(REFERENCES[0], REFERENCES[0]) == 1.0
    assert 0 < sentence_chrf(OUTPUTS[0], REFERENCES[0]) < 1
    assert sentence_chrf("", REFERENCES[0]) == 0.0


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtra, match="sacrebleu") as caught:
        sentence_chrf("a", "b")
    assert caught.value.fix == "pip install 'newtongue[eval]'"


def test_comet_is_loaded_from_the_users_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def load(path: str) -> Any:
        seen.append(path)
        return SimpleNamespace(predict=lambda rows, **_: SimpleNamespace(scores=[len(row["mt"]) / 10 for row in rows]))

    monkeypatch.setitem(sys.modules, "comet", SimpleNamespace(load_from_checkpoint=load))
    checkpoint = tmp_path / "model.ckpt"
    with pytest.raises(DataError, match="no such COMET checkpoint"):
        comet_scores(checkpoint, ["a"], ["b"], ["c"])
    checkpoint.touch()
    assert comet_scores(checkpoint, ["a", "a"], ["b", "bb"], ["c", "c"]) == [0.1, 0.2]
    assert seen == [str(checkpoint)]


def test_comet_without_its_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.touch()
    with pytest.raises(DataError, match="unbabel-comet is not installed"):
        comet_scores(checkpoint, ["a"], ["b"], ["c"])
