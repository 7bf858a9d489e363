"""Combine models of one family in weight space, tensor by tensor, whatever their vocabularies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from newtongue.adapters.hf.checkpoint import rewrite, row_blocks, same_bytes, write_config
from newtongue.adapters.hf.model_files import copy_template, copy_tokenizer, template_of
from newtongue.adapters.hf.safetensors_file import Floats, NewTensor, Tensor, encode, read_rows
from newtongue.core.config import ModelRef
from newtongue.core.context import Context, Outcome
from newtongue.methods.merging import Present, chat_vector, linear, task_arithmetic
from newtongue.stages.merge.config import MergeConfig
from newtongue.stages.merge.family import Alignment, Member, check_family, open_member


def merge(config: MergeConfig, context: Context) -> Outcome:
    """Write the combination of the models; vocabulary, tokenizer and config come from the first.

    Raises:
        DataError: A model cannot be read, or the models do not belong together.
    """
    first, *others = [_open(context, ref) for ref in _references(config)]
    check_family(first, others)
    alignments = [Alignment.of(first, other) for other in others]
    mixture = Mixture(config, first, others, alignments, context)
    changes = {name: mixture.tensor(name) for name in mixture.changing()}
    rewrite(first.checkpoint, changes, context.payload, link=context[config.models[0]].sealed)
    write_config(first.checkpoint, context.payload, first.checkpoint.rows)
    copy_tokenizer(first.checkpoint.folder, context.payload)
    template = _template(config, first, others, context.payload)
    facts = _facts(config, mixture, len(changes))
    (context.payload / "merge.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", "utf-8")
    return Outcome(
        counts={
            "parameters": first.checkpoint.parameters,
            "rows": first.checkpoint.rows,
            "hidden": first.checkpoint.hidden,
            "tensors": len(first.checkpoint.tensors),
            "merged_tensors": len(changes),
        },
        card=[_sentence(config), *template],
    )


def _references(config: MergeConfig) -> list[ModelRef]:
    return [*config.models, *(ref for ref in (config.base, config.instruct) if ref is not None)]


def _open(context: Context, ref: ModelRef) -> Member:
    return open_member(str(ref), context[ref].path)


@dataclass(frozen=True)
class Mixture:
    """The arithmetic of one merge, applied block by block.

    Attributes:
        config: Settings of the stage.
        first: The model that decides the vocabulary.
        others: Other models, then the base, then the instruct model, as far as the method has them.
        alignments: Where each of `others` keeps the rows of `first`.
        context: For progress.
    """

    config: MergeConfig
    first: Member
    others: Sequence[Member]
    alignments: Sequence[Alignment]
    context: Context

    def changing(self) -> list[str]:
        """Return the tensors that may differ from the first model's: bytes equal everywhere need no work."""
        return [name for name, tensor in self.first.checkpoint.tensors.items() if self._changes(name, tensor)]

    def _changes(self, name: str, tensor: Tensor) -> bool:
        if not tensor.floating:
            return False
        counterparts = [other.counterpart(self.first.checkpoint, name) for other in self.others]
        if self.config.method == "chat_vector":
            return not same_bytes(*counterparts)
        return not all(same_bytes(tensor, other) for other in counterparts)

    def tensor(self, name: str) -> NewTensor:
        """Return one merged tensor; its bytes are made when they are written."""
        tensor = self.first.checkpoint.tensors[name]
        return NewTensor(tensor.dtype, tensor.shape, self._blocks(tensor))

    def _blocks(self, tensor: Tensor) -> Iterator[bytes]:
        checkpoint = self.first.checkpoint
        by_token = tensor.name in {found.name for found in checkpoint.vocabulary_tensors()}
        others = [other.counterpart(checkpoint, tensor.name) for other in self.others]
        for first, last in row_blocks(tensor):
            own = read_rows(tensor, first, last)
            if by_token:
                pairs = [a.read(other, first, last) for a, other in zip(self.alignments, others, strict=True)]
                blocks, present = [block for block, _ in pairs], np.stack([has for _, has in pairs])
            else:
                blocks, present = [read_rows(other, first, last) for other in others], None
            yield encode(self._combine(own, blocks, present), tensor.dtype)
        self.context.progress(tensor.start + tensor.size_bytes, None, "bytes", note=tensor.name)

    def _combine(self, own: Floats, others: list[Floats], present_KR: Present | None) -> Floats:
        combine: Callable[..., Floats] = {
            "linear": self._linear,
            "task_arithmetic": self._task_arithmetic,
            "chat_vector": self._chat_vector,
        }[self.config.method]
        return combine(own, others, present_KR)

    def _linear(self, own: Floats, others: list[Floats], present_KR: Present | None) -> Floats:
        weights = self.config.weights or [1.0] * len(self.config.models)
        if present_KR is not None:
            present_KR = np.vstack([np.ones((1, present_KR.shape[1]), bool), present_KR])
        return linear([own, *others], weights, present_KR)

    def _task_arithmetic(self, own: Floats, others: list[Floats], present_KR: Present | None) -> Floats:
        *models, base = others
        weights = self.config.weights or [1.0] * len(self.config.models)
        if present_KR is None:
            return task_arithmetic(own, base, [own, *models], weights)
        in_base = present_KR[-1]
        shared_KR = np.vstack([in_base, *(row & in_base for row in present_KR[:-1])])
        return task_arithmetic(own, base, [own, *models], weights, shared_KR)

    def _chat_vector(self, own: Floats, others: list[Floats], present_KR: Present | None) -> Floats:
        base, instruct = others
        weight = self.config.weights[0] if self.config.weights else 1.0
        return chat_vector(own, base, instruct, weight, None if present_KR is None else present_KR.all(0))


def _template(config: MergeConfig, first: Member, others: Sequence[Member], payload: Path) -> list[str]:
    """Give a chat vector the instruct model's template where the adapted model has none and knows its tokens."""
    if config.instruct is None or template_of(payload) is not None:
        return []
    instruct = others[-1]
    template = template_of(instruct.checkpoint.folder)
    if template is None:
        return []
    needed = {token: number for token, number in instruct.tokenizer.added.items() if token in template}
    if any(first.tokenizer.ids.get(token) != number for token, number in needed.items()):
        return ["The instruct model's chat template was not taken over: its turn tokens are not in the vocabulary."]
    copy_template(instruct.checkpoint.folder, payload)
    return ["The chat template and generation settings are the instruct model's; the adapted model had none."]


def _facts(config: MergeConfig, mixture: Mixture, merged: int) -> dict[str, object]:
    rows = mixture.first.checkpoint.rows
    return {
        "method": config.method,
        "weights": list(config.weights),
        "rows": rows,
        "shared_rows": [alignment.shared(rows) for alignment in mixture.alignments],
        "tensors": len(mixture.first.checkpoint.tensors),
        "merged_tensors": merged,
    }


def _sentence(config: MergeConfig) -> str:
    if config.method == "chat_vector":
        return (
            "What instruction tuning did to the base was added to the adapted model (chat vector, arXiv 2310.04799); "
            "rows of tokens the base lacks stayed as they were."
        )
    what = {"linear": "averaged (arXiv 2203.05482)", "task_arithmetic": "added as task vectors (arXiv 2212.04089)"}
    return f"{len(config.models)} models were {what[config.method]}; arithmetic in fp32, rounded once."
