"""`transform`: another script by ICU's rules or the user's own, and code-switching by a dictionary."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from stages.synth_kit import context, payload, rejected, sample_documents

from newtongue.adapters.tables import read_conversations, read_documents, write_conversations, write_documents
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document, Message
from newtongue.methods import invented
from newtongue.methods.code_switching import code_switch, learn_dictionary
from newtongue.methods.words import words
from newtongue.stages.transform.config import TransformConfig
from newtongue.stages.transform.stage import transform


def run(folder: Path, data: Artefact, files: dict[str, Path] | None = None, **settings: Any) -> Any:
    inputs = {"data": data} | {name: Artefact("File", path, name=name) for name, path in (files or {}).items()}
    chosen = {"data": "data", **{name: name for name in files or {}}, **settings}
    return transform(TransformConfig.model_validate(chosen), context(folder, inputs))


def corpus(folder: Path, *documents: Document) -> Artefact:
    write_documents(folder / "corpus", documents)
    return Artefact("Corpus", folder / "corpus", sealed=True, name="$corpus")


def made(folder: Path) -> list[Document]:
    return list(read_documents(Artefact("Corpus", folder / "payload", sealed=True)))


def test_romanising_keeps_code_side_and_group(tmp_path: Path) -> None:
    pytest.importorskip("icu")
    row = Document("a.hin_Deva", "यह `हिन्दी` है, 3 बार।", "hin_Deva", "heldout", "a", license="MIT")
    run(tmp_path, corpus(tmp_path, row), method="romanise", language="hin_Latn")
    (other,) = made(tmp_path)
    assert other.text.startswith("yaha `हिन्दी` hai, 3")
    assert (other.id, other.language, other.split, other.group) == ("a.hin_Latn", "hin_Latn", "heldout", "a")
    assert other.source == "romanise"


def test_rules_are_data_and_run_backwards(tmp_path: Path) -> None:
    pytest.importorskip("icu")
    rules = tmp_path / "rules.txt"
    letters = zip(invented.SCRIPT, invented.LATIN, strict=True)
    rules.write_text("".join(f"{own} <> {latin};\n" for own, latin in letters), "utf-8")
    forth = corpus(tmp_path / "in", Document("a", "ⵍⵎ ⵏⴰ", "qaa_Tfng"))
    run(tmp_path / "1", forth, {"rules": rules}, method="transliterate", language="qaa_Latn")
    (latin,) = made(tmp_path / "1")
    assert latin.text == "lm no"
    back = corpus(tmp_path / "again", latin)
    run(tmp_path / "2", back, {"rules": rules}, method="transliterate", language="qaa_Tfng", backwards=True)
    assert [row.text for row in made(tmp_path / "2")] == ["ⵍⵎ ⵏⴰ"]


def test_what_keeps_its_script_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("icu")
    rows = [Document("a", "ⵍⵎ ⵏⴰ", "qaa_Tfng"), Document("b", "कमल", "hin_Deva")]
    run(tmp_path, corpus(tmp_path, *rows), method="transliterate", transform="Devanagari-Latin", language="hin_Latn")
    assert [row.id for row in made(tmp_path)] == ["b.hin_Latn"]
    assert rejected(tmp_path)[0]["reason"] == "script not changed"


def test_bad_rules_name_their_place(tmp_path: Path) -> None:
    pytest.importorskip("icu")
    data = corpus(tmp_path, Document("a", "x", "eng_Latn"))
    with pytest.raises(RecipeError, match="ICU has no transform `No-Such`"):
        run(tmp_path, data, method="transliterate", transform="No-Such", language="eng_Latn")
    (tmp_path / "rules.txt").write_text("a <> ; >>> [", "utf-8")
    with pytest.raises(DataError, match="ICU cannot read the rules"):
        run(tmp_path, data, {"rules": tmp_path / "rules.txt"}, method="romanise", language="eng_Latn")


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5])
def test_code_switching_obeys_its_share(tmp_path: Path, fraction: float) -> None:
    source = sample_documents(tmp_path, "eng_Latn", 30)
    known = sorted({word.casefold() for d in read_documents(source) for word in words(d.text) if word.isalpha()})
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("word\tother\n" + "".join(f"{w}\t{invented.from_english(w)}\n" for w in known), "utf-8")
    settings = {"method": "code_switch", "language": "eng_Latn", "fraction": fraction}
    done = run(tmp_path, source, {"dictionary": lexicon}, **settings)
    assert done.metrics["switched_fraction"] == pytest.approx(fraction, abs=0.02)
    for before, after in zip(read_documents(source), made(tmp_path), strict=True):
        assert before.split == after.split
        assert len(words(before.text)) == len(words(after.text))
    first = payload(tmp_path)
    run(tmp_path, source, {"dictionary": lexicon}, **settings)
    assert payload(tmp_path) == first


def test_only_the_chosen_roles_are_switched(tmp_path: Path) -> None:
    turns = (Message(role="user", content="the cat"), Message(role="assistant", content="the cat"))
    write_conversations(tmp_path / "c", [Conversation("1", turns, "eng_Latn")])
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("word\tother\ncat\tبلی\nthe\tوہ\n", "utf-8")
    run(
        tmp_path, Artefact("Conversations", tmp_path / "c", sealed=True), {"dictionary": lexicon}, method="code_switch",
        language="eng_Latn", fraction=1.0, roles=["user"], makes_kind="Conversations",
    )  # fmt: skip
    (row,) = read_conversations(Artefact("Conversations", tmp_path / "payload", sealed=True))
    assert [turn["content"] for turn in row.messages] == ["وہ بلی", "the cat"]


def test_a_dictionary_can_be_learnt_from_aligned_sentences() -> None:
    english = ["the old cat sleeps", "the dog sleeps", "a cat and a dog", "the old dog", "an old cat", "cat and dog"]
    learnt = learn_dictionary([(text, invented.from_english(text)) for text in english], 2)
    for word in ("cat", "dog", "old", "sleeps"):
        assert learnt[word] == [invented.from_english(word)]
    mixed, switched, total = code_switch("The cat, the dog!", learnt, 0.5, Random(0))
    assert (switched, total, mixed[-1]) == (2, 4, "!")


@pytest.mark.parametrize(
    ("settings", "words_of_error"),
    [
        ({"method": "code_switch"}, "`dictionary` goes with"),
        ({"method": "romanise", "dictionary": "x.tsv"}, "`dictionary` goes with"),
        ({"method": "transliterate"}, "needs `rules` or another `transform`"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, str], words_of_error: str) -> None:
    with pytest.raises(ValueError, match=words_of_error):
        TransformConfig.model_validate({"data": "x", "language": "eng_Latn", **settings})
