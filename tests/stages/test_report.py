"""`report` on five scripts: complete, self-contained, escaped, and never stopped by what is missing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from stages.eval_kit import ANSWERS, TEXTS, context_for, documents, make_model, write_lines

from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.stages.eval.config import EvalConfig
from newtongue.stages.eval.stage import evaluate
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.stage import VOLATILE, report

VOID = {"meta", "br", "circle", "line", "polyline"}
HOSTILE = "<script>alert(1)</script> & \u202e reversed"


class Checker(HTMLParser):
    """Notes unclosed tags, what is loaded, and languages of elements."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("report-models")
    return [make_model(folder / str(seed), vocabulary=300 + 60 * seed, seed=seed) for seed in (0, 1)]


def seal(folder: Path, kind: str, **facts: Any) -> Artefact:
    """Write a manifest as the runner does and return the artefact."""
    manifest = {"kind": kind, "payload": kind.lower(), "fingerprint": "f" * 64, "digest": "d" * 64, **facts}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return Artefact(kind, folder / kind.lower(), sealed=True, name=f"${folder.name}")


def scored(folder: Path, models: list[Path], language: str) -> dict[str, Artefact]:
    turns = [{"role": "user", "content": TEXTS[language]}, {"role": "assistant", "content": ANSWERS[language]}]
    asked = write_lines(folder / "c.jsonl", [{"messages": turns, "id": str(n), "task": "qa"} for n in range(3)])
    held = documents(folder / "d.jsonl", language, 4)
    kept = documents(folder / "e.jsonl", "eng_Latn", 4)
    train = write_lines(folder / "t.jsonl", [{"id": "t", "text": TEXTS[language], "split": "train"}])
    found = {}
    for name, model in zip(("before", "after"), models, strict=True):
        config = EvalConfig(
            model=str(model),
            window_bytes=64,
            text={
                "held": {"corpus": str(held), "language": language, "role": "target"},
                "kept": {"corpus": str(kept), "language": "eng_Latn", "role": "retention"},
                "old": {"corpus": str(kept), "language": "eng_Latn", "role": "replay"},
            },
            ngram_control={"held": {"corpus": str(train), "order": 3}},
            generation={"answers": {"data": str(asked), "language": language, "max_new_tokens": 6}},
        )
        context = context_for(config, folder / name)
        evaluate(config, context)
        found[f"${name}"] = seal(folder / name, "Scores", stage="eval", name=name, costs={"seconds": 3.5, "usd": 0.25})
    return found


def made(folder: Path) -> dict[str, Artefact]:
    """Return a corpus, an expanded model, a trained model and conversations, as their stages leave them."""
    for name in ("corpus/corpus", "tokenizer/model", "pretrain/model", "synth/conversations"):
        (folder / name).mkdir(parents=True)
    write_lines(folder / "corpus/corpus/rejected.jsonl", [{"reason": "too short"}] * 3)
    write_lines(folder / "synth/conversations/rejected.jsonl", [{"reason": "wrong script"}])
    expansion = {
        **{"first_new_id": 300, "new_tokens": 60, "rows_before": 300, "rows": 384, "init": "subword_mean"},
        "fertility": {"before": {"tokens_per_word": 8.0}, "after": {"tokens_per_word": 2.0}, "measured_on": "heldout"},
        "protected": {"english": {"documents": 12, "tokens": 3456, "changed": 0}},
    }
    (folder / "tokenizer/model/expansion.json").write_text(json.dumps(expansion), "utf-8")
    log = [
        {
            "step": n,
            "tokens": 100 * n,
            "sources": {"corpus": {"bits_per_byte": 8 / n}, "replay": {"bits_per_byte": 1.5}},
        }
        for n in range(1, 300)
    ]
    write_lines(folder / "pretrain/model/training_log.jsonl", log)
    common = {"costs": {"seconds": 61.0, "usd": 0.5}}
    corpus = {"counts": {"train": 90, "heldout": 10}, "licences": {"Apache-2.0": 100}, "card": ["Machine-written."]}
    return {
        "$corpus": seal(folder / "corpus", "Corpus", stage="corpus", name="corpus", **corpus, **common),
        "$tokenizer": seal(folder / "tokenizer", "Model", stage="tokenizer", name="tokenizer", **common),
        "$pretrain": seal(
            folder / "pretrain", "Model", stage="pretrain", name="pretrain", counts={"tokens": 29_900}, **common
        ),
        "$synth": seal(folder / "synth", "Conversations", stage="synth", name="synth", **common),
    }


