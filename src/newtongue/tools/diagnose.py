"""Candidate base models side by side on the user's own text, before money is spent.

Tokens per word, bits per byte, use of context, nearness of translations by layer, and what a million words would cost.
It measures models as they are: how well one can be taught a language is not among its figures, and the advice says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.models import end_of_text_id, load_model, load_tokenizer
from newtongue.adapters.hf.scoring import Request, encode, token_bits
from newtongue.adapters.hf.states import sentence_vectors
from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.methods.alignment import nearest_both_ways, position_weighted, similarities, spoiled_alone
from newtongue.methods.bits_per_byte import KNOW_NOTHING_BITS, plan_pieces, sum_by, token_starts, window_spans
from newtongue.methods.bootstrap import first_over_second, interval, saving
from newtongue.methods.in_context import probe_items
from newtongue.methods.scores import as_facts, layers
from newtongue.methods.splitting import neutral_id
from newtongue.methods.words import count_words

WINDOW_BYTES = 1024
MOST_TOKENS = 1024
BATCH = 8
DRAWS = 2000
MANY_TOKENS_PER_WORD = 3.0
"""Above this many tokens per word new tokens save most of the cost, whatever the language."""
WELL_KNOWN_BITS = 1.2
"""Bits per byte below which a model plainly knows a language; what remains is fine-tuning."""
FEW_DOCUMENTS = 20
"""With fewer documents intervals are wide, and the advice says so."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Material:
    """What the candidates are measured on.

    Attributes:
        texts: Documents of the user.
        pairs: The same sentences in the language and in a language the models know; empty without them.
        usd_per_million_tokens: What processing a million tokens costs.
        probe_items: Items per task of the in-context probe.
    """

    texts: list[str]
    pairs: list[tuple[str, str]]
    usd_per_million_tokens: float
    probe_items: int


def diagnose(
    models: Sequence[Path],
    text: Path,
    *,
    parallel: Path | None = None,
    usd_per_million_tokens: float = 1.0,
    most_bytes: int = 200_000,
    items: int = 10,
) -> Facts:
    """Measure candidate models on the user's text.

    Args:
        models: Model directories, or stage directories that hold one.
        text: Documents in the language: any file or folder that a Corpus field takes.
        parallel: The same documents in a language the models know, with the same ids up to the language.
        usd_per_million_tokens: Price of a million tokens, of training or of a server.
        most_bytes: Text looked at, UTF-8 bytes.
        items: Items per task of the in-context probe.

    Returns:
        `models` (name -> figures), `text`, `advice` and `limits`.

    Raises:
        DataError: There is no text, or no model.
    """
    if not models:
        raise DataError("no model to look at", expected="one or more model directories")
    texts = _texts(text, most_bytes)
    material = Material(texts, _pairs(text, parallel) if parallel else [], usd_per_million_tokens, items)
    found = {name: _measure(_folder(path), material) for name, path in _named(models).items()}
    size = {
        "documents": len(texts),
        "bytes": sum(len(t.encode()) for t in texts),
        "words": sum(map(count_words, texts)),
    }
    return {"text": size, "models": found, "advice": advise(found, len(texts)), "limits": LIMITS}


LIMITS = [
    "Measured before any training: a model that reads a language badly may still learn it well.",
    "The order of models can change with other text; intervals hold for documents like the ones given.",
    "Dollars count tokens only: not the size of a model, which decides the price of one.",
    "The probe uses made-up words in Latin letters; it says nothing of the language itself.",
]
"""What the figures do not say."""


def _named(models: Sequence[Path]) -> dict[str, Path]:
    """Return models by the shortest end of their path that tells them apart."""
    for parts in range(1, 1 + max(len(path.absolute().parts) for path in models)):
        names = ["/".join(path.absolute().parts[-parts:]) for path in models]
        if len(set(names)) == len(models):
            break
    return dict(zip(names, models, strict=False))


def _folder(path: Path) -> Path:
    folder = next((f for f in (path, path / "model") if (f / "config.json").is_file()), None)
    if folder is None:
        raise DataError("no model here", place=str(path), expected="a directory with config.json and safetensors")
    return folder


def _texts(path: Path, most_bytes: int) -> list[str]:
    found: list[str] = []
    for document in read_documents(Artefact("Corpus", path, name=str(path))):
        if document.text.strip():
            found.append(document.text)
            most_bytes -= len(document.text.encode())
        if most_bytes <= 0:
            break
    if not found:
        raise DataError("no text here", place=str(path))
    return found


