"""Teach the tokenizer the language: continued byte-level BPE, new rows from old ones, no protected id moved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer
from newtongue.adapters.hf.checkpoint import Checkpoint, open_checkpoint, rewrite, write_config
from newtongue.adapters.hf.embeddings import RowPlan, grow_checkpoint, grown_rows, rows_digest
from newtongue.adapters.hf.tokenizer_editing import save_tokenizer, unreachable
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer, refuse_holes, token_text
from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError
from newtongue.core.rows import Document
from newtongue.methods.continued_bpe import covered_by_alphabet
from newtongue.methods.vocabulary_size import ModelSize
from newtongue.stages.tokenizer.auxiliary import Vocabulary
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.initialise import Initialised, describe, initialise, measured
from newtongue.stages.tokenizer.initialisers import Material
from newtongue.stages.tokenizer.measure import measure, use_counts
from newtongue.stages.tokenizer.plan import Expansion, Ground, plan_expansion
from newtongue.stages.tokenizer.protect import Protection, kept_texts, protected_sets, protection, prove
from newtongue.stages.tokenizer.record import write_initialisers

MAX_SPARE_ROWS = 1024


def expand_vocabulary(config: TokenizerConfig, context: Context) -> Outcome:
    """Add tokens of the corpus to the model's tokenizer and rows for them to its matrices.

    Raises:
        DataError: The model directory, its tokenizer or the corpus cannot be used; the message says why.
    """
    source = context[config.model]
    old, checkpoint = load_tokenizer(source.path), open_checkpoint(source.path)
    first_id = first_free_id(old, checkpoint)
    refuse_holes(old)
    auto = load_auto_tokenizer(source.path)
    sets = protected_sets(config, context, auto)
    train = _training_text(config, context)

    context.progress(1, 5, "steps", note="learning tokens")
    texts = [document.text for document in train]
    guarded = protection(as_loaded(old, auto), sets)
    size = ModelSize(checkpoint.parameters, checkpoint.rows, checkpoint.hidden, checkpoint.tied)
    plan = plan_expansion(config, old, Ground(texts, sets, guarded, size, first_id))
    context.progress(2, 5, "steps", note="writing rows")
    vocabulary = Vocabulary(old, plan.tokenizer, first_id, plan.tokens, plan.pieces, checkpoint.rows, texts)
    rows = grown_rows(checkpoint.rows, first_id + len(plan.tokens) - 1, config.pad_rows_to)
    padding = max(0, rows - max(checkpoint.rows, first_id + len(plan.tokens)))
    material = Material(vocabulary, checkpoint, context, config.initialisation, config.seed, padding)
    made = initialise(material, kept_texts(sets))
    _write_model(context[config.model], context.payload, (checkpoint, plan), made, rows)
    context.progress(3, 5, "steps", note="checking protected text")
    result = load_tokenizer(context.payload)
    reloaded = load_auto_tokenizer(context.payload)
    proof = prove(sets, *_running(old, auto, result, reloaded))
    _check_chat(auto, reloaded)
    context.progress(4, 5, "steps", note="measuring fertility")
    facts = _facts(config, context, plan, old, result)
    facts |= {"rows": rows, "rows_before": checkpoint.rows, "tied": checkpoint.tied, "protected": proof}
    facts["alphabet_rule"] = _alphabet_rule(plan, guarded)
    uses = use_counts(result, texts)
    facts["unused_in_training"] = sum(uses[first_id + k] == 0 for k in range(len(plan.tokens)))
    facts["init"] = made.name
    facts["kept_rows"] = {t.name: rows_digest(t, first_id) for t in checkpoint.vocabulary_tensors()}
    facts["initialisation"] = made.facts | measured(material, kept_texts(sets), context.payload)
    write_initialisers(context.payload, made, result, first_id, uses)
    _write_json(context.payload / "expansion.json", facts)
    context.journal("expanded", new_tokens=len(plan.tokens), rows=rows)
    return _outcome(facts, train, checkpoint)


def first_free_id(tokenizer: FastTokenizer, checkpoint: Checkpoint) -> int:
    """Return the id of the first new token: behind every id the tokenizer or the configs name.

    Spare rows behind the last token (Qwen, Gemma and Phi ship some) are used first, so ids stay without holes.

    Raises:
        DataError: The tokenizer's size and the number of embedding rows do not belong together.
    """
    named = [value for key, value in checkpoint.text_config.items() if key.endswith("_token_id") and value is not None]
    flat = [i for value in named for i in (value if isinstance(value, list) else [value]) if isinstance(i, int)]
    free = max([tokenizer.last_id, *(i for i in flat if i < checkpoint.rows)]) + 1
    spare = checkpoint.rows - free
    if spare < 0 or spare > max(MAX_SPARE_ROWS, checkpoint.rows // 20):
        raise DataError(
            f"the tokenizer uses ids up to {free - 1:,}, the embedding matrix has {checkpoint.rows:,} rows",
            place=str(checkpoint.folder),
            expected=f"an id below {checkpoint.rows:,}, and at most {MAX_SPARE_ROWS:,} spare rows",
            fix="use the tokenizer the model was trained with",
        )
    return free


def _training_text(config: TokenizerConfig, context: Context) -> list[Document]:
    documents, size = [], 0
    for document in read_documents(context[config.corpus], "train"):
        size += len(document.text.encode())
        if documents and size > config.max_bytes:
            break
        documents.append(document)
    if not documents:
        raise DataError(
            "the corpus has no training text", place=str(config.corpus), fix="lower its heldout_fraction, or add text"
        )
    return documents


def _write_model(
    source: Artefact, target: Path, what: tuple[Checkpoint, Expansion], made: Initialised, rows: int
) -> None:
    (checkpoint, plan), names = what, what[1].tokenizer.names
    row_plan = RowPlan(rows, np.arange(plan.first_id, plan.first_id + len(plan.tokens)))
    makers = (made.input, made.head)
    changes = grow_checkpoint(checkpoint, makers, row_plan, lambda i: f"{i} {names.get(i, '')!r}")
    rewrite(checkpoint, changes if plan.tokens else {}, target, link=source.sealed)
    write_config(checkpoint, target, rows)
    save_tokenizer(plan.tokenizer, source.path, target)


def _running(old: FastTokenizer, auto: Any, new: FastTokenizer, reloaded: Any) -> tuple[list[Any], list[Any]]:
    """Return running tokenizers before and after: as the file says, and as transformers loads it where that differs."""
    before, after = as_loaded(old, auto), as_loaded(new, reloaded)
    if len(before) != len(after):
        before, after = [old, _loaded(auto)], [new, _loaded(reloaded)]
    return [each.backend for each in before], [each.backend for each in after]


def as_loaded(tokenizer: FastTokenizer, auto: Any) -> list[FastTokenizer]:
    """Return the tokenizer as its file says and, where that differs, as transformers loads it."""
    same = auto.backend_tokenizer.to_str() == tokenizer.backend.to_str()
    return [tokenizer] if same else [tokenizer, _loaded(auto)]


def _loaded(auto: Any) -> FastTokenizer:
    return FastTokenizer(json.loads(auto.backend_tokenizer.to_str()), type(auto).__name__)


def _check_chat(before: Any, after: Any) -> None:
    """Refuse a result whose special tokens or chat template differ after loading it again."""
    for name in ("special_tokens_map", "all_special_ids", "added_tokens_encoder", "chat_template"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            raise DataError(
                f"{name} changed from {old} to {new} when the tokenizer was loaded again",
                fix='set "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json of the model to expand',
            )


def _facts(
    config: TokenizerConfig, context: Context, plan: Expansion, old: FastTokenizer, new: FastTokenizer
) -> dict[str, Any]:
    corpus = context[config.corpus]
    side = "heldout" if corpus.sealed and next(read_documents(corpus, "heldout"), None) is not None else "train"

    def texts() -> Iterator[str]:
        return (document.text for document in read_documents(corpus, side))

    facts: dict[str, Any] = {
        "first_new_id": plan.first_id,
        "new_tokens": len(plan.tokens),
        "wanted_tokens": plan.size["new_tokens"] if plan.size else config.new_tokens,
        "size": plan.size,
        "guarantee": config.guarantee,
        "dropped": plan.dropped,
        "unreachable": unreachable(new, plan.tokens),
        "fertility": {
            "measured_on": side,
            "before": measure(old, texts()).facts(),
            "after": measure(new, texts()).facts(),
        },
    }
    if plan.unprotected is not None:
        facts["fertility"]["without_protection"] = measure(plan.unprotected, texts()).facts()
    return facts


def _alphabet_rule(plan: Expansion, guarded: Protection) -> dict[str, Any]:
    """Count the new tokens that hold a byte no protected text holds: those are safe on any such text."""
    texts = [token_text(plan.tokenizer, token) for token in plan.tokens]
    return {"tokens": len(texts), "covered": sum(covered_by_alphabet(text, guarded.alphabet) for text in texts)}


def _write_json(file: Path, facts: dict[str, Any]) -> None:
    file.write_text(json.dumps(facts, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def _outcome(facts: dict[str, Any], train: list[Document], checkpoint: Checkpoint) -> Outcome:
    before, after = facts["fertility"]["before"], facts["fertility"]["after"]
    documents = sum(item["documents"] for item in facts["protected"].values())
    licences = Counter(document.license for document in train)
    added = facts["new_tokens"]
    return Outcome(
        counts={
            "new_tokens": added,
            "rows": facts["rows"],
            "hidden": checkpoint.hidden,
            "parameters": checkpoint.parameters
            + (facts["rows"] - facts["rows_before"]) * checkpoint.hidden * (1 if checkpoint.tied else 2),
            "protected_documents": documents,
            "changed_documents": sum(item["changed"] for item in facts["protected"].values()),
        },
        metrics={
            "fertility_before_tokens_per_word": before["tokens_per_word"],
            "fertility_after_tokens_per_word": after["tokens_per_word"],
        },
        licences=dict(sorted(licences.items())),
        languages=sorted({document.language for document in train if document.language}),
        card=_card(facts, documents),
    )


def _card(facts: dict[str, Any], documents: int) -> list[str]:
    before, after = facts["fertility"]["before"], facts["fertility"]["after"]
    added, fell = facts["new_tokens"], f"from {before['tokens_per_word']:.2f} to {after['tokens_per_word']:.2f}"
    paragraphs = [
        f"{added:,} tokens were added by continued byte-pair encoding; tokens per word went {fell}.",
        f"0 of {documents:,} protected texts change a token id; special tokens and chat template are as they were.",
        describe(facts["init"], facts["initialisation"]),
    ]
    if facts["size"]:
        paragraphs.append(f"The number of tokens was chosen from a curve: {facts['size']['reason']}.")
    if facts["new_tokens"] < facts["wanted_tokens"]:
        paragraphs.append(
            f"{facts['wanted_tokens']:,} tokens were asked for; the text holds no more pairs that occur often enough "
            "and that the rules allow."
        )
    return paragraphs
