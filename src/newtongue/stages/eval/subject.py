"""The model under test, with everything a measurement asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from newtongue.adapters.hf import chat
from newtongue.adapters.hf.models import end_of_text_id, generate, load_model, load_tokenizer, pick_device
from newtongue.adapters.hf.scoring import Encoded, Floats, Ints, Request, encode, limit_threads, token_bits
from newtongue.methods.bits_per_byte import Piece
from newtongue.stages.eval.config import EvalConfig


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model.

    Attributes:
        model: The network in evaluation mode.
        tokenizer: Its tokenizer.
        start: Id that leads every sequence of plain text.
        max_tokens: Longest sequence, tokens.
        batch: Sequences per forward pass.
    """

    model: Any
    tokenizer: Any
    start: int
    max_tokens: int
    batch: int

    @classmethod
    def load(cls, path: Path, config: EvalConfig) -> Subject:
        """Load model and tokenizer; the length limit is the smaller of the model's and the config's."""
        limit_threads(config.threads)
        tokenizer = load_tokenizer(path)
        model = load_model(path, config.dtype, pick_device(config.device)).eval()
        limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or config.max_length
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end_of_text_id(tokenizer)
        return cls(model, tokenizer, int(start), min(limit, config.max_length), config.batch)

    def encode_text(self, text: str) -> Encoded:
        """Tokenise a document; markers inside it are text like any other."""
        return encode(self.tokenizer, text)

    def encode_chat(self, text: str) -> Encoded:
        """Tokenise a rendered conversation; markers are special tokens."""
        return encode(self.tokenizer, text, specials=True)

    def text_request(self, ids: Ints, piece: Piece) -> Request:
        """Return the tokens of one piece of a document, led by the start token."""
        shown = np.concatenate([[self.start], ids[piece.context : piece.end]]).astype(np.int64)
        return Request(shown, piece.first - piece.context + 1)

    def bits(self, requests: Sequence[Request], progress: Callable[[int], None] = lambda tokens: None) -> list[Floats]:
        """Return the bits of every scored token of every request."""
        return token_bits(self.model, requests, batch=self.batch, progress=progress)

    def prompt(self, messages: Sequence[Any]) -> str:
        """Return turns rendered by the model's chat template (chatml where it has none), ready for an answer."""
        return chat.render_text(self.tokenizer, messages, add_generation_prompt=True)

    def answer(self, prompts: Sequence[str], max_new_tokens: int) -> list[tuple[str, int, bool]]:
        """Answer greedily: per prompt the text, its tokens, and whether it ended with a stop token."""
        stops = chat.stop_ids(self.tokenizer)
        room = max(1, self.max_tokens - max_new_tokens)
        ids = [self.encode_chat(prompt).ids[-room:].tolist() for prompt in prompts]
        found = generate(
            self.model, ids, max_new_tokens=max_new_tokens, stop_ids=sorted(stops), batch_size=4 * self.batch
        )
        return [self._read(tokens, set(stops)) for tokens in found]

    def _read(self, tokens: list[int], stops: set[int]) -> tuple[str, int, bool]:
        stopped = bool(tokens) and tokens[-1] in stops
        kept = tokens[:-1] if stopped else tokens
        return self.tokenizer.decode(kept, skip_special_tokens=True), len(kept), stopped

    def facts(self) -> dict[str, Any]:
        """Return what identifies the model in a report: sizes, and hashes of tokenizer and prompt format."""
        backend = json.dumps(json.loads(self.tokenizer.backend_tokenizer.to_str()), sort_keys=True, ensure_ascii=False)
        example = self.prompt([{"role": "user", "content": "x"}])
        return {
            "parameters": int(self.model.num_parameters()),
            "embedding_rows": int(self.model.get_input_embeddings().weight.shape[0]),
            "vocabulary": len(self.tokenizer),
            "tokenizer_sha256": sha256(backend.encode()).hexdigest(),
            "start_token": self.tokenizer.convert_ids_to_tokens(self.start),
            "chat_template": "own" if self.tokenizer.chat_template else "chatml (the model has none)",
            "prompt_example": example,
            "prompt_sha256": sha256(example.encode()).hexdigest(),
        }
