"""A loaded model directory that answers the requests of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.harness.requests import Continuations, Generate, Generated, Likelihood, Progress, Rolling
from newtongue.adapters.hf import generation, tree_scoring
from newtongue.adapters.hf.models import end_of_text_id
from newtongue.adapters.hf.parallel import score_apart
from newtongue.methods.bits_per_byte import cut_pieces
from newtongue.methods.joining import answer_start, common_start, moved_spaces
from newtongue.methods.prefix_tree import plan_tree, share_trunks

ENCODED_TOGETHER = 512
"""Texts given to the tokenizer in one call."""


Piece = tuple[NDArray[np.int64], int]


@dataclass(frozen=True, slots=True)
class Joined:
    """Tokens of a prompt and an answer: all ids, the first scored one, and what happened at the join."""

    ids: list[int]
    first: int
    spanning: bool


@dataclass(slots=True)
class ModelBackend:
    """A model with its tokenizer.

    Attributes:
        model: A causal language model in evaluation mode.
        tokenizer: Its tokenizer.
        max_tokens: Longest sequence shown to the model.
        forward_tokens: Tokens per forward pass.
        processes: Processes that share the work, this one included; 1 works alone.
        folder: Where the model was loaded from, for the other processes.
        adapter: Where the adapter laid over it was loaded from, "" for none.
        join: `safe` begins with a token that spans prompt and answer; `lm_eval` cuts where the prompt alone would end.
    """

    model: Any
    tokenizer: Any
    max_tokens: int
    forward_tokens: int = tree_scoring.FORWARD_TOKENS
    processes: int = 1
    folder: str = ""
    adapter: str = ""
    join: str = "safe"
    _scorer: Any = field(default=None, repr=False)
    _lead: int | None = field(default=None, repr=False)

    @property
    def lead(self) -> int:
        """The token that stands before a text with nothing before it."""
        if self._lead is None:
            start = self.tokenizer.bos_token_id
            self._lead = int(start) if start is not None else end_of_text_id(self.tokenizer)
        return self._lead

    def likelihoods(self, asked: Sequence[Continuations], progress: Progress) -> list[list[Likelihood]]:
        """Return per question one likelihood per pair; shared prefixes are computed once for all questions."""
        joined = self._joined(asked)
        found = iter(self._score([one for group in joined for one in group], progress))
        return [[next(found) for _ in group] for group in joined]

    def rolling(self, asked: Sequence[Rolling], progress: Progress) -> list[Likelihood]:
        """Return the likelihood of every text, in disjoint windows of the longest length with one token before each."""
        encoded = [ids for ids, _ in self._encode([one.text for one in asked])]
        windows = [_disjoint_windows([self.lead, *ids], self.max_tokens) for ids in encoded]
        found = iter(self._score([one for group in windows for one in group], progress))
        return [_sum([next(found) for _ in group]) for group in windows]

    def generate(self, asked: Sequence[Generate], progress: Progress) -> list[Generated]:
        """Return the answers; a prompt too long loses its beginning."""
        ids = [found for found, _ in self._encode([one.prompt for one in asked])]
        asked_ids = list(zip(asked, ids, strict=True))
        scorer = self._prepared(self.max_tokens)
        return generation.generate_until(
            scorer, self.tokenizer, asked_ids, self.max_tokens, share=share_trunks, progress=progress
        )

    def chat(self, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
        """Return a conversation under the model's chat template."""
        return rendered(self.tokenizer, messages, open_answer=open_answer)

    def facts(self) -> dict[str, Any]:
        """Return how the model could be asked."""
        scorer = self._prepared(self.max_tokens)
        return {"prefixes_shared": scorer.shared, "output_layer_at_scored_positions_only": scorer.body}

    def _joined(self, asked: Sequence[Continuations]) -> list[list[Joined]]:
        parts = [[moved_spaces(*pair) for pair in one.pairs] for one in asked]
        encoded = iter(self._encode([prompt + answer for group in parts for prompt, answer in group]))
        joined = [self._join(group, [next(encoded) for _ in group]) for group in parts]
        return joined if self.join == "safe" else self._recut(parts, joined)

    def _recut(self, parts: list[list[tuple[str, str]]], joined: list[list[Joined]]) -> list[list[Joined]]:
        """Return pairs as lm-evaluation-harness cuts them: the tokens of the prompt alone, then what is left."""
        alone = iter(self._encode([prompt for group in parts for prompt, _ in group]))
        return [
            [_as_alone(one, next(alone)[0], prompt) for one, (prompt, _) in zip(found, group, strict=True)]
            for group, found in zip(parts, joined, strict=True)
        ]

    def _join(self, pairs: list[tuple[str, str]], encoded: list[tuple[list[int], Any]]) -> list[Joined]:
        """Return the tokens of one question's pairs, scored from a common boundary where a token spans a join."""
        found = [answer_start(offsets, len(prompt)) for (prompt, _), (_, offsets) in zip(pairs, encoded, strict=True)]
        rows, spanning = [ids for ids, _ in encoded], [spans for _, spans in found]
        same = len({prompt for prompt, _ in pairs}) == 1
        starts = [start for start, _ in found]
        if same:
            starts = common_start(rows, starts, spanning)
        return [self._led(*found) for found in zip(rows, starts, spanning, strict=True)]

    def _led(self, ids: list[int], start: int, spans: bool) -> Joined:
        """Return a pair with something before its first scored token."""
        if start > 0:
            return Joined(ids, start, spans)
        return Joined(ids if ids[:1] == [self.lead] else [self.lead, *ids], 1, spans)

    def _encode(self, texts: list[str]) -> list[tuple[list[int], Any]]:
        """Return ids and offsets of every text, with the tokens the tokenizer puts before a text by itself."""
        lead = self.tokenizer.decode([self.lead])
        found: list[Any] = [None] * len(texts)
        for led in (False, True):
            chosen = [k for k, text in enumerate(texts) if text.startswith(lead) == led]
            for place in range(0, len(chosen), ENCODED_TOGETHER):
                part = chosen[place : place + ENCODED_TOGETHER]
                settings = {"return_offsets_mapping": True, "verbose": False, "add_special_tokens": not led}
                batch = self.tokenizer([texts[k] for k in part], **settings)
                for k, ids, offsets in zip(part, batch["input_ids"], batch["offset_mapping"], strict=True):
                    found[k] = _without_tail(ids, offsets)
        return found

    def _score(self, joined: Sequence[Joined], progress: Progress) -> list[Likelihood]:
        plan = [self._pieces(one) for one in joined]
        asked = [piece for pieces in plan for piece in pieces]
        if not asked:
            return [Likelihood(0.0, True, 0, one.spanning) for one in joined]
        scorer = self._prepared(max(len(ids) for ids, _ in asked))
        if self.processes > 1 and self.folder:
            found = iter(score_apart(scorer, asked, self.processes, (self.folder, self.adapter)))
        else:
            found = iter(tree_scoring.score(scorer, asked, progress))
        return [
            _likelihood(one, pieces, [next(found) for _ in pieces]) for one, pieces in zip(joined, plan, strict=True)
        ]

    def _pieces(self, one: Joined) -> list[Piece]:
        """Return what to ask for one pair: one request, or several when the answer alone is too long."""
        ids, limit = np.asarray(one.ids, np.int64), self.max_tokens + 1  # the last token is scored, never shown
        if one.first >= len(ids):
            return []
        cut = max(0, len(ids) - limit)
        if cut < one.first:
            return [(ids[cut:], one.first - cut)]
        pieces = cut_pieces(0, one.first, len(ids), limit)
        return [(ids[p.context : p.end], p.first - p.context) for p in pieces]

    def _prepared(self, longest: int) -> Any:
        if self._scorer is None or (self._scorer.shared and not tree_scoring.sees_far(self.model, longest)):
            self._scorer = tree_scoring.prepare(self.model, plan_tree, longest=longest, tokens=self.forward_tokens)
        return self._scorer