def _pairs(text: Path, parallel: Path, most: int = 100) -> list[tuple[str, str]]:
    sides = [
        {neutral_id(d.id, d.language): d.text for d in read_documents(Artefact("Corpus", path, name=str(path)))}
        for path in (text, parallel)
    ]
    shared = [key for key in sides[0] if key in sides[1]][:most]
    if len(shared) < 2:
        raise DataError(
            f"{len(shared)} documents are aligned with the text",
            place=str(parallel),
            expected="the same ids in both files, up to the language's own code",
        )
    return [(sides[0][key], sides[1][key]) for key in shared]


def _measure(path: Path, material: Material) -> Facts:
    tokenizer = load_tokenizer(path)
    model = load_model(path, "float32").eval()
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end_of_text_id(tokenizer)
    limit = min(getattr(model.config.get_text_config(), "max_position_embeddings", None) or MOST_TOKENS, MOST_TOKENS)
    asked = _Candidate(model, tokenizer, int(start), limit)
    found = asked.reading(material.texts)
    words_per_dollar = found["fertility"] * material.usd_per_million_tokens
    found |= {"parameters": int(model.num_parameters()), "vocabulary": len(tokenizer)}
    found |= {
        "usd_per_million_words": round(words_per_dollar, 6),
        "in_context_saving": asked.context(material.probe_items),
    }
    return found | {"layers": asked.alignment(material.pairs) if material.pairs else []}


@dataclass(frozen=True, slots=True)
class _Candidate:
    model: Any
    tokenizer: Any
    start: int
    limit: int

    def reading(self, texts: Sequence[str]) -> Facts:
        """Return tokens per word and bits per byte on windows of fixed bytes, documents resampled whole."""
        requests, owners, tokens = [], [], 0
        for number, text in enumerate(texts):
            encoded = encode(self.tokenizer, text)
            starts = token_starts(encoded.offsets, text)
            tokens += len(encoded.ids)
            for piece in plan_pieces(starts, window_spans(text.encode(), WINDOW_BYTES), self.limit - 1):
                shown = np.concatenate([[self.start], encoded.ids[piece.context : piece.end]]).astype(np.int64)
                requests.append(Request(shown, piece.first - piece.context + 1))
                owners.append(number)
        bits = [float(part.sum()) for part in token_bits(self.model, requests, batch=BATCH)]
        sizes = np.array([len(text.encode()) for text in texts], dtype=np.float64)
        sums = sum_by(np.array(owners, dtype=np.int64), np.array(bits), len(texts))
        found = interval(np.column_stack([sums, sizes]), first_over_second, draws=DRAWS, seed=0)
        words = sum(map(count_words, texts))
        return {
            "fertility": round(tokens / max(1, words), 4),
            "tokens_per_byte": round(tokens / float(sizes.sum()), 4),
            "bits_per_byte": as_facts(found),
            "bits_per_character": round(float(sums.sum()) / sum(map(len, texts)), 6),
        }

    def context(self, items: int) -> Facts:
        """Return the share of bits that demonstrations of made-up words save."""
        requests = []
        for item in probe_items(items, 0):
            for shown in (item.context, ""):
                text = shown + item.lead + item.answer
                encoded = encode(self.tokenizer, text)
                first = int(np.searchsorted(token_starts(encoded.offsets, text), len((shown + item.lead).encode())))
                requests.append(Request(np.concatenate([[self.start], encoded.ids]).astype(np.int64), first + 1))
        bits = [float(part.sum()) for part in token_bits(self.model, requests, batch=BATCH)]
        return as_facts(interval(np.array(bits).reshape(-1, 2), saving, draws=DRAWS, seed=0))

    def alignment(self, pairs: Sequence[tuple[str, str]]) -> list[Facts]:
        """Return MEXA and mean similarity of every layer, with intervals over the texts."""
        sides = [
            sentence_vectors(self.model, [self._ids(p[side]) for p in pairs], BATCH, position_weighted)
            for side in (0, 1)
        ]
        matrices = [similarities(first, second) for first, second in zip(*sides, strict=True)]
        asked = (nearest_both_ways, np.diagonal, spoiled_alone)
        right, near, spoiled = (np.column_stack([of(m) for m in matrices]).astype(np.float64) for of in asked)
        return layers(right, near, spoiled, draws=DRAWS, seed=0)

    def _ids(self, text: str) -> Any:
        return np.concatenate([[self.start], encode(self.tokenizer, text).ids])[: self.limit].astype(np.int64)