def build(folder: Path, inputs: dict[str, Artefact], **settings: Any) -> tuple[Path, Any]:
    config = ReportConfig(before="$before", after="$after", bootstrap_draws=200, **settings)
    context = context_for(config, folder, inputs)
    return context.payload, report(config, context)


@pytest.fixture(scope="session", params=TEXTS)
def page(
    request: pytest.FixtureRequest, models: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, str]:
    folder = tmp_path_factory.mktemp("report")
    stages = made(folder)
    inputs = {**scored(folder, models, request.param), **stages}
    payload, _outcome = build(folder / "report", inputs, stages=list(stages), controls={"itself": "$before"})
    return request.param, payload, (payload / "report.html").read_text("utf-8")


def test_the_page_is_well_formed_and_loads_nothing(page: tuple[str, Path, str]) -> None:
    _language, _payload, html = page
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert not re.search(r"https?://|//[a-z]|@import|url\(|<script|<link|<img|<iframe", html)
    assert {tag for tag, _attributes in checker.attributes} & {"script", "link", "img", "iframe", "object"} == set()
    assert all(
        "src" not in found and not (found.get("href") or "#").startswith("http") for _tag, found in checker.attributes
    )


def test_every_section_stands_on_the_page(page: tuple[str, Path, str]) -> None:
    _language, _payload, html = page
    found = re.findall(r'<h2 id="(\w+)">', html)
    expected = ["results", "kept", "answers", "samples", "vocabulary", "data", "training", "instructions", "costs"]
    assert found == [*expected, "provenance", "method"]
    for text in ("too short", "wrong script", "Machine-written.", "3-gram", "8.00 → 2.00", "knows nothing", "29,900"):
        assert text in html


def test_text_stands_in_its_language_and_direction(page: tuple[str, Path, str]) -> None:
    language, _payload, html = page
    checker = Checker()
    checker.feed(html)
    samples = [found for _tag, found in checker.attributes if (found.get("class") or "").startswith("text ")]
    direction = {"urd_Arab": "rtl"}.get(language, "ltr")
    assert {found["dir"] for found in samples} <= {direction, "auto"} and samples
    assert {found["lang"] for found in samples} == {
        {"eng": "en", "urd": "ur", "hin": "hi", "tha": "th", "jpn": "ja"}[language[:3]]
    }
    assert ANSWERS[language] in html


def test_charts_can_be_read_without_seeing_them(page: tuple[str, Path, str]) -> None:
    _language, _payload, html = page
    charts = re.findall(r'<svg[^>]*role="img">(.*?)</desc>', html)
    assert len(charts) == 3
    assert all(re.match(r"<title>[^<]+</title><desc>[^<]+", chart) for chart in charts)
    assert html.count("<table aria-label=") == html.count('<figure class="table"><figcaption>') > 5
    assert not re.search(r"<th(?! scope)(?!ead)", html)


def test_facts_are_json_with_n_and_interval_and_without_times(page: tuple[str, Path, str]) -> None:
    _language, payload, _html = page
    text = (payload / "facts.json").read_text("utf-8")
    facts = json.loads(text)
    value = facts["sets"]["held"]["scores"]["after"]["bits_per_byte"]
    assert value["low"] <= value["value"] <= value["high"] and value["n"] == 4
    assert set(facts["sets"]["held"]["controls"]) == {"itself", "byte 3-gram, Kneser-Ney"}
    assert "seconds" not in text and "usd" not in text
    assert json.loads((payload / "costs.json").read_text("utf-8"))["total"] == {"seconds": 251.0, "usd": 2.5}
    assert len(facts["stages"][2]["curve"]["corpus"]) <= 120