def rendered(tokenizer: Any, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
    """Return a conversation under a chat template; the beginning of an answer that stands last is left open."""
    settings = {"add_generation_prompt": open_answer, "continue_final_message": not open_answer}
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, **settings))


def _as_alone(one: Joined, alone: list[int], prompt: str) -> Joined:
    cut = len(alone)
    return replace(one, ids=alone + one.ids[cut:], first=cut) if prompt and cut < len(one.ids) else one


def _without_tail(ids: list[int], offsets: list[tuple[int, int]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return a text's tokens without those a tokenizer adds after it."""
    size = len(ids)
    while size > 1 and offsets[size - 1] == (0, 0):
        size -= 1
    return ids[:size], offsets[:size]


def _likelihood(one: Joined, pieces: list[Piece], found: list[Any]) -> Likelihood:
    scored = sum(len(part.logprobs) for part in found)
    shown = sum(len(piece[0]) for piece in pieces)
    return Likelihood(
        float(sum(part.logprobs.sum() for part in found)),
        all(part.greedy for part in found),
        scored,
        one.spanning,
        bool(pieces) and (len(pieces) > 1 or shown < len(one.ids)),
    )


def _disjoint_windows(ids: list[int], max_tokens: int) -> list[Joined]:
    """Return the windows of lm-evaluation-harness: each of `max_tokens` scored tokens, led by the token before it.

    The last window keeps its full context and scores what is left.
    """
    windows, done, total = [], 1, len(ids)
    while done < total:
        size = min(max_tokens, total - done)
        begin = max(0, done + size - max_tokens - 1)
        windows.append(Joined(ids[begin : done + size], done - begin, False))
        done += size
    return windows


def _sum(parts: list[Likelihood]) -> Likelihood:
    tokens = sum(part.tokens for part in parts)
    return Likelihood(sum(part.logprob for part in parts), all(part.greedy for part in parts), tokens)
