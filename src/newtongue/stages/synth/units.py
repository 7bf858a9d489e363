"""What chains start from: instructions with their answers, or documents; and the kit they work with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from newtongue.adapters.languages import load_card
from newtongue.adapters.prompts import FALLBACK, load_prompts, read_prompts
from newtongue.adapters.tables import Reject, read_conversations, read_documents, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.methods.splitting import group_key
from newtongue.stages.synth.chain import Kit, Unit
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.material import reservoir, shorten


def make_kit(config: SynthConfig, context: Context) -> Kit:
    """Return prompts, names and the dictionary of a run."""
    target = config.prompt_language == "target"
    tags = (config.language, config.other_language)
    cards = {tag: load_card(tag) for tag in tags}
    prompts = config.generator.PROMPTS
    tag = config.language if target else FALLBACK
    return Kit(
        language=config.language,
        other=config.other_language,
        names={tag: (card.autonym if target else "") or card.name for tag, card in cards.items()},
        texts=read_prompts(prompts, context[config.prompts].path) if config.prompts else load_prompts(prompts, tag),
        own=load_prompts(prompts, config.language),
        translate=load_prompts("translate", tag)["document"],
        seed=config.seed,
        dictionary=_dictionary(context[config.dictionary]) if config.dictionary else {},
    )


def units(config: SynthConfig, context: Context) -> Iterator[Unit]:
    """Return the units of a run: documents of the training side, drawn evenly, or instructions in their order."""
    if config.generator.NEEDS == "documents":
        return _documents(config, context, config.max_requests or 3 * config.rows)
    assert config.instructions
    found = _instructions(context[config.instructions])
    completions = getattr(config.generator, "completions", 0)
    return chain(_documents(config, context, completions), found) if completions else found


def _documents(config: SynthConfig, context: Context, most: int) -> Iterator[Unit]:
    assert config.documents
    own = (d for d in read_documents(context[config.documents], "train") if d.language in ("", config.language))
    limit = config.prompt.max_document_characters
    for document in islice(reservoir(own, most, config.seed), most):
        group = group_key(document.group, document.id, document.language, document.text)
        yield Unit(document.id, "", shorten(document.text, limit), "train", group, document.license)


def _instructions(artefact: Artefact) -> Iterator[Unit]:
    for row in read_conversations(artefact):
        turns = [turn["content"] for turn in row.messages if turn["role"] != "system"]
        if len(turns) >= 2:
            group = group_key(row.group, row.id, row.language, turns[0])
            yield Unit(row.id, turns[0], turns[1], row.split, group, row.license)


def _dictionary(artefact: Artefact) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for place, row in read_rows(artefact.path):
        values: list[Any] = [] if isinstance(row, Reject) else list(row.values())
        if len(values) < 2 or not all(isinstance(value, str) and value for value in values[:2]):
            raise DataError("a line of the dictionary is no word with a translation", place=str(place))
        found.setdefault(values[0].casefold(), []).append(values[1])
    return found
