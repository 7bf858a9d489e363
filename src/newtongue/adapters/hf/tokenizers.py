"""Fast tokenizers on disk: read, segment with the model's own rules, append merges, write back with every id kept.

`tokenizer.json` is edited as data: only `model.vocab` and `model.merges` change, so normaliser, pre-tokenizer,
post-processor, decoder and flags (`ignore_merges`, `byte_fallback`, `fuse_unk`) stay as they were. Added tokens
are first written into the vocabulary at their own ids; otherwise the library renumbers them silently on load
when the vocabulary grows past them (huggingface/tokenizers 1366, 1409; huggingface/transformers 48446).
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from newtongue.adapters.hf.model_files import STALE, copy_companions
from newtongue.core.errors import DataError

Pieces = tuple[int, ...]
Merge = tuple[Pieces, Pieces]
SPACE_MARK = "▁"
BATCH_TEXTS = 64


@dataclass(frozen=True)
class FastTokenizer:
    """A `tokenizer.json` as data and as a running tokenizer.

    Attributes:
        content: The parsed file.
        place: Where it stands, for messages.
    """

    content: Mapping[str, Any]
    place: str

    @cached_property
    def backend(self) -> Tokenizer:
        """The running tokenizer, without truncation, padding or dropout."""
        content = {**self.content, "truncation": None, "padding": None}
        content["model"] = {**self.content["model"], "dropout": None}
        return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))

    @cached_property
    def plain_backend(self) -> Tokenizer:
        """The same with `ignore_merges` off, which shows whether a token can be reached by merges."""
        content = {**self.content, "truncation": None, "padding": None}
        content["model"] = {**self.content["model"], "dropout": None, "ignore_merges": False}
        return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))

    @cached_property
    def ids(self) -> dict[str, int]:
        """Every token, ordinary or added, and its id."""
        vocab = self.content["model"].get("vocab", {})
        listed = {item[0]: number for number, item in enumerate(vocab)} if isinstance(vocab, list) else vocab
        return {**listed, **self.added}

    @cached_property
    def names(self) -> dict[int, str]:
        """Every id and its token as written in the file."""
        return {number: token for token, number in self.ids.items()}

    @cached_property
    def added(self) -> dict[str, int]:
        """Added tokens (special ones among them) and their ids."""
        return {token["content"]: token["id"] for token in self.content.get("added_tokens", ())}

    @property
    def last_id(self) -> int:
        """Highest id in use."""
        return max(self.ids.values(), default=-1)

    @cached_property
    def byte_level(self) -> bool:
        """Whether tokens are written in the byte alphabet of GPT-2 (else in characters)."""
        return "ByteLevel" in _types(self.content.get("pre_tokenizer")) | _types(self.content.get("decoder"))


def load_tokenizer(folder: Path) -> FastTokenizer:
    """Read the tokenizer of a model directory whose vocabulary is to be continued.

    Raises:
        DataError: There is none, it is slow-only, or it is not byte-pair encoding that can be continued.
    """
    tokenizer = read_tokenizer(folder)
    _check_model(tokenizer.content["model"], folder / "tokenizer.json")
    return tokenizer


def read_tokenizer(folder: Path) -> FastTokenizer:
    """Read the tokenizer of a model directory, of whatever kind.

    Raises:
        DataError: There is none, it is slow-only, or the file is damaged.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise _missing(folder)
    try:
        content = json.loads(file.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not valid JSON ({error})", place=str(file), fix="download the model again") from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise DataError("the file describes no tokenizer model", place=str(file), fix="download the model again")
    return FastTokenizer(content, str(file))


def _missing(folder: Path) -> DataError:
    present = [name for name in STALE if (folder / name).is_file()]
    if not present:
        return DataError(
            "the model directory has no tokenizer",
            place=str(folder),
            expected="tokenizer.json",
            fix="copy the tokenizer files of the model it was made from into this folder",
        )
    return DataError(
        f"the model directory has only a slow tokenizer ({', '.join(present)})",
        place=str(folder),
        expected="tokenizer.json",
        fix="AutoTokenizer.from_pretrained(folder).save_pretrained(folder) with transformers writes one",
    )


def _check_model(model: Mapping[str, Any], file: Path) -> None:
    kind = model.get("type") or ("BPE" if "merges" in model else "unknown")
    if kind != "BPE":
        raise DataError(
            f"the tokenizer is a {kind} model, which cannot be continued yet",
            place=str(file),
            expected="a BPE model (byte-level or with byte fallback)",
            fix="set new_tokens to 0, remove the tokenizer stage, or start from a model with a BPE tokenizer",
        )
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise DataError(
                f"the tokenizer marks sub-words with {key} {model[key]!r}, which continued BPE does not support",
                place=str(file),
                fix="remove the tokenizer stage or start from another model",
            )


def _types(part: Any) -> set[str]:
    """Return the names of all components inside a normaliser, pre-tokenizer or decoder."""
    if isinstance(part, list):
        return set().union(*(_types(item) for item in part))
    if not isinstance(part, dict):
        return set()
    inner = set().union(*(_types(value) for value in part.values() if isinstance(value, dict | list)))
    return inner | ({part["type"]} if isinstance(part.get("type"), str) else set())


def batches(texts: Iterable[str], size: int = BATCH_TEXTS) -> Iterator[list[str]]:
    """Yield lists of at most `size` texts."""
    iterator = iter(texts)
    while block := list(islice(iterator, size)):
        yield block


def segmentations(tokenizer: FastTokenizer, texts: Iterable[str]) -> Iterator[Pieces]:
    """Yield the ids of every pre-token of every text, in order, special tokens of the post-processor left out.

    Where a tokenizer has no pre-tokens (SentencePiece style), tokens that open a word open a group.
    """
    marked = frozenset(i for token, i in tokenizer.ids.items() if token.startswith(SPACE_MARK))
    opens = frozenset() if tokenizer.byte_level else marked
    for block in batches(texts):
        for encoding in tokenizer.backend.encode_batch(block, add_special_tokens=False):
            yield from _groups(encoding.ids, encoding.word_ids, opens)


def _groups(ids: Sequence[int], words: Sequence[int | None], opens: frozenset[int]) -> Iterator[Pieces]:
    start = 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or words[at] != words[at - 1] or (ids[at] in opens):
            yield tuple(ids[start:at])
            start = at


def segment_counts(tokenizer: FastTokenizer, texts: Iterable[str]) -> Counter[Pieces]:
    """Count the distinct pre-tokens of some texts by their old segmentation."""
    return Counter(segmentations(tokenizer, texts))


def token_text(tokenizer: FastTokenizer, token: str) -> bytes:
    """Return the bytes an ordinary token stands for (a byte-level token may be part of a character)."""
    if tokenizer.byte_level:
        return bytes(BYTE_OF[character] for character in token if character in BYTE_OF)
    if is_byte_fallback(token):
        return bytes([int(token[3:5], 16)])
    return token.replace(SPACE_MARK, " ").encode()


def is_byte_fallback(token: str) -> bool:
    """Return whether a token of a character vocabulary stands for one raw byte (`<0xD8>`)."""
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")


def spelling(tokenizer: FastTokenizer, pieces: Pieces) -> str:
    """Return the token that some pieces spell, as `tokenizer.json` writes it."""
    return "".join(tokenizer.names[i] for i in pieces)


def count_chars(text: bytes) -> int:
    """Return the number of characters that begin in some bytes, at least 1."""
    return max(1, sum(1 for byte in text if byte & 0xC0 != 0x80))


def extend(tokenizer: FastTokenizer, symbols: Sequence[str], merges: Sequence[Merge], first_id: int) -> FastTokenizer:
    """Return the tokenizer with new characters and then new merges appended, everything else as it was.

    Args:
        tokenizer: The old tokenizer.
        symbols: Characters to add as tokens (character vocabularies only).
        merges: (left, right) of each merge to append, as ids that spell the parts: old ids and ids
            the symbols get.
        first_id: Id of the first new token; ids rise by one.
    """
    content = copy.deepcopy(dict(tokenizer.content))
    model = content["model"]
    vocab = {**model["vocab"]}
    for token, number in tokenizer.added.items():
        vocab.setdefault(token, number)
    names = {**tokenizer.names, **{first_id + k: symbol for k, symbol in enumerate(symbols)}}
    spelt = {merge: tuple("".join(names[i] for i in part) for part in merge) for merge in merges}
    for number, token in enumerate([*symbols, *("".join(pair) for pair in spelt.values())], first_id):
        vocab[token] = number
    as_strings = bool(model["merges"]) and isinstance(model["merges"][0], str)
    model["merges"] = model["merges"] + [" ".join(pair) if as_strings else list(pair) for pair in spelt.values()]
    model["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    return FastTokenizer(content, tokenizer.place)


def save_tokenizer(tokenizer: FastTokenizer, source: Path, target: Path) -> None:
    """Write the tokenizer and copy what travels with it (chat template, generation config) unchanged."""
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(tokenizer.content, ensure_ascii=False, indent=2)
    (target / "tokenizer.json").write_text(text, "utf-8")
    copy_companions(source, target)


def unreachable(tokenizer: FastTokenizer, tokens: Iterable[str]) -> list[str]:
    """Return the tokens that the merges alone never make from their own text."""
    model = tokenizer.plain_backend.model
    return [token for token in tokens if [piece.value for piece in model.tokenize(token)] != [token]]


def _byte_alphabet() -> dict[str, int]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + k): b for k, b in enumerate(rest)}}


BYTE_OF = _byte_alphabet()
"""Byte behind each character of the byte-level alphabet (Radford et al. 2019, `bytes_to_unicode`)."""
