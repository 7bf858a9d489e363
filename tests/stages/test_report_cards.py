"""Cards in the hub's format, and the page in a real browser, in four scripts."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from stages.eval_kit import TEXTS, context_for
from stages.test_report_golden import LEVELS, scores

from newtongue.stages.report.cards import codes, data_card, model_card
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.facts import build_facts
from newtongue.stages.report.material import Made, Material, gather
from newtongue.stages.report.page import build_page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
COSTS: dict[str, Any] = {"stages": [], "total": {"seconds": 1.0, "usd": 0.5}, "versions": {}}


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("cards")
    config = ReportConfig(before="$before", after="$after")
    found = gather(config, context_for(config, folder / "report", {f"${n}": scores(folder, n) for n in LEVELS}))
    manifest = {"kind": "Corpus", "stage": "corpus", "counts": {"documents": 5000, "train_documents": 4500}}
    manifest |= {"licences": {"Apache-2.0": 4000, "Crown-1": 1000}, "card": ["Written by *people*."]}
    found.stages.append(Made("corpus", manifest, rejected={"too short": 3}, sources={"a | b": 5}))
    return found


@pytest.fixture(scope="session")
def facts(material: Material) -> dict[str, Any]:
    return build_facts(ReportConfig(before="$before", after="$after", bootstrap_draws=200), material)


def front(card: str) -> dict[str, Any]:
    head = card.split("---\n")[1]
    return dict(yaml.safe_load(head))


def test_a_model_card_has_what_the_hub_reads(facts: dict[str, Any]) -> None:
    card = model_card(facts, "apache-2.0")
    head = front(card)
    assert head["language"] == ["ur", "en"] and head["license"] == "apache-2.0"
    assert (head["library_name"], head["pipeline_tag"]) == ("transformers", "text-generation")
    result = head["model-index"][0]["results"][0]
    assert result["dataset"] == {"name": "urdu", "type": "urd_Arab", "split": "heldout"}
    assert result["metrics"][0]["type"] == "bits_per_byte" and result["metrics"][0]["value"] < 2
    for text in ("## Verdicts", "retention: **Kept**", "| english (English) | bits per byte |", "no safety test"):
        assert text in card


@pytest.mark.parametrize(
    ("place", "shown", "on_the_hub"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", True),
        ("asset:nano-en", "nano-en", False),
        ("/srv/models/mine/", "mine", False),
    ],
)
def test_the_base_is_named_and_no_folder_of_this_machine(
    material: Material, place: str, shown: str, on_the_hub: bool
) -> None:
    before = replace(material.before, manifest={**material.before.manifest, "inputs": {"model": {"name": place}}})
    config = ReportConfig(before="$before", after="$after", bootstrap_draws=200)
    card = model_card(build_facts(config, replace(material, before=before)), "apache-2.0")
    assert front(card).get("base_model") == (shown if on_the_hub else None)
    assert f"{shown}, taught Urdu, with English kept, by newtongue." in card and "/srv" not in card


def test_a_data_card_counts_rows_and_names_every_licence(facts: dict[str, Any]) -> None:
    card = data_card(facts)
    head = front(card)
    assert (head["license"], head["license_name"]) == ("other", "Apache-2.0, Crown-1")
    assert head["size_categories"] == ["1K<n<10K"]
    assert "| corpus | Corpus | 5,000 | 4,500 | – | 3 | Apache-2.0 (4,000), Crown-1 (1,000) |" in card
    assert r"a \| b" in card


def test_codes_are_the_hubs() -> None:
    assert codes(["hin_Deva", "tha_Thai", "yor_Latn"]) == ["hi", "th", "yo"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("language", ["urd_Arab", "hin_Deva", "tha_Thai", "eng_Latn"])
@pytest.mark.parametrize("width", [380, 1200])
def test_a_browser_lays_the_page_out_without_overflow(
    tmp_path: Path, facts: dict[str, Any], language: str, width: int
) -> None:
    """A probe in the page reports its own width, its glyph boxes and the direction samples are set in."""
    shown = {"output": TEXTS[language], "stopped": True, "looped": False, "empty": False, "faithful": True}
    sample = {"item": "q", "task": "qa", "prompt": TEXTS[language], "reference": TEXTS[language], "language": language}
    told = facts | {"samples": [sample | {"answers": {"before": shown, "after": shown}}]}
    look = (
        "<script>const t=document.querySelector('.text');const d=document.documentElement;"
        "document.title=[d.scrollWidth<=d.clientWidth,getComputedStyle(t).direction,t.offsetHeight>10].join(' ')"
        "</script></body>"
    )
    file = tmp_path / "report.html"
    file.write_text(build_page(told, COSTS).replace("</body>", look), "utf-8")
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    direction = "rtl" if language == "urd_Arab" else "ltr"
    assert f"<title>true {direction} true</title>" in done.stdout, done.stdout[:300] + done.stderr[-300:]