def advise(found: Mapping[str, Facts], documents: int) -> list[str]:
    """Return sentences that follow from the figures, each with its limit.

    Args:
        found: Figures of every model.
        documents: Documents measured.
    """
    said = []
    best = min(found, key=lambda name: found[name]["bits_per_byte"]["value"])
    for name, facts in found.items():
        said += _about(name, facts)
    if len(found) > 1:
        said += [_best_reader(found, best), *_cheapest(found)]
    if documents < FEW_DOCUMENTS:
        said.append(f"Only {documents} documents: intervals are wide; give at least {FEW_DOCUMENTS}.")
    return said


def _best_reader(found: Mapping[str, Facts], best: str) -> str:
    """Say which model reads the text best, and which cannot be told from it."""
    bits = {name: facts["bits_per_byte"] for name, facts in found.items()}
    if bits[best]["value"] >= KNOW_NOTHING_BITS:
        return "No candidate knows this script: bits per byte do not choose between them."
    rivals = [name for name in found if name != best and _overlap(bits[name], bits[best])]
    tied = f"; {', '.join(rivals)} cannot be told from it on this text" if rivals else ""
    return f"{best} reads the text best as it is{tied}. That favours it as a base and proves nothing yet."


def _cheapest(found: Mapping[str, Facts]) -> list[str]:
    """Say which model needs the fewest tokens, where it is at least a twentieth fewer than the next."""
    first, second = sorted(found, key=lambda name: float(found[name]["fertility"]))[:2]
    needed = [float(found[name]["fertility"]) for name in (first, second)]
    return [f"{first} needs the fewest tokens per word ({needed[0]:.2f})."] if needed[0] <= 0.95 * needed[1] else []


def _about(name: str, facts: Facts) -> list[str]:
    bits, said = facts["bits_per_byte"]["value"], []
    if facts["fertility"] > MANY_TOKENS_PER_WORD:
        said.append(
            f"{name} needs {facts['fertility']:.1f} tokens per word: new tokens would make it cheaper and faster."
        )
    if bits >= KNOW_NOTHING_BITS:
        said.append(f"{name} does not know this script: {bits:.1f} bits per byte, worse than knowing nothing (8).")
    elif bits < WELL_KNOWN_BITS:
        said.append(f"{name} already reads this text ({bits:.2f} bits per byte): fine-tuning alone may be enough.")
    if not (facts["in_context_saving"]["low"] or 0) > 0:
        said.append(f"{name} makes no use of examples in its context: that cannot be lost, nor built upon.")
    return said


def _overlap(one: Facts, other: Facts) -> bool:
    ends = [-np.inf if f["low"] is None else f["low"] for f in (one, other)]
    tops = [np.inf if f["high"] is None else f["high"] for f in (one, other)]
    return bool(max(ends) <= min(tops))


def render(result: Facts) -> str:
    """Return a diagnosis as lines of text for a terminal."""
    size, names = result["text"], list(result["models"])
    wide = max(len(name) for name in [*names, "model"])
    head = f"{'model':{wide}}  tokens/word  bits/byte (95 %)         bits/char  by context  best layer  $/million words"
    lines = [f"{size['documents']:,} documents, {size['words']:,} words, {size['bytes']:,} bytes", head]
    for name, facts in result["models"].items():
        bits, nearest = facts["bits_per_byte"], [layer["mexa"]["value"] for layer in facts["layers"]]
        ends = ", ".join("unknown" if bits[end] is None else f"{bits[end]:.3f}" for end in ("low", "high"))
        shown = f"{nearest.index(max(nearest))}: {max(nearest):.0%}" if nearest else "–"
        lines.append(
            f"{name:{wide}}  {facts['fertility']:>11.2f}  {bits['value']:.3f} [{ends}]".ljust(wide + 39)
            + f"  {facts['bits_per_character']:>9.3f}  {facts['in_context_saving']['value']:>10.0%}  {shown:>10}"
            + f"  {facts['usd_per_million_words']:>15.2f}"
        )
    notes = [f"- {line}" for line in result["advice"]]
    return "\n".join([*lines, *notes, "What this does not say:", *(f"- {line}" for line in result["limits"])])
