"""Aligned text: translations in every direction of several languages, and nearness of sentence vectors by layer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.states import sentence_vectors
from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables import read_documents
from newtongue.adapters.translation_metrics import check_installed, comet_scores, corpus_scores, sentence_chrf
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.core.rows import Message
from newtongue.methods.alignment import nearest_both_ways, position_weighted, similarities, spoiled_alone
from newtongue.methods.fidelity import is_empty, is_looping
from newtongue.methods.line_fidelity import in_language
from newtongue.methods.splitting import neutral_id
from newtongue.methods.words import count_words
from newtongue.stages.eval.answers import language_of
from newtongue.stages.eval.config import Alignment, EvalConfig, Translation
from newtongue.stages.eval.subject import Subject

Row = dict[str, Any]
Aligned = dict[str, list[str]]
"""Language tag -> sentences; the same place in every list is the same sentence."""


def plan_parallel(config: EvalConfig, context: Context) -> dict[str, tuple[Row, Any]]:
    """Return set name -> (facts, how to measure it) of all aligned text, read and checked now.

    Raises:
        DataError: Text is not aligned.
        MissingExtra: Translations are to be scored and sacrebleu is not installed.
    """
    plan: dict[str, tuple[Row, Any]] = {}
    for name, pair in config.alignment.items():
        facts = {"language": next(iter(pair.corpora)), "role": pair.role}
        plan[name] = facts, partial(score_alignment, name, pair, read_aligned(context, pair.corpora, pair.sentences))
    for name, grid in config.translation.items():
        check_installed()
        given = read_aligned(context, grid.corpora, grid.sentences), grid.comet and context[grid.comet].path
        plan[name] = (
            {"language": next(iter(grid.corpora)), "role": "target"},
            partial(translate_grid, name, grid, given),
        )
    return plan


def read_aligned(context: Context, corpora: Mapping[str, Any], most: int) -> tuple[list[str], Aligned]:
    """Return ids and texts of the held-out documents that every language has, in the order of the first.

    Raises:
        DataError: Fewer than two are shared.
    """
    found = {tag: _by_id(context[ref]) for tag, ref in corpora.items()}
    first, *others = found.values()
    shared = [key for key in first if all(key in other for other in others)][:most]
    if len(shared) < 2:
        names = ", ".join(f"{tag} {len(texts)}" for tag, texts in found.items())
        raise DataError(
            f"{len(shared)} held-out documents are aligned ({names})",
            place=", ".join(str(ref) for ref in corpora.values()),
            expected="the same ids in every language, up to the language's own code",
        )
    return shared, {tag: [texts[key] for key in shared] for tag, texts in found.items()}


def _by_id(artefact: Artefact) -> dict[str, str]:
    return {neutral_id(d.id, d.language): d.text for d in read_documents(artefact, "heldout") if d.text.strip()}


def score_alignment(
    name: str, config: Alignment, aligned: tuple[list[str], Aligned], subject: Subject, progress: Any
) -> tuple[list[Row], Row]:
    """Return one row per sentence pair and layer (is the pair nearest both ways), and the languages."""
    ids, texts = aligned
    pair = [
        sentence_vectors(subject.model, _ids(texts[tag], subject), subject.batch, position_weighted)
        for tag in config.corpora
    ]
    rows: list[Row] = []
    for layer, (first, second) in enumerate(zip(*pair, strict=True)):
        matrix = similarities(first, second)
        own, nearest, spoiled = np.diagonal(matrix), nearest_both_ways(matrix), spoiled_alone(matrix)
        for place, key in enumerate(ids):
            rows.append(
                {
                    **{"set": name, "kind": "alignment", "item": f"{key}@{layer}", "group": key, "task": str(layer)},
                    **{"correct": bool(nearest[place]), "score": round(float(own[place]), 6)},
                    "spoils": int(spoiled[place]),
                }
            )
    progress(0)
    return rows, {"languages": list(config.corpora)}


def _ids(texts: list[str], subject: Subject) -> list[Any]:
    start = np.asarray([subject.start])
    return [np.concatenate([start, subject.encode(text).ids])[: subject.max_tokens].astype(np.int64) for text in texts]


def translate_grid(
    name: str,
    config: Translation,
    given: tuple[tuple[list[str], Aligned], Path | None],
    subject: Subject,
    progress: Any,
) -> tuple[list[Row], Row]:
    """Return one row per sentence and direction, and the figures of every direction.

    Args:
        name: Name of the set.
        config: Its settings.
        given: Aligned text, and the checkpoint of COMET or None.
        subject: The model.
        progress: Told the tokens written.
    """
    (ids, texts), checkpoint = given
    asked = [(s, t, n) for s, t in permutations(texts, 2) for n in range(len(ids))]
    prompts = [[_request(config, texts[source][n], target)] for source, target, n in asked]
    answers = subject.answer(prompts, config.max_new_tokens)
    rows: list[Row] = []
    for (source, target, n), prompt, (text, tokens, stopped) in zip(asked, prompts, answers, strict=True):
        size = {"bytes": len(text.encode()), "tokens": tokens, "words": count_words(text), "stopped": stopped}
        seen = {"prompt": prompt[0]["content"], "reference": texts[target][n], "output": text, "language": target}
        place = {"item": f"{ids[n]}@{source}-{target}", "group": ids[n], "task": f"{source}-{target}"}
        found = {"looped": is_looping(text), "empty": is_empty(text), "off_target": is_off_target(text, target)}
        near = {"chrf": sentence_chrf(text, texts[target][n])}
        rows.append({"set": name, "kind": "translation", **place, **seen, **size, **found, **near})
    progress(sum(row["tokens"] for row in rows))
    sources = {f"{ids[n]}@{source}-{target}": texts[source][n] for source, target, n in asked}
    return rows, {"directions": directions(rows, sources, checkpoint), "languages": list(texts)}


def _request(config: Translation, text: str, target: str) -> Message:
    filled = config.instruction.replace("{language}", load_card(target).name).replace("{text}", text)
    return Message(role="user", content=filled)


def is_off_target(text: str, target: str) -> bool:
    """Return whether a translation is not in the language asked for; an empty one is not."""
    return is_empty(text) or not in_language(text, language_of(target, ()), identify)


def directions(rows: list[Row], sources: Mapping[str, str], checkpoint: Path | None) -> dict[str, Any]:
    """Return per direction chrF++ and BLEU with signatures, the off-target fraction, and COMET where asked for.

    Args:
        rows: Rows of `translate_grid`.
        sources: Item -> source sentence.
        checkpoint: Path of a COMET checkpoint, or None.
    """
    found: dict[str, Any] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        part = [row for row in rows if row["task"] == task]
        outputs, references = [row["output"] for row in part], [row["reference"] for row in part]
        scores = corpus_scores(outputs, references, spaces=load_card(task.split("-")[-1]).spaces)
        scores |= {"n": len(part), "off_target_fraction": round(float(np.mean([r["off_target"] for r in part])), 6)}
        if checkpoint is not None:
            comet = comet_scores(checkpoint, [sources[row["item"]] for row in part], outputs, references)
            scores["comet"] = round(float(np.mean(comet)), 6)
        found[task] = scores
    return found
