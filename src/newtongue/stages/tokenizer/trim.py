"""Drop the tokens no text of the recipe needs; every other token keeps its row, under an exact id map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from newtongue.adapters.hf.tokenizer_editing import renumber
from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, is_byte_fallback
from newtongue.methods.trimming import compact_ids, merged_on_the_way, tokens_to_keep
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.plan import Expansion, Ground


def plan_trim(config: TokenizerConfig, tokenizers: list[FastTokenizer], ground: Ground) -> Expansion:
    """Choose the tokens that stay: those of protected text, single characters, specials, and those in use.

    Args:
        config: Settings of the stage.
        tokenizers: The tokenizer as its file says and, where that differs, as transformers loads it.
        ground: Training text, protected text, size of the model.
    """
    assert config.trim is not None
    old = tokenizers[0]
    protected = {old.names[i] for tokenizer in tokenizers for i in _used(tokenizer, ground)}
    uses: Counter[str] = Counter()
    for block in batches(ground.texts):
        for encoding in old.backend.encode_batch_fast(block, add_special_tokens=False):
            uses.update(old.names[i] for i in encoding.ids)
    always = {t for t in old.ids if t in old.added or len(t) == 1 or is_byte_fallback(t)} | protected | _unknown(old)
    kept = tokens_to_keep(uses, always, needs_of(old), config.trim.min_count, config.trim.tokens)
    id_map = compact_ids((old.ids[token] for token in kept), ground.model.rows)
    return Expansion(
        tokenizer=renumber(old, id_map),
        unprotected=None,
        first_id=len(kept),
        tokens=[],
        pieces=[],
        dropped={"not needed by any text": len(old.ids) - len(kept)},
        id_map=id_map,
    )


def needs_of(tokenizer: FastTokenizer) -> Callable[[str], set[str]]:
    """Return a function that says which tokens a token is made of; for Unigram, none."""
    pairs = tokenizer.content["model"].get("merges", ())
    ranks = {tuple(p.split(" ") if isinstance(p, str) else p): rank for rank, p in enumerate(pairs)}
    return lambda token: merged_on_the_way(token, ranks) if ranks and token not in tokenizer.added else set()  # type: ignore[arg-type]


def _unknown(tokenizer: FastTokenizer) -> set[str]:
    """Return the token for unknown characters."""
    model = tokenizer.content["model"]
    named = model.get("unk_token") if tokenizer.kind == "BPE" else tokenizer.names.get(model.get("unk_id"))
    return {named} if named in tokenizer.ids else set()


def _used(tokenizer: FastTokenizer, ground: Ground) -> set[int]:
    used: set[int] = set()
    for protected in ground.sets:
        for block in batches(protected.texts()):
            for encoding in tokenizer.backend.encode_batch_fast(block):
                used.update(encoding.ids)
    return used
