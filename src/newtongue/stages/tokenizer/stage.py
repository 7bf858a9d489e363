"""Teach the tokenizer the language: new tokens behind the old ones, rows from old ones, no protected id moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.auto_tokenizer import load_auto_tokenizer
from newtongue.adapters.hf.checkpoint import Checkpoint, open_checkpoint, rewrite, write_config
from newtongue.adapters.hf.embeddings import RowPlan, grow_checkpoint, grown_rows, rows_digest
from newtongue.adapters.hf.token_ids import renumber_file
from newtongue.adapters.hf.tokenizer_editing import save_tokenizer
from newtongue.adapters.hf.tokenizers import FastTokenizer, load_tokenizer, refuse_holes
from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError
from newtongue.core.rows import Document
from newtongue.methods.vocabulary_size import ModelSize
from newtongue.stages.tokenizer.auxiliary import Vocabulary
from newtongue.stages.tokenizer.checks import as_loaded, check_reloaded, first_free_id, running
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.facts import Change, outcome, use_facts, vocabulary_facts
from newtongue.stages.tokenizer.initialise import Initialised, Material, initialise, measured
from newtongue.stages.tokenizer.plan import Expansion, Ground, plan_expansion
from newtongue.stages.tokenizer.protect import kept_texts, protected_sets, protection, prove, refuse_changes
from newtongue.stages.tokenizer.record import write_initialisers
from newtongue.stages.tokenizer.replace import plan_replacement
from newtongue.stages.tokenizer.trim import plan_trim


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

    context.progress(1, 5, "steps", note="choosing tokens")
    texts = [document.text for document in train]
    loaded = as_loaded(old, auto)
    guarded = protection(loaded, sets)
    size = ModelSize(checkpoint.parameters, checkpoint.rows, checkpoint.hidden, checkpoint.tied)
    plan = _plan(config, context, loaded, Ground(texts, sets, guarded, size, first_id))
    context.progress(2, 5, "steps", note="writing rows")
    vocabulary = Vocabulary(
        old, plan.tokenizer, plan.first_id, plan.tokens, plan.pieces, checkpoint.rows, texts, plan.id_map
    )
    rows, padding = _rows(config, checkpoint, plan)
    material = Material(vocabulary, checkpoint, context, config.initialisation, config.seed, padding)
    made = initialise(material, kept_texts(sets))
    _write_model(source, context.payload, (checkpoint, plan, rows), made, old)
    context.progress(3, 5, "steps", note="checking protected text")
    change = Change(plan, old, load_tokenizer(context.payload))
    reloaded = load_auto_tokenizer(context.payload)
    proof = prove(sets, *running(old, auto, change.new, reloaded), plan.id_map)
    if config.replace is None:
        refuse_changes(proof)
    check_reloaded(auto, reloaded, plan.id_map)
    context.progress(4, 5, "steps", note="measuring fertility")
    facts = vocabulary_facts(config, context, change, guarded)
    facts |= {"rows": rows.rows, "rows_before": checkpoint.rows, "tied": checkpoint.tied, "protected": proof}
    uses, met = use_facts(config, change, texts)
    facts |= met | {"init": made.name}
    if plan.id_map is None:
        facts["kept_rows"] = {t.name: rows_digest(t, first_id) for t in checkpoint.vocabulary_tensors()}
    facts["initialisation"] = made.facts | measured(material, kept_texts(sets), context.payload)
    write_initialisers(context.payload, made, (old, change.new), plan.first_id, uses)
    _write_json(context.payload / "expansion.json", facts)
    context.journal("expanded", new_tokens=len(plan.tokens), rows=rows.rows)
    return outcome(facts, train, checkpoint)


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


def _plan(config: TokenizerConfig, context: Context, tokenizers: list[FastTokenizer], ground: Ground) -> Expansion:
    if config.trim is not None:
        return plan_trim(config, tokenizers, ground)
    if config.replace is not None:
        donor = config.replace.donor
        return plan_replacement(config, tokenizers[0], ground, context[donor].path if donor else None)
    return plan_expansion(config, tokenizers[0], ground)


def _rows(config: TokenizerConfig, checkpoint: Checkpoint, plan: Expansion) -> tuple[RowPlan, int]:
    """Return which rows the matrices get, and how many of them are padding."""
    end = plan.first_id + len(plan.tokens)
    old = 0 if plan.id_map is not None else checkpoint.rows
    rows = grown_rows(old, end - 1, config.pad_rows_to)
    return RowPlan(rows, np.arange(plan.first_id, end), plan.id_map), max(0, rows - max(old, end))


def _write_model(
    source: Artefact, target: Path, what: tuple[Checkpoint, Expansion, RowPlan], made: Initialised, old: FastTokenizer
) -> None:
    checkpoint, plan, rows = what
    changed = bool(plan.tokens) or plan.id_map is not None
    makers = (made.input, made.head)
    changes = grow_checkpoint(checkpoint, makers, rows, lambda i: f"{i} {old.names.get(i, '')!r}")
    rewrite(checkpoint, changes if changed else {}, target, link=source.sealed)
    write_config(checkpoint, target, rows.rows, plan.id_map)
    save_tokenizer(plan.tokenizer, source.path, target, plan.id_map)
    if plan.id_map is not None:
        renumber_file(target / "generation_config.json", plan.id_map)
        np.save(target / "id_map.npy", plan.id_map)


def _write_json(file: Path, facts: dict[str, Any]) -> None:
    file.write_text(json.dumps(facts, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
