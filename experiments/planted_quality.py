"""How well a quality scorer tells real answers from spoiled ones, on faults and languages it never saw.

    python experiments/planted_quality.py ../shared/data runs/planted [states] [titled]

Real answers are paragraphs of course documents in Urdu, Hindi, Swahili, Thai and English, the prompt is the paragraph
before. A third of the documents is set aside (the same ones in every language). Each kind of fault is left out of
training in turn and then asked for, once with all languages in training and once with the language itself left out as
well. With `titled` the prompt begins with the document's title: a heading alone ("By the end of this lesson you will be
able to") fits paragraphs of many documents, which instructions do not.
With `states`, nano-en is first adapted to the five languages on the other documents, and its hidden states and the
bits it needs for an answer are features too; only then do shuffled, mismatched and back-translated answers have a
bar.
There is no translator here: back-translated answers go word by word through English and back, by a dictionary learnt
from aligned paragraphs (IBM model 1), so they are worse than a real translator's and easier to tell.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from newtongue.core.context import Context
from newtongue.methods.corruption import Example, spoil
from newtongue.methods.words import words
from newtongue.run.recipe import build
from newtongue.run.runner import run
from newtongue.stages.select.config import ScorerTraining
from newtongue.stages.select.features import Describer
from newtongue.stages.select.training import Fit, TrainingMaterial

TAGS = {"ur": "urd_Arab", "hi": "hin_Deva", "sw": "swh_Latn", "th": "tha_Thai", "en": "eng_Latn"}
SURFACE = ("truncated", "repeated", "wrong_language")
DEEP = ("shuffled", "mismatched", "back_translated")
ROWS_PER_LANGUAGE, TEST_PER_LANGUAGE, PER_DOCUMENT = 250, 120, 6
STATES_ROWS = (80, 60)
"""Rows per language with states, training and test: three forward passes for each and its six twins."""
SEED = 0


def heldout(name: str) -> bool:
    """A third of the documents, by name alone."""
    return sum(name.encode()) % 3 == 0


def documents(folder: Path, code: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "corpus" / f"{code}.docs.jsonl").read_text("utf-8").splitlines()]


def examples(folder: Path, code: str) -> tuple[list[Example], list[Example]]:
    """Return (training, set aside) paragraphs with the paragraph before as prompt, after the title where wanted."""
    sides: tuple[list[Example], list[Example]] = ([], [])
    for document in documents(folder, code):
        parts = [part.strip() for part in document["text"].split("\n\n") if part.strip()]
        title = parts[0][:100] if "titled" in sys.argv else ""
        found = [
            Example(f"{title}\n{before[-300:]}".strip() if before != parts[0] else before[-300:], answer, TAGS[code])
            for before, answer in pairwise(parts)
            if 80 <= len(answer) <= 600 and len(before) >= 20
        ]
        sides[heldout(document["id"])].extend(found[:PER_DOCUMENT])
    return sides


def dictionary(pairs: list[tuple[list[str], list[str]]], rounds: int = 4) -> dict[str, str]:
    """Return word -> its likeliest translation (IBM model 1, expectation maximisation)."""
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for left, right in pairs:
        for word in set(left):
            for other in set(right):
                table[word][other] = 1.0
    for _ in range(rounds):
        counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for left, right in pairs:
            for other in right:
                total = sum(table[word][other] for word in left)
                for word in left:
                    counts[word][other] += table[word][other] / total
        table = {word: {o: n / sum(row.values()) for o, n in row.items()} for word, row in counts.items()}  # type: ignore[assignment]
    return {word: max(row, key=lambda other: (row[other], other)) for word, row in table.items()}


@cache
def there_and_back(folder: Path, code: str) -> dict[str, str]:
    """Return word -> the word it becomes when it is translated into English and back, word by word."""
    lines = [json.loads(line) for line in (folder / "parallel" / f"en-{code}.jsonl").read_text("utf-8").splitlines()]
    pairs = [(words(row[code])[:25], words(row["en"])[:25]) for row in lines[:300]]
    into, back = dictionary(pairs), dictionary([(right, left) for left, right in pairs])
    return {word: back.get(other, word) for word, other in into.items()}


def round_trips(folder: Path, rows: list[Example]) -> dict[int, str]:
    """Return number of a row -> its answer word by word through English and back; English rows have none."""
    found: dict[int, str] = {}
    tables = {TAGS[code]: there_and_back(folder, code) for code in ("ur", "hi", "sw", "th")}
    for place, row in enumerate(rows):
        if row.language in tables:
            text, end = [], 0
            for word in words(row.answer):
                first = row.answer.index(word, end)
                text += [row.answer[end:first], tables[row.language].get(word, word)]
                end = first + len(word)
            found[place] = "".join([*text, row.answer[end:]])
    return found


def adapted(folder: Path, out: Path) -> Path:
    """Adapt nano-en to all languages on the training documents."""
    out.mkdir(parents=True, exist_ok=True)
    for code in TAGS:
        lines = [json.dumps(d, ensure_ascii=False) for d in documents(folder, code) if not heldout(d["id"])]
        (out / f"{code}.jsonl").write_text("\n".join(lines), "utf-8")
    corpora = {
        f"corpus_{code}": {
            "stage": "corpus",
            "sources": [{"path": str((out / f"{code}.jsonl").resolve())}],
            "language": tag,
            "heldout_fraction": 0.02,
        }
        for code, tag in TAGS.items()
    }
    names = {code: f"$corpus_{code}" for code in TAGS}
    vocabulary, before = {}, "asset:nano-en"
    for code in ("ur", "hi", "sw", "th"):
        vocabulary[f"tokenizer_{code}"] = {
            "stage": "tokenizer",
            "model": before,
            "corpus": names[code],
            "new_tokens": 1000,
        }
        before = f"$tokenizer_{code}"
    stages = {
        **corpora,
        **vocabulary,
        "pretrain": {
            "model": before,
            "corpus": names,
            "tokens": 700_000,
            "sequence_length": 256,
            "tokens_per_step": 4096,
            "learning_rate": 5e-4,
            "embedding_learning_rate": 3e-3,
            "threads": 1,
        },
    }
    recipe = {"newtongue": 1, "title": "Nano model in five languages", "stages": stages}
    return run(build(recipe, "planted", "experiments"), out / "store").artefact("pretrain")


def quiet() -> Context:
    nothing = {"journal": lambda event, **facts: None, "progress": lambda *a, **k: None}
    return Context(Path(), Path(), Path(), {}, Path(), **nothing)  # type: ignore[arg-type]


def planted(
    folder: Path, kinds: list[str], rows: int = ROWS_PER_LANGUAGE, test: int = TEST_PER_LANGUAGE
) -> TrainingMaterial:
    """Real rows of five languages with their spoiled twins; each side is spoiled with answers of its own side."""
    sides = [examples(folder, code) for code in TAGS]
    first, second = ([row for side in sides for row in side[part][:size]] for part, size in ((0, rows), (1, test)))
    trips = "back_translated" in kinds
    pairs = spoil(first, kinds, SEED, round_trips(folder, first) if trips else None)
    later = spoil(second, kinds, SEED, round_trips(folder, second) if trips else None)
    pairs += [replace(pair, place=pair.place + len(first)) for pair in later]
    part = np.array([0] * len(first) + [2] * len(second))
    return TrainingMaterial([*first, *second], part, pairs, np.zeros(0))


def main(folder: Path, out: Path, states: bool) -> None:
    kinds = [*SURFACE, *DEEP]
    material = planted(folder, kinds, *(STATES_ROWS if states else (ROWS_PER_LANGUAGE, TEST_PER_LANGUAGE)))
    encoder = adapted(folder, out) if states else None
    training = ScorerTraining.model_validate({"surprise": states, "encoder": str(encoder) if encoder else None})
    describer = Describer(encoder, states, 256, "cpu")
    whole = Fit(material, describer, training, quiet())
    table: dict[str, dict[str, dict[str, float]]] = {"language seen": {}, "language absent": {}}
    for kind in kinds:
        for tag in TAGS.values():
            seen = whole.accuracy(tag, unseen_kind=kind)["kinds"]
            absent = whole.accuracy(tag, leave_out=tag, unseen_kind=kind)["kinds"]
            table["language seen"].setdefault(kind, {})[tag] = seen.get(kind)
            table["language absent"].setdefault(kind, {})[tag] = absent.get(kind)
        print(kind, table["language seen"][kind], table["language absent"][kind], flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"pair_accuracy{'_states' if states else ''}.json").write_text(json.dumps(table, indent=2), "utf-8")
    _print(table)


def _print(table: dict[str, dict[str, dict[str, float]]]) -> None:
    for title, found in table.items():
        print(
            f"\n{title} in training, this kind of fault never:\n{'':18}"
            + "".join(f"{tag:>10}" for tag in TAGS.values())
        )
        for kind, row in found.items():
            print(
                f"{kind:18}" + "".join(f"{'-' if row[t] is None else format(row[t], '.3f'):>10}" for t in TAGS.values())
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "states" in sys.argv[3:])
