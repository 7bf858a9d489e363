"""The texts whose token ids must not change, and the proof that none did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from newtongue.adapters.hf.auto_tokenizer import render
from newtongue.adapters.hf.segmentation import segmentations
from newtongue.adapters.hf.tokenizers import FastTokenizer, batches
from newtongue.adapters.tables import read_documents
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods.continued_bpe import Pair, adjacent_pairs
from newtongue.stages.tokenizer.config import TokenizerConfig

SHIPPED = ("english", "code", "mathematics")


@dataclass(frozen=True, slots=True)
class ProtectedSet:
    """Some texts under a name.

    Attributes:
        name: Name in `expansion.json`: a shipped set, or `protect.N` for the N-th entry of the recipe's list.
        language: Tag of the first text, when it has one.
        texts: Yields the texts, again at every call.
    """

    name: str
    language: str
    texts: Callable[[], Iterator[str]]


def protected_sets(config: TokenizerConfig, context: Context, chat_tokenizer: Any) -> list[ProtectedSet]:
    """Return the shipped sets, conversations under the model's own chat template, and the recipe's corpora."""
    chat = [render(chat_tokenizer, row["messages"]) for row in _conversations()]
    tags = {"english": "eng_Latn"}
    sets = [ProtectedSet(name, tags.get(name, ""), lambda name=name: iter(_paragraphs(name))) for name in SHIPPED]
    sets.append(ProtectedSet("chat", "", lambda: iter(chat)))
    for number, ref in enumerate(config.protect, 1):
        artefact = context[ref]
        first = next(read_documents(artefact), None)
        if first is None:
            raise DataError("the corpus to protect is empty", place=str(ref))
        texts = lambda artefact=artefact: (document.text for document in read_documents(artefact))  # noqa: E731
        sets.append(ProtectedSet(f"protect.{number}", first.language, texts))
    _refuse_unprotected(config, sets)
    return sets


def _refuse_unprotected(config: TokenizerConfig, sets: list[ProtectedSet]) -> None:
    shown = {each.language for each in sets}
    missing = [tag for tag in config.languages.keep if tag not in shown]
    if missing:
        raise DataError(
            f"{', '.join(missing)} is to be kept, and no text of it is protected",
            place="tokenizer.protect",
            expected="a corpus in every kept language beside the shipped English",
            fix=f"add a corpus of {missing[0]} to protect",
        )


def kept_texts(sets: list[ProtectedSet]) -> Iterator[str]:
    """Yield running text of the kept languages: the recipe's corpora, or the shipped English where it names none."""
    own = [each for each in sets if each.name.startswith("protect.")]
    for chosen in own or [each for each in sets if each.name == SHIPPED[0]]:
        yield from chosen.texts()


def _shipped(name: str) -> str:
    return files("newtongue").joinpath(f"assets/protected/{name}").read_text("utf-8")


def _paragraphs(name: str) -> list[str]:
    """Return the whole file and each of its paragraphs: token boundaries differ at the start of a text."""
    text = _shipped(f"{name}.txt")
    return [text, *(part for part in text.split("\n\n") if part.strip())]


def _conversations() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in _shipped("chat.jsonl").splitlines()]


@dataclass(frozen=True, slots=True)
class Protection:
    """What has to be known of the protected texts to leave them alone.

    Attributes:
        pairs: Old ids that are neighbours somewhere in them.
        alphabet: UTF-8 bytes they hold.
    """

    pairs: frozenset[Pair]
    alphabet: frozenset[int]


def protection(tokenizers: Sequence[FastTokenizer], sets: Iterable[ProtectedSet]) -> Protection:
    """Read the protected texts once.

    Args:
        tokenizers: The tokenizer as its file says, and as transformers loads it: some classes cut words differently.
        sets: The protected texts.
    """
    pairs: set[Pair] = set()
    alphabet: set[int] = set()
    for protected in sets:
        for block in batches(protected.texts()):
            for tokenizer in tokenizers:
                pairs |= adjacent_pairs(set(segmentations(tokenizer, block)))
            alphabet.update(*(text.encode() for text in block))
    return Protection(frozenset(pairs), frozenset(alphabet))


def prove(
    sets: Iterable[ProtectedSet], before: list[Any], after: list[Any], id_map: NDArray[np.int64] | None = None
) -> dict[str, dict[str, Any]]:
    """Encode every protected text before and after and count those whose ids differ.

    Args:
        sets: The protected sets.
        before: Running tokenizers of the source (as the file says, as transformers loads it).
        after: The same of the result, loaded from disk, in the same order.
        id_map: New id of each old one, where tokens were numbered anew.
    """
    proof = {}
    for protected in sets:
        facts = {"documents": 0, "changed": 0, "tokens": 0, "tokens_after": 0, "language": protected.language}
        for block in batches(protected.texts()):
            changed = [False] * len(block)
            for old, new in zip(before, after, strict=True):
                ids = [_renumbered(encoding.ids, id_map) for encoding in old.encode_batch_fast(block)]
                now = [encoding.ids for encoding in new.encode_batch_fast(block)]
                changed = [was or a != b for was, a, b in zip(changed, ids, now, strict=True)]
            facts["changed"] += sum(changed)
            facts["documents"] += len(block)
            facts["tokens"] += sum(map(len, ids))
            facts["tokens_after"] += sum(map(len, now))
        proof[protected.name] = facts
    return proof


def refuse_changes(proof: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a result that changes protected text.

    Raises:
        DataError: A text changed. The rule excludes it, so the tokenizer breaks an assumption of the rule.
    """
    for name, facts in proof.items():
        if facts["changed"]:
            raise DataError(
                f"{facts['changed']} of {facts['documents']} protected texts ({name}) change their token ids",
                fix="this tokenizer cannot be expanded safely; please report its normaliser and pre-tokenizer",
            )


def _renumbered(ids: Sequence[int], id_map: NDArray[np.int64] | None) -> list[int]:
    return list(ids) if id_map is None else [int(id_map[i]) for i in ids]
