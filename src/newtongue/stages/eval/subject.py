"""The model under test, with everything a measurement asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.harness.lm_eval_backend import LmEvalBackend
from newtongue.adapters.harness.requests import Backend, Generate, Refused
from newtongue.adapters.hf import chat
from newtongue.adapters.hf.adapter import lay_over
from newtongue.adapters.hf.models import end_of_text_id, generate, load_model, load_tokenizer, pick_device
from newtongue.adapters.hf.scoring import Encoded, Floats, Ints, Request, encode, token_bits
from newtongue.adapters.training.threads import use_threads
from newtongue.core.errors import DataError, ProviderError
from newtongue.core.rows import Message
from newtongue.methods.bits_per_byte import Piece, cut_pieces
from newtongue.methods.prefix_tree import ROW_TOKENS
from newtongue.stages.eval.backend import ModelBackend, rendered
from newtongue.stages.eval.config import EvalConfig

GENERATION_BATCHES = 4
"""Prompts answered together, in units of the scoring batch: one token per step needs little memory."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model.

    Attributes:
        model: The network in evaluation mode.
        tokenizer: Its tokenizer.
        start: Id that leads every sequence of plain text.
        max_tokens: Longest sequence, tokens.
        batch: Sequences per forward pass.
        template: Where the prompt format comes from: `kept` from the model, or the documented one it was given.
        backend: The same model for the requests of tasks.
    """

    model: Any
    tokenizer: Any
    start: int
    max_tokens: int
    batch: int
    template: str
    backend: Backend

    @classmethod
    def load(cls, path: Path, config: EvalConfig, adapter: Path | None = None) -> Subject:
        """Load model and tokenizer; the length limit is the smaller of the model's and the config's."""
        use_threads(config.threads)
        tokenizer = load_tokenizer(path)
        template = chat.choose_template(tokenizer)
        device = pick_device(config.device)
        model = load_model(path, config.dtype, device)
        model = (lay_over(model, adapter) if adapter else model).eval()
        limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or config.max_length
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end_of_text_id(tokenizer)
        longest = min(limit, config.max_length)
        backend: Backend
        if config.engine == "lm_eval":
            asked = {"dtype": config.dtype, "max_length": longest, "batch": config.batch, "device": device.type}
            backend = LmEvalBackend.load(str(path), **asked)
        else:
            work = {"forward_tokens": config.batch * ROW_TOKENS, "processes": config.processes}
            source = {"folder": str(path), "adapter": str(adapter or "")}
            backend = ModelBackend(model, tokenizer, longest, join=config.join, **source, **work)
        return cls(model, tokenizer, int(start), longest, config.batch, template, backend)

    def encode(self, text: str) -> Encoded:
        """Tokenise a document or an answer; markers inside it are text like any other."""
        return encode(self.tokenizer, text)

    def text_request(self, ids: Ints, piece: Piece) -> Request:
        """Return the tokens of one piece of a document, led by the start token."""
        shown = np.concatenate([[self.start], ids[piece.context : piece.end]]).astype(np.int64)
        return Request(shown, piece.first - piece.context + 1)

    def bits(self, requests: Sequence[Request], progress: Callable[[int], None] = lambda tokens: None) -> list[Floats]:
        """Return the bits of every scored token of every request; requests longer than the limit go in pieces."""
        plan = [cut_pieces(0, r.first, len(r.ids), self.max_tokens) for r in requests]
        parts = [
            Request(r.ids[p.context : p.end], p.first - p.context)
            for r, pieces in zip(requests, plan, strict=True)
            for p in pieces
        ]
        found = iter(token_bits(self.model, parts, batch=self.batch, progress=progress))
        return [np.concatenate([next(found) for _ in pieces] or [np.zeros(0)]) for pieces in plan]

    def prompt_ids(self, messages: Sequence[Message], room: int) -> list[int]:
        """Return the turns before an answer in tokens, as the model meets them; the last `room` of them."""
        return chat.prompt_ids(self.tokenizer, messages)[-max(1, room) :]

    def answer(self, prompts: Sequence[Sequence[Message]], max_new_tokens: int) -> list[tuple[str, int, bool]]:
        """Answer greedily: per prompt the text, its tokens, and whether it ended with a stop token."""
        stops = chat.stop_ids(self.tokenizer)
        ids = [self.prompt_ids(messages, self.max_tokens - max_new_tokens) for messages in prompts]
        size = GENERATION_BATCHES * self.batch
        found = generate(self.model, ids, max_new_tokens=max_new_tokens, stop_ids=stops, batch_size=size)
        return [self._read(tokens, set(stops)) for tokens in found]

    def _read(self, tokens: list[int], stops: set[int]) -> tuple[str, int, bool]:
        stopped = bool(tokens) and tokens[-1] in stops
        kept = tokens[:-1] if stopped else tokens
        return self.tokenizer.decode(kept, skip_special_tokens=True), len(kept), stopped

    def facts(self) -> dict[str, Any]:
        """Return what identifies the model in a report: sizes, and hashes of tokenizer and prompt format."""
        example = self.tokenizer.decode(self.prompt_ids([Message(role="user", content="x")], self.max_tokens))
        return {
            "parameters": int(self.model.num_parameters()),
            "embedding_rows": int(self.model.get_input_embeddings().weight.shape[0]),
            "vocabulary": len(self.tokenizer),
            "tokenizer_sha256": tokenizer_sha256(self.tokenizer),
            "start_token": self.tokenizer.convert_ids_to_tokens(self.start),
            "chat_template": self.template,
            "prompt_example": example,
            "prompt_sha256": sha256(example.encode()).hexdigest(),
        }


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return a hash of everything a fast tokenizer does."""
    whole = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str()), sort_keys=True, ensure_ascii=False)
    return sha256(whole.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RemoteSubject:
    """A model behind an endpoint: it can be asked tasks, and of itself it shows nothing else.

    Attributes:
        backend: What asks it.
        tokenizer: Its tokenizer with the chat template, where the recipe gives one.
    """

    backend: Backend
    tokenizer: Any = None

    @classmethod
    def load(cls, backend: Backend, folder: Path | None) -> RemoteSubject:
        """Load the tokenizer, if there is one; its own chat template stands, or a documented one that fits."""
        if folder is None:
            return cls(backend)
        tokenizer = load_tokenizer(folder)
        chat.choose_template(tokenizer)
        return cls(backend, tokenizer)

    def rendered(self, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
        """Return a conversation as the text the server is sent, without the start token it puts there by itself."""
        text = rendered(self.tokenizer, messages, open_answer=open_answer)
        first = self.tokenizer.bos_token
        own = first is not None and self.tokenizer("x")["input_ids"][:1] == [self.tokenizer.bos_token_id]
        return text.removeprefix(first) if own else text

    def answer(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int
    ) -> list[tuple[str, int, bool] | Refused]:
        """Answer the last message of every prompt: per prompt the text, its tokens, and whether it ended by itself.

        Raises:
            ProviderError: The endpoint refuses all of them.
        """
        asked = [Generate(messages[-1]["content"], (), max_new_tokens) for messages in prompts]
        found = self.backend.generate(asked, lambda _done: None)
        refused = [one.reason for one in found if isinstance(one, Refused)]
        if refused and len(refused) == len(found):
            raise ProviderError(f"every prompt is refused ({refused[0]})", place="endpoint")
        return [one if isinstance(one, Refused) else (one.text, one.tokens, one.stopped) for one in found]

    def encode(self, text: str) -> Encoded:
        """Refuse: an endpoint shows no token ids.

        Raises:
            DataError: Always.
        """
        raise DataError(
            "the in-context probe needs the model's own tokens, which an endpoint does not show",
            place="endpoint",
            fix="measure the model's directory with `model`, or leave the probe out",
        )

    def facts(self) -> dict[str, Any]:
        """Return what identifies the model in a report, with the hash of its tokenizer where one was given."""
        if self.tokenizer is None:
            return self.backend.facts()
        template = {"chat_template": "the given tokenizer's, for log-probabilities"}
        return {**self.backend.facts(), "tokenizer_sha256": tokenizer_sha256(self.tokenizer), **template}
