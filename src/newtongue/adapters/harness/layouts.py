"""Public data sets as they are published: rows of each layout as the columns its task uses.

Templates and words stand in `assets/tasks`; the data sets themselves are the user's to bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from newtongue.adapters.harness.documents import Placed, read_placed
from newtongue.adapters.languages import load_card
from newtongue.core.errors import DataError

Row = dict[str, Any]
SIB_CATEGORIES = ["science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"]
"""The seven classes of SIB-200, as its files spell them in every language."""
XNLI_LABELS = {"entailment": 0, "neutral": 1, "contradiction": 2}


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set's layout.

    Attributes:
        name: Its name.
        kind: `task`, `translation`, `prompts` or `rules`.
        settings: Keys of a task file; empty for prompts and rules.
        rows: Its rows in the columns the settings use.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    rows: list[Placed]


def read_layout(
    name: str, path: Path, language: str, *, words: Mapping[str, str] | None = None, source: str | None = None
) -> Layout:
    """Read a data set in one of the known layouts.

    Args:
        name: Layout.
        path: File, folder or glob of the data.
        language: Tag of the language wanted.
        words: Words of the prompt in that language, over those known here.
        source: Tag of the language translated from; English when it is left out.

    Raises:
        DataError: The layout is unknown, the data does not have it, or a word of the language is not known.
    """
    known = _assets("layouts")
    if name not in known:
        raise DataError(f"unknown layout {name!r}", place="layout", expected=", ".join(known))
    about = known[name]
    rows = list(READERS[about["reader"]](path, language, source or "eng_Latn"))
    if not any(placed.row is not None for placed in rows):
        first = f"; {rows[0].place}: {rows[0].reason}" if rows else ""
        raise DataError(
            f"no row of {load_card(language).name} in this data{first}", place=str(path), expected=about["about"]
        )
    filled = _with_words(
        about.get("settings", {}), {**_assets("words").get(language, {}), **(words or {})}, name, language
    )
    return Layout(name, about.get("kind", "task"), {"task": name, **filled} if filled else {}, rows)


def layout_names() -> dict[str, str]:
    """Return layout -> what it is and which file is meant."""
    return {name: about["about"] for name, about in _assets("layouts").items()}


@cache
def _assets(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((resources.files("newtongue") / f"assets/tasks/{name}.yaml").read_text("utf-8")))


def _with_words(settings: Any, words: Mapping[str, str], name: str, language: str) -> Any:
    """Return settings with every <word> in the language."""
    if isinstance(settings, dict):
        return {key: _with_words(value, words, name, language) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_with_words(value, words, name, language) for value in settings]
    if not isinstance(settings, str):
        return settings
    for word in WORDS:
        if f"<{word}>" in settings:
            if word not in words:
                raise DataError(
                    f"the prompt of {name} needs the word `{word}` in {language}, which is not known here",
                    place=name,
                    fix=f"give it in the suite: words: {{{word}: …}}",
                )
            settings = settings.replace(f"<{word}>", words[word].replace("'", "\\'"))
    return settings


WORDS = ("cause", "effect", "right", "entails", "neutral", "contradicts")
"""Words that layouts ask for."""


# --- readers --------------------------------------------------------------------------------------------------------


def _each(change: Callable[[Row, str], Row | None]) -> Callable[[Path, str, str], Iterable[Placed]]:
    def read(path: Path, language: str, _source: str) -> Iterable[Placed]:
        """Yield every row changed; one that is not of this layout with the reason, one of another language not."""
        for placed in read_placed(path):
            if placed.row is None:
                yield placed
                continue
            try:
                row = change(placed.row, language)
            except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
                missing = f"no column {error}" if isinstance(error, KeyError) else str(error)
                yield Placed(placed.place, None, f"not of this layout: {missing}")
                continue
            if row is not None:
                yield Placed(placed.place, row)

    return read


def _mgsm(path: Path, _language: str, _source: str) -> Iterable[Placed]:
    files = [path] if path.is_file() else sorted(path.glob("*.tsv"))
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            place, parts = f"{file.name}:{number}", line.split("\t")
            if len(parts) != 2:
                yield Placed(place, None, f"{len(parts)} columns instead of question and answer")
            else:
                yield Placed(place, {"question": parts[0], "answer_number": parts[1].replace(",", "").strip()})


def _parallel(path: Path, language: str, source: str) -> Iterable[Placed]:
    left, right = _lines_of(path, source), _lines_of(path, language)
    if len(left[1]) != len(right[1]):
        raise DataError(f"{left[0]} has {len(left[1])} lines and {right[0]} has {len(right[1])}", place=str(path))
    documents = _document_ids(path, len(left[1]))
    for number, (original, translated) in enumerate(zip(left[1], right[1], strict=True), 1):
        row = {"source": original, "target": translated}
        yield Placed(f"{right[0]}:{number}", row | ({"document": documents[number - 1]} if documents else {}))


def _document_ids(folder: Path, lines: int) -> list[str]:
    """Return the document of every line, where the folder holds the list that NTREX comes with."""
    for file in sorted(folder.rglob("DOCUMENT_IDS.tsv")):
        found = file.read_text("utf-8").splitlines()
        return found if len(found) == lines else []
    return []


def _lines_of(folder: Path, language: str) -> tuple[str, list[str]]:
    code = language.split("_")[0]
    patterns = [
        f"{language}.devtest",
        f"{language}.dev",
        f"newstest2019-src.{code}.txt",
        f"newstest2019-ref.{code}.txt",
    ]
    patterns += [f"newstest2019-ref.{code}-*.txt", f"newstest2019-ref.{code}_*.txt", f"{language}.txt", f"{code}.txt"]
    for pattern in patterns:
        for file in sorted(folder.rglob(pattern)):
            return file.name, file.read_text("utf-8").splitlines()
    raise DataError(f"no file of {language} in this folder", place=str(folder), expected=" or ".join(patterns[:5]))


def _gsm8k(row: Row, _language: str) -> Row:
    return {**row, "answer_number": row["answer"].rpartition("####")[2].strip().replace(",", "")}


def _sib200(row: Row, _language: str) -> Row:
    if row["category"] not in SIB_CATEGORIES:
        raise ValueError(f"unknown category {row['category']!r}")
    return {"text": row["text"], "category": row["category"], "categories": SIB_CATEGORIES, "id": row.get("index_id")}


def _belebele(row: Row, language: str) -> Row | None:
    if row.get("dialect", language) != language:
        return None
    options = [str(row[f"mc_answer{n}"]) for n in range(1, 5)]
    gold = int(row["correct_answer_num"]) - 1
    return {
        "question": f"{row['flores_passage']}\n\n{row['question']}",
        "options": options,
        "gold": gold,
        "group": row["link"],
    }


def _options(row: Row, _language: str) -> Row:
    listed = row.get("choices")
    options = list(map(str, listed)) if isinstance(listed, list) else [str(row[f"option_{c}"]) for c in "abcd"]
    answer = row["answer"]
    gold = "ABCD".index(answer) if isinstance(answer, str) and answer in "ABCD" and answer else int(answer)
    key = row.get("sample_id") or row.get("id") or row["question"]
    return {"question": row["question"], "options": options, "gold": gold, "group": str(key)}


def _xnli(row: Row, language: str) -> Row | None:
    if "sentence1" in row:
        if row.get("language") not in (None, load_card(language).lid, language):
            return None
        return {"premise": row["sentence1"], "hypothesis": row["sentence2"], "gold": XNLI_LABELS[row["gold_label"]]}
    label = row["label"]
    return {"premise": row["premise"], "hypothesis": row["hypothesis"], "gold": XNLI_LABELS.get(label, label)}


def _multijail(row: Row, language: str) -> Row:
    text = row[load_card(language).lid]
    return {"id": str(row["id"]), "prompt": text, "reference": ""}


def _lcb(row: Row, language: str) -> Row | None:
    if row.get("language") not in (None, "", load_card(language).lid):
        return None
    return {"prompt": row["prompt"], "reference": ""}


def _m_ifeval(row: Row, _language: str) -> Row:
    return {name: row[name] for name in ("key", "prompt", "instruction_id_list", "kwargs")}


READERS: dict[str, Callable[[Path, str, str], Iterable[Placed]]] = {
    "as_is": _each(lambda row, _language: row),
    "mgsm": _mgsm,
    "parallel": _parallel,
    "gsm8k": _each(_gsm8k),
    "sib200": _each(_sib200),
    "belebele": _each(_belebele),
    "options": _each(_options),
    "xnli": _each(_xnli),
    "multijail": _each(_multijail),
    "lcb": _each(_lcb),
    "m_ifeval": _each(_m_ifeval),
}
"""Name in `layouts.yaml` -> reader of (path, language, source language)."""
