"""Change the vocabulary of a tokenizer and nothing else: add tokens behind it, drop tokens, number them anew.

`tokenizer.json` is edited as data: only the vocabulary, its merges and the ids that name tokens change, so normaliser,
pre-tokenizer, decoder and flags (`ignore_merges`, `byte_fallback`, `fuse_unk`) stay as they were. Added tokens are
first written into the vocabulary at their own ids; otherwise the library renumbers them silently on load when the
vocabulary grows past them (huggingface/tokenizers 1366, 1409; huggingface/transformers 48446).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.model_files import copy_companions
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.core.errors import DataError

Pieces = tuple[int, ...]
Merge = tuple[Pieces, Pieces]
IdMap = NDArray[np.int64]


def extend(tokenizer: FastTokenizer, symbols: Sequence[str], merges: Sequence[Merge], first_id: int) -> FastTokenizer:
    """Return a BPE tokenizer with new characters and then new merges appended, everything else as it was.

    Args:
        tokenizer: The old tokenizer.
        symbols: Characters to add as tokens (character vocabularies only).
        merges: (left, right) of each merge to append, as ids that spell the parts: old ids and ids
            the symbols get.
        first_id: Id of the first new token; ids rise by one.
    """
    content = copy.deepcopy(dict(tokenizer.content))
    model = content["model"]
    names = {**tokenizer.names, **{first_id + k: symbol for k, symbol in enumerate(symbols)}}
    spelt = ["".join(names[i] for i in left) + "\0" + "".join(names[i] for i in right) for left, right in merges]
    pairs = [pair.split("\0") for pair in dict.fromkeys(spelt)]
    vocab = {**model["vocab"], **_missing(tokenizer)}
    new = dict.fromkeys([*symbols, *("".join(pair) for pair in pairs)])
    vocab |= {token: number for number, token in enumerate(new, first_id)}
    as_strings = bool(model["merges"]) and isinstance(model["merges"][0], str)
    model["merges"] = model["merges"] + [" ".join(pair) if as_strings else pair for pair in pairs]
    model["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    return FastTokenizer(content, tokenizer.place)


def extend_unigram(tokenizer: FastTokenizer, pieces: Mapping[str, float], first_id: int) -> FastTokenizer:
    """Return a Unigram tokenizer with new pieces appended, everything else as it was.

    An id is a place in a list here, so tokens that stood behind the list are written into it first, with the lowest
    score it has: a lower one would change how unknown letters are judged.

    Args:
        tokenizer: The old tokenizer.
        pieces: New piece -> its score (log probability), in order of id.
        first_id: Id of the first new piece.
    """
    content = copy.deepcopy(dict(tokenizer.content))
    vocab = content["model"]["vocab"]
    lowest = min(score for _token, score in vocab)
    behind = sorted(_missing(tokenizer).items(), key=lambda item: item[1])
    vocab += [[token, lowest] for token, _number in behind]
    if len(vocab) != first_id:
        raise DataError(
            f"the tokenizer uses {len(vocab):,} ids in a row, and new ones would begin at {first_id:,}",
            place=tokenizer.place,
            fix="a Unigram vocabulary cannot have holes; use the tokenizer the model was trained with",
        )
    vocab += [[token, max(score, lowest)] for token, score in pieces.items()]
    return FastTokenizer(content, tokenizer.place)


def _missing(tokenizer: FastTokenizer) -> dict[str, int]:
    """Return the added tokens that the model's own vocabulary lacks."""
    vocab = tokenizer.content["model"]["vocab"]
    known = vocab if isinstance(vocab, dict) else {token for token, _score in vocab}
    return {token: number for token, number in tokenizer.added.items() if token not in known}


def renumber(tokenizer: FastTokenizer, id_map: IdMap) -> FastTokenizer:
    """Return a tokenizer with some tokens dropped and the others under new ids.

    A merge stays when both parts and the product stay.

    Args:
        tokenizer: The old tokenizer.
        id_map: New id of each old one, -1 where the token goes. New ids have no holes.
    """
    content = copy.deepcopy(dict(tokenizer.content))
    model = content["model"]
    kept = {token: int(id_map[i]) for token, i in tokenizer.ids.items() if id_map[i] >= 0}
    order = sorted(kept.items(), key=lambda item: item[1])
    if isinstance(model["vocab"], dict):
        model["vocab"] = dict(order)
        model["merges"] = [pair for pair in model["merges"] if _stays(pair, kept)]
    else:
        scores = dict(tuple(item) for item in model["vocab"])
        lowest = min(scores.values())
        model["vocab"] = [[token, scores.get(token, lowest)] for token, _number in order]
        if model.get("unk_id") is not None:
            model["unk_id"] = int(id_map[model["unk_id"]])
    content["added_tokens"] = sorted(
        ({**token, "id": kept[token["content"]]} for token in content.get("added_tokens", ())), key=lambda t: t["id"]
    )
    content["post_processor"] = _renumber_template(content.get("post_processor"), kept)
    return FastTokenizer(content, tokenizer.place)


def _stays(pair: str | Sequence[str], kept: Mapping[str, int]) -> bool:
    left, right = pair.split(" ") if isinstance(pair, str) else pair
    return left in kept and right in kept and left + right in kept


def _renumber_template(part: Any, kept: Mapping[str, int]) -> Any:
    """Return a post-processor with the ids of the special tokens it puts in."""
    if isinstance(part, list):
        return [_renumber_template(item, kept) for item in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("tokens"), list) and isinstance(part.get("ids"), list):
        return {**part, "ids": [kept[token] for token in part["tokens"]]}
    return {
        key: [value[0], kept[value[0]]] if key in ("sep", "cls") else _renumber_template(value, kept)
        for key, value in part.items()
    }


def save_tokenizer(tokenizer: FastTokenizer, source: Path, target: Path, id_map: IdMap | None = None) -> None:
    """Write the tokenizer and copy what travels with it (chat template, generation config) unchanged.

    Args:
        tokenizer: What to write as `tokenizer.json`.
        source: Model directory the small files come from.
        target: Model directory to write to.
        id_map: New id of each old one where tokens were renumbered; files that name ids follow.
    """
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(tokenizer.content, ensure_ascii=False, indent=2)
    (target / "tokenizer.json").write_text(text, "utf-8")
    copy_companions(source, target)
    if id_map is not None:
        _renumber_files(target, id_map)


def _renumber_files(folder: Path, id_map: IdMap) -> None:
    settings, added = folder / "tokenizer_config.json", folder / "added_tokens.json"
    if settings.is_file():
        found = json.loads(settings.read_text("utf-8"))
        if isinstance(listed := found.get("added_tokens_decoder"), dict):
            found["added_tokens_decoder"] = {str(int(id_map[int(i)])): token for i, token in listed.items()}
        settings.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if added.is_file():
        found = {token: int(id_map[i]) for token, i in json.loads(added.read_text("utf-8")).items()}
        added.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")


def unreachable(tokenizer: FastTokenizer, tokens: Iterable[str]) -> list[str]:
    """Return the tokens that the model never makes from their own text, `ignore_merges` switched off."""
    model = tokenizer.plain_backend.model
    return [token for token in tokens if [piece.value for piece in model.tokenize(token)] != [token]]
