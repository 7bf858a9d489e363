"""Fast tokenizers on disk: read, check that their vocabulary can be changed, and what their tokens stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from newtongue.adapters.hf.model_files import STALE
from newtongue.core.errors import DataError

Pieces = tuple[int, ...]
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
    def kind(self) -> str:
        """Kind of model: `BPE`, `Unigram`, `WordPiece` …, or `unknown`."""
        model = self.content["model"]
        return str(model.get("type") or ("BPE" if "merges" in model else "unknown"))

    @property
    def last_id(self) -> int:
        """Highest id in use."""
        return max(self.ids.values(), default=-1)

    @cached_property
    def byte_level(self) -> bool:
        """Whether tokens are written in the byte alphabet of GPT-2 (else in characters)."""
        return "ByteLevel" in _types(self.content.get("pre_tokenizer")) | _types(self.content.get("decoder"))


def load_tokenizer(folder: Path) -> FastTokenizer:
    """Read the tokenizer of a model directory whose vocabulary is to be changed.

    Raises:
        DataError: There is none, it is slow-only, or it is of a kind whose vocabulary cannot be changed.
    """
    tokenizer = read_tokenizer(folder)
    _check_model(tokenizer, folder / "tokenizer.json")
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


def _check_model(tokenizer: FastTokenizer, file: Path) -> None:
    if tokenizer.kind not in ("BPE", "Unigram"):
        raise DataError(
            f"the tokenizer is a {tokenizer.kind} model, whose vocabulary cannot be changed",
            place=str(file),
            expected="a BPE model (byte-level or with byte fallback) or a Unigram model",
            fix="remove the tokenizer stage, or start from a model with such a tokenizer",
        )
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if tokenizer.content["model"].get(key):
            raise DataError(
                f"the tokenizer marks sub-words with {key} {tokenizer.content['model'][key]!r}, "
                "which continued BPE does not support",
                place=str(file),
                fix="remove the tokenizer stage or start from another model",
            )


def refuse_holes(tokenizer: FastTokenizer) -> None:
    """Refuse a vocabulary in which an id has no token, or more than one.

    Raises:
        DataError: Naming the first such id. Libraries number further tokens by the size of the vocabulary, so after
            a hole they would land on ids that are taken.
    """
    used = sorted(tokenizer.ids.values())
    problem = next((at for at, number in enumerate(used) if at != number), None)
    if problem is not None:
        twice = problem and used[problem] == used[problem - 1]
        what = f"id {used[problem]:,} has two tokens" if twice else f"id {problem:,} has no token"
        raise DataError(
            f"the vocabulary of {len(used):,} tokens has holes: {what}",
            place=tokenizer.place,
            expected="one token for every id from 0 on",
            fix="give the unused ids names in tokenizer.json (<unused0>, <unused1> …)",
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


def _byte_alphabet() -> dict[str, int]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + k): b for k, b in enumerate(rest)}}


BYTE_OF = _byte_alphabet()
"""Byte behind each character of the byte-level alphabet (Radford et al. 2019, `bytes_to_unicode`)."""
