"""Sections across languages: twins, wordings, directions and layers, from rows made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import context_for

from newtongue.adapters.tables.items import read_items, write_items
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.gaps import language_gaps
from newtongue.stages.report.material import Material, Measured
from newtongue.stages.report.stage import report

CORRECT = {"before": (40, 80), "after": (60, 78)}
"""Right answers of a hundred in Urdu and in English."""


def choice(name: str, right: int, language: str) -> list[dict[str, Any]]:
    about = {"set": name, "kind": "match", "language": language, "stopped": True, "empty": False}
    return [
        {**about, "item": str(n), "group": str(n // 2), "correct": n < right, "score": float(n < right)}
        for n in range(100)
    ]


def worded(better: int) -> list[dict[str, Any]]:
    about = {"set": "asked", "kind": "generation", "faithful": True, "looped": False, "empty": False}
    about |= {"prompt": "کیا؟", "reference": "پانی", "output": "پانی", "task": "qa"}
    return [
        {**about, "item": f"{n}@{w}", "group": str(n), "wording": w, "stopped": n < 10 + better * place}
        for place, w in enumerate(("direct", "xlt", "plain"))
        for n in range(20)
    ]


def translated(shift: float) -> list[dict[str, Any]]:
    about = {"set": "grid", "kind": "translation", "stopped": True, "looped": False, "empty": False}
    return [
        {**about, "item": f"{n}@{t}", "group": str(n), "task": t, "chrf": 0.3 + shift, "off_target": n == 0}
        for t in ("urd_Arab-eng_Latn", "eng_Latn-urd_Arab")
        for n in range(10)
    ]


def aligned(near: bool) -> list[dict[str, Any]]:
    about = {"set": "layers", "kind": "alignment"}
    return [
        {**about, "item": f"{n}@{k}", "group": str(n), "task": str(k), "correct": near and n < 5 * k, "score": 0.5}
        for k in range(3)
        for n in range(10)
    ]


def scores(folder: Path, name: str) -> Artefact:
    final = name == "after"
    urdu, english = CORRECT[name]
    rows = choice("sums", urdu, "urd_Arab") + choice("sums in English", english, "eng_Latn")
    rows += choice("sums in Hindi", 50, "hin_Deva")
    rows += worded(3 * final) + translated(0.1 * final) + aligned(final)
    payload = folder / name / "scores"
    payload.mkdir(parents=True)
    write_items(payload / "items.parquet", rows)
    direction = {"chrf": 30.0, "bleu": 5.0, "off_target_fraction": 0.1, "n": 10}
    direction |= {"chrf_signature": "nw:2", "bleu_signature": "tok:13a"}
    target = {"language": "urd_Arab", "role": "target"}
    sets = {
        "sums": {"kind": "match", **target},
        "sums in English": {"kind": "match", "language": "eng_Latn", "role": "retention"},
        "sums in Hindi": {"kind": "match", "language": "hin_Deva", "role": "target"},
        "asked": {"kind": "generation", **target},
        "grid": {
            **{"kind": "translation", **target},
            "directions": {t: direction for t in ("urd_Arab-eng_Latn", "eng_Latn-urd_Arab")},
        },
        "layers": {
            **{"kind": "alignment", **target, "languages": ["urd_Arab", "eng_Latn"]},
        },
    }
    model = {"parameters": 1, "vocabulary": 9, "tokenizer_sha256": "t", "chat_template": "kept", "prompt_sha256": "p"}
    facts = {"format": 1, "model": model, "settings": {"window_bytes": 1024}, "sets": sets}
    (payload / "scores.json").write_text(json.dumps(facts), "utf-8")
    return Artefact("Scores", payload, sealed=True, name=f"${name}")


def build(folder: Path, **settings: Any) -> tuple[dict[str, Any], str]:
    config = ReportConfig.model_validate({"before": "$before", "after": "$after", "bootstrap_draws": 400, **settings})
    context = context_for(config, folder / "report", {f"${n}": scores(folder, n) for n in CORRECT})
    report(config, context)
    facts = json.loads((context.payload / "facts.json").read_text("utf-8"))
    return facts, (context.payload / "report.html").read_text("utf-8")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    same = {"sums in English": ["sums", "sums in Hindi"]}
    return build(tmp_path_factory.mktemp("multilingual"), twins={"sums": "sums in English"}, same_items=same)


def test_the_gap_to_the_twin_is_told_for_both_models(built: Any) -> None:
    facts, html = built
    before, after = facts["gaps"]
    assert (before["model"], before["difference"]["value"]) == ("before", -0.4)
    assert after["fraction_of_reference"]["value"] == pytest.approx(60 / 78, abs=1e-6)
    assert (before["n"], before["difference"]["n"]) == (100, 50)
    assert after["all_correct"] == 0.6 and after["agreement"] == pytest.approx(0.82)
    assert '<h2 id="gaps">' in html and "sums against sums in English" in html


def test_any_number_of_languages_are_compared_at_once(built: Any) -> None:
    facts, html = built
    _before, after = facts["consistency"]
    assert (after["reference"], after["model"], after["n"]) == ("sums in English", "after", 100)
    assert after["agreement"] == [[1.0, 0.82, 0.72], [0.82, 1.0, 0.9], [0.72, 0.9, 1.0]]
    assert after["mean_agreement"] == pytest.approx((0.82 + 0.72 + 0.9) / 3, abs=1e-6) and after["all_correct"] == 0.5
    english, urdu, hindi = after["sets"]
    assert (english["correct_fraction"], "difference" in english) == (0.78, False)
    assert urdu["fraction_of_reference"]["value"] == pytest.approx(60 / 78, abs=1e-6)
    assert hindi["difference"]["value"] == pytest.approx(-0.28) and hindi["language"] == "hin_Deva"
    assert "Hindi (sums in Hindi)" in html and "100 items in 3 languages" in html and "answered alike" in html


def test_models_behind_endpoints_are_compared_without_what_they_do_not_show(tmp_path: Path) -> None:
    artefacts = {f"${n}": scores(tmp_path, n) for n in CORRECT}
    for artefact in artefacts.values():
        file = artefact.path / "scores.json"
        found = json.loads(file.read_text("utf-8"))
        found["model"] = {"endpoint_model": "m", "parameters": 0, "chat_template": "the endpoint's own"}
        file.write_text(json.dumps(found), "utf-8")
    config = ReportConfig.model_validate({"before": "$before", "after": "$after", "bootstrap_draws": 400})
    context = context_for(config, tmp_path / "report", artefacts)
    report(config, context)
    page = (context.payload / "report.html").read_text("utf-8")
    assert "the endpoint&#x27;s own –" in page or "the endpoint's own –" in page


def test_which_wrong_answer_was_chosen_decides_agreement_of_tasks_in_two_languages(tmp_path: Path) -> None:
    def asked(name: str, language: str, chosen: list[int]) -> list[dict[str, Any]]:
        about = {"set": name, "kind": "choice", "language": language, "bits": 1.0, "bytes": 1}
        return [
            {**about, "item": f"{n}-{name}", "group": str(n), "choice": choice, "correct": choice == 0}
            for n, choice in enumerate(chosen)
        ]

    rows = asked("ur", "urd_Arab", [0, 1, 2, 3]) + asked("en", "eng_Latn", [0, 1, 3, 0])
    write_items(tmp_path / "items.parquet", rows)
    model = Measured("before", {"sets": {}}, read_items(tmp_path / "items.parquet"), {}, {})
    found = language_gaps({"ur": "en"}, Material(model, model, [], [], [], []), {"draws": 10, "seed": 0})
    assert found[0]["n"] == 4 and found[0]["agreement"] == 0.5, "right alike, wrong alike; wrong otherwise; one right"


def test_lost_english_answers_are_judged_and_do_not_pass_unseen(built: Any) -> None:
    facts, html = built
    kept = facts["verdicts"]["retention"]
    assert (kept["set"], kept["measure"]) == ("sums in English", "accuracy")
    assert kept["verdict"] in ("fail", "underpowered") and kept["loss"]["value"] == pytest.approx(0.02)
    assert "correct answers" in html


def test_wordings_directions_and_layers_stand_on_the_page(built: Any) -> None:
    facts, html = built
    assert facts["sets"]["asked"]["scores"]["after"]["spread"]["stopped"]["range"] == pytest.approx(0.3)
    for key in ("wordings", "translation", "alignment"):
        assert f'<h2 id="{key}">' in html
    for text in ("“xlt”", "Urdu to English", "tok:13a", "Urdu and English, 10 pairs", "embedding", "20 %"):
        assert text in html.replace("\u00a0", " "), text


def test_every_layer_has_intervals_for_both_models_and_for_the_change(built: Any) -> None:
    facts, html = built
    found = facts["sets"]["layers"]
    before, after = (found["scores"][label]["layers"] for label in ("before", "after"))
    assert [layer["mexa"]["value"] for layer in after] == [0, 0.5, 1] and len(before) == 3
    assert after[1]["mexa"]["low"] == pytest.approx(0.2) and after[1]["mexa"]["high"] == pytest.approx(0.8)
    none, every = after[0]["mexa"], after[2]["mexa"]
    assert none["high"] == pytest.approx(1 - every["low"]) and none["high"] > 0.2, "no feigned certainty"
    assert after[1]["similarity"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 10}
    changed = found["change"]["layers"][1]["mexa"]
    assert changed["value"] == 0.5 and 0 < changed["low"] < 0.5 < changed["high"] < 1
    assert changed["p"] == pytest.approx(2 / 2**5), "five gained, none lost"
    shown = html.replace("\u00a0", " ")
    for text in ('50 % <span class="interval">[20 %, 80 %]', "Nearest, final less base, points", "+50.0 %"):
        assert text in shown, text


def test_a_twin_that_was_not_measured_is_an_error_that_lists_what_was(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no set `gone`") as caught:
        build(tmp_path, twins={"sums": "gone"})
    assert "sums in English" in caught.value.expected
