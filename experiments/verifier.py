"""Does a verifier learnt from one short text tell its language from the nearest ones?

    python experiments/verifier.py ../shared/data [LANGUAGE ...]

The text is the Universal Declaration of Human Rights (`DATA/udhr`), for languages that the bundled identifier does not
know: without arguments twenty, all in Arabic, Devanagari and Cyrillic script and the rest in Latin script, evenly
spaced in the X, a third at a time, in all languages alike. `newtongue language TAG --from`
learns from the rest; the language gate judges each held-out article, as it would an answer, and the same articles in
the ten nearest languages (cosine of hashed n-grams; those of one macrolanguage are left out and told apart).

Three ways: the rest of the ten nearest is given (`--against`), the rest of thirty other languages is, or nothing is.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import langcodes
import numpy as np

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card, load_scripts
from newtongue.methods.language_verifier import count_ngrams
from newtongue.methods.scripts import count_letters, script_fraction
from newtongue.methods.verified_gate import Gate, gate_of
from newtongue.tools import verifier
from newtongue.tools.language import draft

FOLDS, NEAREST, OTHERS, WANTED = 3, 10, 30, 20
MIN_ARTICLES, MIN_LETTERS = 22, 20
WAYS = ("ten nearest given", "thirty others given", "nothing given")
Texts = Mapping[str, Sequence[str]]


def articles(file: Path) -> list[str]:
    """Return preamble and articles; headings are found by their form: numbers apart always the same, or one word."""
    lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    short = [line for line in lines if len(line) < 60]
    unnumbered = {line: re.sub(r"\d+", "", line).strip() for line in short if re.search(r"\d", line)}
    beginnings = {line: line.split()[0] for line in short}
    for forms in (unnumbered, beginnings):
        counted = Counter(forms[line] for line in lines if line in forms).most_common(1)
        if counted and counted[0][1] >= MIN_ARTICLES:
            return cut(lines, {line for line, form in forms.items() if form == counted[0][0]})
    return []


def cut(lines: Sequence[str], headings: Container[str]) -> list[str]:
    """Return what stands between headings."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line in headings:
            found.append([])
        else:
            found[-1].append(line)
    texts = ["\n".join(part) for part in found]
    return [text for text in texts if count_letters(text) >= MIN_LETTERS and "[missing" not in text]


def tag_of(name: str, text: str) -> str:
    """Return the tag of a file by its name and the script of its text."""
    scripts = {
        code: script_fraction(text, entry["ranges"]) for code, entry in load_scripts().items() if "ranges" in entry
    }
    return f"{name.split('_')[0]}_{max(scripts, key=lambda code: scripts[code] or 0.0)}"


def read(folder: Path) -> tuple[Texts, dict[str, str]]:
    """Return name -> articles, and name -> tag, of the files that fall into articles."""
    texts = {f.stem: articles(f) for f in sorted(folder.glob("[a-z]*.txt"))}
    texts = {name: found for name, found in texts.items() if len(found) >= MIN_ARTICLES}
    return texts, {name: tag_of(name, " ".join(found)) for name, found in texts.items()}


def nearness(texts: Texts) -> np.ndarray:
    """Return the cosine of every two languages' n-grams, rare ones weighing more."""
    counts = np.vstack([count_ngrams([" ".join(found)[:6000]]) for found in texts.values()])
    counts *= np.log(len(counts) / (1 + np.count_nonzero(counts, axis=0))).clip(0.1)
    counts /= np.linalg.norm(counts, axis=1, keepdims=True)
    return counts @ counts.T


def relatives(name: str, texts: Texts) -> set[str]:
    """Return the files of the same language or macrolanguage."""
    macro = {other: langcodes.standardize_tag(other.split("_")[0], macro=True) for other in texts}
    return {other for other in texts if macro[other] == macro[name] or other.split("_")[0] == name.split("_")[0]}


def chosen(texts: Texts, tags: Mapping[str, str]) -> list[str]:
    """Return the languages of the experiment: none that the identifier knows."""
    registry = {name: langcodes.Language.get(name.split("_")[0]) for name in texts}
    usual = [n for n, found in registry.items() if found.is_valid() and tags[n].endswith(found.maximize().script or "")]
    unknown = [name for name in usual if not load_card(tags[name]).lid]
    latin = [name for name in unknown if tags[name].endswith("Latn")]
    rest = [name for name in unknown if tags[name].endswith(("Arab", "Deva", "Cyrl"))]
    return [*rest, *(latin[round(place)] for place in np.linspace(0, len(latin) - 1, WANTED - len(rest)))]


