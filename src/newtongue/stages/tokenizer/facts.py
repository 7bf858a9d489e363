"""What `expansion.json`, the manifest and the card say of a changed vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.tokenizer_editing import unreachable
from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, token_text
from newtongue.adapters.tables import read_documents
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Document
from newtongue.methods.continued_bpe import covered_by_alphabet
from newtongue.methods.tokenizer_metrics import parity, updates
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.initialise import describe
from newtongue.stages.tokenizer.measure import fit, use_counts
from newtongue.stages.tokenizer.plan import Expansion
from newtongue.stages.tokenizer.protect import Protection


@dataclass(frozen=True)
class Change:
    """What was changed.

    Attributes:
        plan: The choice of tokens.
        old: The tokenizer before.
        new: The tokenizer after, read back from disk.
    """

    plan: Expansion
    old: FastTokenizer
    new: FastTokenizer


def vocabulary_facts(config: TokenizerConfig, context: Context, change: Change, guarded: Protection) -> dict[str, Any]:
    """Return what was done and what it does to text of the target language."""
    plan = change.plan
    facts: dict[str, Any] = {
        "mode": "trim" if config.trim else "replace" if config.replace else "extend",
        "first_new_id": plan.first_id,
        "new_tokens": len(plan.tokens),
        "wanted_tokens": plan.wanted if plan.wanted is not None else len(plan.tokens),
        "size": plan.size,
        "guarantee": config.guarantee,
        "dropped": plan.dropped,
        "unreachable": unreachable(change.new, plan.tokens),
        "alphabet_rule": _alphabet_rule(plan, guarded),
    }
    if plan.id_map is not None:
        facts["kept_tokens"] = int((plan.id_map >= 0).sum())
    return facts | {"fertility": _fertility(config, context, change), "parity": _parity(config, context, change)}


def use_facts(config: TokenizerConfig, change: Change, texts: Sequence[str]) -> tuple[Counter[int], dict[str, Any]]:
    """Return how often each id stands in the training text, and what that means for the new ones."""
    uses = use_counts(change.new, texts)
    mine = [uses[change.plan.first_id + k] for k in range(len(change.plan.tokens))]
    met = updates(mine, config.size.passes, config.size.min_updates)
    return uses, {"unused_in_training": sum(count == 0 for count in mine), "expected_updates": dict(met)}


def _measured_side(config: TokenizerConfig, context: Context) -> str:
    corpus = context[config.corpus]
    return "heldout" if corpus.sealed and next(read_documents(corpus, "heldout"), None) is not None else "train"


def _fertility(config: TokenizerConfig, context: Context, change: Change) -> dict[str, Any]:
    side = _measured_side(config, context)

    def texts() -> Iterator[str]:
        return (document.text for document in read_documents(context[config.corpus], side))

    facts: dict[str, Any] = {"measured_on": side, "before": fit(change.old, texts()), "after": fit(change.new, texts())}
    if change.plan.unprotected is not None:
        facts["without_protection"] = fit(change.plan.unprotected, texts())
    return facts


def _parity(config: TokenizerConfig, context: Context, change: Change) -> dict[str, Any]:
    """Compare documents with their translations in the protected corpora: those that share a group."""
    side = _measured_side(config, context)
    own = {d.group: d.text for d in read_documents(context[config.corpus], side) if d.group}
    found = {}
    for number, ref in enumerate(config.protect, 1):
        pairs = [(own[d.group], d.text) for d in read_documents(context[ref]) if d.group in own]
        if pairs:
            targets, references = zip(*pairs, strict=True)
            found[f"protect.{number}"] = {"pairs": len(pairs)} | {
                when: round(parity(_tokens(tokenizer, targets), _tokens(tokenizer, references)), 6)
                for when, tokenizer in (("before", change.old), ("after", change.new))
            }
    return found


def _tokens(tokenizer: FastTokenizer, texts: Sequence[str]) -> int:
    encoded = (tokenizer.backend.encode_batch_fast(block, add_special_tokens=False) for block in batches(texts))
    return sum(len(encoding.ids) for block in encoded for encoding in block)


def _alphabet_rule(plan: Expansion, guarded: Protection) -> dict[str, Any]:
    """Count the new tokens that hold a byte no protected text holds: those are safe on any such text."""
    texts = [token_text(plan.tokenizer, token) for token in plan.tokens]
    return {"tokens": len(texts), "covered": sum(covered_by_alphabet(text, guarded.alphabet) for text in texts)}


def outcome(facts: dict[str, Any], train: list[Document], checkpoint: Checkpoint) -> Outcome:
    """Return what the manifest and the card say."""
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
    paragraphs = [f"{_done(facts)}; tokens per word went {fell}.", _proved(facts, documents)]
    if added:
        paragraphs.append(describe(facts["init"], facts["initialisation"]))
    if facts["size"]:
        paragraphs.append(f"The number of tokens was chosen from a curve: {facts['size']['reason']}.")
    if facts["new_tokens"] < facts["wanted_tokens"]:
        paragraphs.append(
            f"{facts['wanted_tokens']:,} tokens were asked for; the text holds no more pairs that occur often enough "
            "and that the rules allow."
        )
    return paragraphs


def _done(facts: Mapping[str, Any]) -> str:
    added, gone = facts["new_tokens"], sum(facts["dropped"].values())
    if facts["mode"] == "trim":
        return f"{gone:,} tokens no text needed were dropped, {facts['kept_tokens']:,} stay under new ids (id_map.npy)"
    if facts["mode"] == "replace":
        kept = facts["kept_tokens"]
        return f"The vocabulary was replaced: {kept:,} tokens kept their rows, {added:,} are new (id_map.npy)"
    return f"{added:,} tokens were added behind the old ones"


def _proved(facts: Mapping[str, Any], documents: int) -> str:
    changed = sum(found["changed"] for found in facts["protected"].values())
    if facts["mode"] == "replace":
        before, after = (sum(f[key] for f in facts["protected"].values()) for key in ("tokens", "tokens_after"))
        return f"{changed:,} of {documents:,} protected texts are split anew: {after:,} tokens instead of {before:,}."
    ids = "a token id beyond the id map" if facts["mode"] == "trim" else "a token id"
    return f"0 of {documents:,} protected texts change {ids}; special tokens and chat template are as they were."
