"""`newtongue language`: a draft from text alone holds what text can tell, loads, and never replaces a checked card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from newtongue.adapters.languages import FOLDER, load_card, read_card
from newtongue.core.errors import DataError, RecipeError
from newtongue.methods.card_drafting import look
from newtongue.tools.language import card_text, draft, show, write_card


@pytest.fixture
def own_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "cards"
    monkeypatch.setenv(FOLDER, str(folder))
    load_card.cache_clear()
    yield folder
    load_card.cache_clear()


@pytest.mark.parametrize(
    ("name", "tag", "spaces", "marks", "digits"),
    [
        ("skr", "skr_Arab", True, None, "۰۱۲۳۴۵۶۷۸۹"),
        ("mag", "qaa_Deva", True, "।", "०१२३४५६७८९"),
        ("khm", "khm_Khmr", False, "។", "០១២៣៤៥៦៧៨៩"),
        ("amh", "amh_Ethi", True, "።", ""),
        ("bod", "bod_Tibt", False, "།", "༠༡༢༣༤༥༦༧༨༩"),
    ],
)
def test_a_draft_says_what_the_text_shows(
    name: str, tag: str, spaces: bool, marks: str | None, digits: str, shared_data: Path
) -> None:
    card, notes = draft(tag, shared_data / "udhr" / f"{name}.txt")
    assert card.generic and card.tag == tag and card.spaces == spaces and card.digits == digits
    assert marks is None or marks in card.sentence_marks
    assert bool(card.stop_words) == spaces
    assert any("A person must check" in note for note in notes)


@pytest.mark.parametrize("tag", ["urd_Arab", "hin_Deva", "tha_Thai", "jpn_Jpan", "eng_Latn"])
def test_text_of_a_known_language_tells_what_its_card_says(tag: str, tmp_path: Path) -> None:
    card = load_card(tag)
    marks, space = card.sentence_marks[0], " " if card.spaces else ""
    (tmp_path / "a.txt").write_text(f"{space.join(card.stop_words)}{marks}\n" * 60, "utf-8")
    found, _ = draft(tag, tmp_path)
    assert found.spaces == card.spaces and marks in found.sentence_marks and found.direction == card.direction
    assert not card.spaces or set(found.stop_words) <= {word.lower() for word in card.stop_words}


def test_a_written_draft_is_the_card_of_its_tag(own_cards: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no yes baka miro selu tano. " * 100, "utf-8")
    card, notes = draft("qab_Latn", tmp_path / "a.txt")
    file = own_cards / "qab_Latn.yaml"
    assert write_card(file, card_text(card, notes)) == card
    assert set(card.stop_words) == {"no", "yes", "baka", "miro", "selu", "tano"}  # words that YAML could misread
    load_card.cache_clear()
    assert show("qab_Latn") == (card, "yours")
    assert load_card("qab_Latn-x-hill").stop_words == card.stop_words
    with pytest.raises(RecipeError, match="there already"):
        write_card(file, card_text(card, notes))


def test_a_card_of_ones_own_comes_before_the_shipped_one(own_cards: Path) -> None:
    card, source = show("wol_Latn")
    assert source == "shipped"
    write_card(own_cards / "wol_Latn.yaml", card_text(card.model_copy(update={"name": "Mine"})))
    load_card.cache_clear()
    assert show("wol_Latn")[0].name == "Mine" and show("wol_Latn")[0].script_ranges == card.script_ranges


@pytest.mark.parametrize("content", ["tag: [", "- a", "tag: qab_Latn\nname: x\nscripts: [No]"])
def test_a_broken_card_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "qab_Latn.yaml").write_text(content, "utf-8")
    with pytest.raises(DataError, match="is no language card"):
        read_card(tmp_path / "qab_Latn.yaml")


def test_a_card_under_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qac_Latn.yaml").write_text(card_text(load_card("eng_Latn")), "utf-8")
    with pytest.raises(DataError, match="holds the card of eng_Latn"):
        read_card(tmp_path / "qac_Latn.yaml")


def test_text_in_another_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Всі люди народжуються вільними. " * 100, "utf-8")
    with pytest.raises(DataError, match="Cyrl 100"):
        draft("qab_Latn", tmp_path / "a.txt")


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ba ko mi", "utf-8")
    with pytest.raises(DataError, match="too few"):
        draft("qab_Latn", tmp_path / "a.txt")


def test_every_shipped_card_survives_being_printed() -> None:
    card = load_card("urd_Arab")
    assert yaml.safe_load(card_text(card, ["a note"]))["stop_words"] == card.stop_words


def test_hints_on_normalisation() -> None:
    found = look("e\u0301 \ufe8d می\u200cروم", {"Arab": [(0x600, 0x6FF)]})
    assert found.changed_by_nfc == 2 and found.presentation_forms == 1 and found.format_characters == {"U+200C": 1}