def test_times_change_no_fact(tmp_path: Path, models: list[Path]) -> None:
    inputs = scored(tmp_path, models, "urd_Arab")
    first, outcome = build(tmp_path / "one", inputs)
    inputs["$after"] = seal(tmp_path / "after", "Scores", stage="eval", name="after", costs={"seconds": 99.0})
    second, _outcome = build(tmp_path / "two", inputs)
    for name in ("facts.json", "report.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / "costs.json").read_bytes() != (second / "costs.json").read_bytes()
    assert tuple(outcome.volatile) == VOLATILE


def test_text_of_models_cannot_break_out_of_the_page(tmp_path: Path, models: list[Path]) -> None:
    inputs = scored(tmp_path, models, "urd_Arab")
    card = {"card": [HOSTILE], "counts": {HOSTILE: 1}, "licences": {HOSTILE: 1}}
    (tmp_path / "evil" / "corpus").mkdir(parents=True)
    inputs["$evil"] = seal(tmp_path / "evil", "Corpus", stage="corpus", name=HOSTILE, **card)
    payload, _outcome = build(tmp_path / "report", inputs, stages=["$evil"], title=HOSTILE)
    html = (payload / "report.html").read_text("utf-8")
    assert "<script" not in html and "\u202e" not in html
    assert "&lt;script&gt;" in html and "[U+202E]" in html
    assert "\u202e" not in (payload / "report.md").read_text("utf-8")


def test_what_is_missing_is_said_and_stops_nothing(tmp_path: Path, models: list[Path]) -> None:
    inputs = scored(tmp_path, models, "tha_Thai")
    (tmp_path / "bare" / "model").mkdir(parents=True)
    (tmp_path / "broken" / "model").mkdir(parents=True)
    (tmp_path / "broken" / "model" / "expansion.json").write_text("{", "utf-8")
    inputs["$bare"] = Artefact("Model", tmp_path / "bare" / "model", sealed=True, name="$bare")
    inputs["$broken"] = seal(tmp_path / "broken", "Model", stage="tokenizer", name="broken")
    inputs["$gone"] = Artefact("Scores", tmp_path / "gone" / "scores", sealed=True, name="$gone")
    settings = {"stages": ["$bare", "$broken"], "steps": {"in between": "$gone"}}
    payload, _outcome = build(tmp_path / "report", inputs, **settings)
    assert json.loads((payload / "facts.json").read_text("utf-8"))["missing"] == [
        "Scores of “in between” could not be read: holds no scores.json.",
        "bare has no manifest: its counts, costs and licences are not shown.",
        "Files of broken could not be read (JSONDecodeError).",
    ]
    assert "could not be read" in (payload / "report.html").read_text("utf-8")


def test_without_scores_there_is_no_report(tmp_path: Path) -> None:
    inputs = {f"${n}": Artefact("Scores", tmp_path / n, sealed=True, name=f"${n}") for n in ("before", "after")}
    with pytest.raises(DataError, match=r"\$before: holds no scores\.json"):
        build(tmp_path / "report", inputs)


def test_a_gate_says_no_only_when_asked_to(tmp_path: Path, models: list[Path]) -> None:
    inputs = scored(tmp_path, models, "hin_Deva")
    _payload, open_gate = build(tmp_path / "open", inputs)
    _payload, shut_gate = build(tmp_path / "shut", inputs, gate=True)
    assert open_gate.gate is None
    assert shut_gate.gate is not None and "fidelity" in shut_gate.gate


def test_one_document_and_nothing_else_is_a_report_that_decides_nothing(tmp_path: Path, models: list[Path]) -> None:
    held = documents(tmp_path / "d.jsonl", "urd_Arab", 1)
    inputs = {}
    for name, model in zip(("before", "after"), models, strict=True):
        text = {"held": {"corpus": str(held), "language": "urd_Arab", "role": "target"}}
        config = EvalConfig(model=str(model), text=text)
        evaluate(config, context_for(config, tmp_path / name))
        inputs[f"${name}"] = Artefact("Scores", tmp_path / name / "scores", sealed=True, name=f"${name}")
    payload, outcome = build(tmp_path / "report", inputs)
    verdicts = json.loads((payload / "facts.json").read_text("utf-8"))["verdicts"]
    assert verdicts["gain"]["difference"]["high"] is None and verdicts["gain"]["verdict"] in ("underpowered", "fail")
    assert (verdicts["retention"], verdicts["fidelity"]) == (None, None)
    assert "[–, –]" in (payload / "report.html").read_text("utf-8")
    assert outcome.metrics.keys() == {"target_bits_per_byte_difference"}


def test_headings_never_skip_a_level(page: tuple[str, Path, str]) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", page[2])]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
