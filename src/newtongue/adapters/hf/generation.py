"""Answer prompts until a stop text, the beginnings that prompts share computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from newtongue.adapters.harness.requests import Generate, Generated, Progress
from newtongue.adapters.hf.cache import growing_cache
from newtongue.adapters.hf.models import end_of_text_id, generate
from newtongue.adapters.hf.tree_scoring import Scorer, Trunks
from newtongue.core.errors import DataError

ROWS = 32
"""Prompts answered together."""
CHECKED_EVERY = 4
"""Steps between looks for a stop text; what was said beyond it is cut off."""

Asked = tuple[Generate, list[int]]
Share = Callable[[Sequence[Any]], tuple[list[Any], list[int]]]


def generate_until(
    scorer: Scorer,
    tokenizer: Any,
    asked: Sequence[Asked],
    max_tokens: int,
    *,
    share: Share,
    progress: Progress = lambda tokens: None,
) -> list[Generated]:
    """Return the answer to every prompt, in order.

    Args:
        scorer: The model and how it can be asked.
        tokenizer: Its tokenizer.
        asked: Requests with the tokens of their prompts.
        max_tokens: Longest sequence, prompt and answer together; a longer prompt loses its beginning.
        share: Finds the prefixes that prompts share: trunks, and the deepest one of every prompt (-1 for none).
        progress: Told the number of tokens generated so far.

    Raises:
        DataError: An answer may be longer than the model's longest sequence.
    """
    results: list[Any] = [None] * len(asked)
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for number, (one, _ids) in enumerate(asked):
        kinds.setdefault((one.until, one.max_tokens, one.temperature, one.seed), []).append(number)
    done = 0
    for (until, longest, temperature, seed), numbers in kinds.items():
        room = max_tokens - longest
        if room < 1:
            raise DataError(
                f"an answer may take {longest} tokens, and the model sees {max_tokens} in all",
                place="max_gen_toks",
                fix="lower max_gen_toks in the task, or raise max_length",
            )
        prompts = [asked[n][1][-room:] for n in numbers]
        ends = _Ends(tokenizer, until, stop_tokens(scorer.model, tokenizer))
        if temperature > 0:
            settings = {"temperature": temperature, "seed": seed, "batch_size": ROWS}
            rows = generate(scorer.model, prompts, max_new_tokens=longest, stop_ids=sorted(ends.tokens), **settings)
        else:
            rows = _greedy(scorer, prompts, longest, ends, share)
        for number, row in zip(numbers, rows, strict=True):
            results[number] = ends.read(row)
            done += len(row)
        progress(done)
    return results


def stop_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer: those of the generation config, and the end of text."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = named if isinstance(named, list) else [named]
    own = [tokenizer.eos_token_id, end_of_text_id(tokenizer)]
    return {int(token) for token in [*listed, *own] if token is not None}


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where an answer ends: at a token, or before a text."""

    tokenizer: Any
    until: tuple[str, ...]
    tokens: set[int]

    def reached(self, row: list[int]) -> bool:
        """Return whether an answer so far holds a stop token or a stop text."""
        if self.tokens.intersection(row):
            return True
        text = self.tokenizer.decode(row, skip_special_tokens=False)
        return any(term in text for term in self.until if term)

    def read(self, row: list[int]) -> Generated:
        """Return an answer's text up to where it ends."""
        size = next((place for place, token in enumerate(row) if token in self.tokens), len(row))
        text = self.tokenizer.decode(row[:size], skip_special_tokens=True)
        cut = text
        for term in self.until:
            cut = cut.split(term)[0] if term else cut
        return Generated(cut, size, size < len(row) or cut != text)


@torch.inference_mode()
def _greedy(scorer: Scorer, prompts: list[list[int]], longest: int, ends: _Ends, share: Share) -> list[list[int]]:
    arrays = [np.asarray(prompt, np.int64) for prompt in prompts]
    trunks, numbers = share(arrays) if scorer.shared else ([], [-1] * len(arrays))
    kept, results = Trunks(scorer, trunks), [[] for _ in prompts]
    by_trunk: dict[int, list[int]] = {}
    for place, trunk in enumerate(numbers):
        by_trunk.setdefault(trunk, []).append(place)
    for trunk in sorted(by_trunk):
        depth = kept.depth(trunk)
        order = sorted(by_trunk[trunk], key=lambda p: (len(prompts[p]), p))
        for first in range(0, len(order), ROWS):
            chosen = order[first : first + ROWS]
            rest = [prompts[p][depth:] for p in chosen]
            cache = _copied(scorer.model, kept.pairs(trunk), len(chosen)) if trunk >= 0 else None
            for place, row in zip(chosen, _decode(scorer.model, rest, (depth, cache), longest, ends), strict=True):
                results[place] = row
    return results


def _copied(model: Any, pairs: list[tuple[torch.Tensor, torch.Tensor]], rows: int) -> Any:
    cache = growing_cache(model.config)
    for layer, pair in zip(cache.layers, pairs, strict=True):
        layer.update(*(part.expand(rows, -1, -1, -1) for part in pair))
    return cache


def _decode(model: Any, prompts: list[list[int]], trunk: tuple[int, Any], longest: int, ends: _Ends) -> list[list[int]]:
    depth, cache = trunk
    ids, mask = _left_padded(prompts, depth, model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, depth:]
    padded, cache = bool((mask == 0).any()), cache or growing_cache(model.config)
    rows: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(len(prompts)))
    for step in range(1, longest + 1):
        given = {"attention_mask": mask if padded else None, "position_ids": positions, "past_key_values": cache}
        token = model(input_ids=ids, use_cache=True, logits_to_keep=1, **given).logits[:, -1].float().argmax(-1)
        for row, found in zip(rows, token.tolist(), strict=True):
            row.append(found)
        if step % CHECKED_EVERY == 0 or step == longest:
            open_rows = {k for k in open_rows if not ends.reached(rows[k])}
            if not open_rows:
                break
        ids, positions = token[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
    return rows


def _left_padded(prompts: list[list[int]], depth: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids padded on the left, and which of trunk and ids is there: array (rows, depth + longest)."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.ones(len(prompts), depth + longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, depth : depth + longest - len(prompt)] = 0
    return ids.to(device), mask.to(device)