def split(found: Sequence[str], fold: int) -> tuple[list[str], list[str]]:
    """Return articles to learn from, and held-out ones."""
    return [a for n, a in enumerate(found) if n % FOLDS != fold], [a for n, a in enumerate(found) if n % FOLDS == fold]


def learnt_gate(tag: str, own: Sequence[str], others: Mapping[str, Sequence[str]]) -> Gate:
    """Return the gate that a user would get from these texts."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "against").mkdir()
        text = Path(folder) / "own.txt"
        text.write_text("\n\n".join(own), "utf-8")
        for name, found in others.items():
            (Path(folder) / "against" / f"{name}.txt").write_text("\n\n".join(found), "utf-8")
        learnt = verifier.learn(tag, text, [Path(folder) / "against"] if others else [])
        card, _ = draft(tag, text)
    neighbours = [load_card(other) for other in card.confusables]
    return gate_of(card, neighbours, identify, asdict(learnt.verifier))


def judged(gate: Gate, held_out: Sequence[str]) -> Counter[str]:
    """Return how many articles the gate calls right, unknown, wrong."""
    return Counter(gate.language(article).outcome for article in held_out)


def measure(name: str, texts: Texts, tags: Mapping[str, str], near: np.ndarray, way: str) -> dict[str, Counter[str]]:
    """Return "own" and each foreign language -> verdicts on its held-out articles; `family: ` marks relatives."""
    names, family = list(texts), relatives(name, texts)
    ranked = [names[place] for place in np.argsort(-near[names.index(name)], kind="stable")]
    foreign = [other for other in ranked if other not in family]
    ten, rest = foreign[:NEAREST], foreign[NEAREST:]
    given = {WAYS[0]: ten, WAYS[1]: rest[:: len(rest) // OTHERS][:OTHERS], WAYS[2]: []}[way]
    found: dict[str, Counter[str]] = {}
    for fold in range(FOLDS):
        own, held_out = split(texts[name], fold)
        gate = learnt_gate(tags[name], own, {other: split(texts[other], fold)[0] for other in given})
        cases = {"own": held_out, **{other: split(texts[other], fold)[1] for other in ten}}
        cases |= {f"family: {other}": split(texts[other], fold)[1] for other in family - {name}}
        for label, held in cases.items():
            found.setdefault(label, Counter()).update(judged(gate, held))
    return found


def row(name: str, way: str, found: Mapping[str, Counter[str]]) -> str:
    """Return one line of the table: shares right, unknown, wrong of its own articles and of the ten's."""
    own, ten = found["own"], sum((c for n, c in found.items() if n != "own" and ":" not in n), Counter[str]())
    shares = [f"{part[outcome] / part.total():.3f}" for part in (own, ten) for outcome in ("right", "unknown", "wrong")]
    passed = [(c["right"] / c.total(), n) for n, c in found.items() if n != "own"]
    worst = ", ".join(f"{n} {share:.0%}" for share, n in sorted(passed, reverse=True)[:3] if share)
    return f"| {name} | {way} | {own.total()} | {' | '.join(shares)} | {worst} |"


def main(data: Path, names: Sequence[str]) -> None:
    """Print the table, a line as soon as it is known."""
    texts, tags = read(data / "udhr")
    near = nearness(texts)
    head = "articles | right | unknown | wrong | ten: right | unknown | wrong | taken most often"
    print(f"| language | given | {head} |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---|", flush=True)
    total: dict[str, Counter[bool]] = {way: Counter() for way in WAYS}
    for way in WAYS:
        for name in names or chosen(texts, tags):
            found = measure(name, texts, tags, near, way)
            own, ten = found["own"], sum((c for n, c in found.items() if n != "own" and ":" not in n), Counter[str]())
            total[way][own["right"] >= 0.95 * own.total() and ten["wrong"] >= 0.95 * ten.total()] += 1
            print(row(name, way, found), flush=True)
    for way, count in total.items():
        print(f"{way}: {count[True]} of {count.total()} languages take 95 % of their own and refuse 95 % of the ten")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
