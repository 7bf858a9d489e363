"""Instructions whose keeping a program can check: prompts and rules in the layout of IFEval and M-IFEval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from newtongue.adapters.harness.requests import Refused
from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError
from newtongue.core.rows import Message
from newtongue.methods.rules import RULES, Followed, Writing, follow, is_cased
from newtongue.methods.scripts import count_letters
from newtongue.methods.words import count_words
from newtongue.stages.eval.config import EvalConfig, RuleSet
from newtongue.stages.eval.subject import Subject

Row = dict[str, Any]
MIN_LETTERS = 20
"""Shorter answers are not given to the identifier."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt with its rules."""

    id: str
    prompt: str
    rules: tuple[tuple[str, Mapping[str, Any]], ...]


def plan_rules(config: EvalConfig, context: Context) -> dict[str, tuple[Row, Any]]:
    """Return set name -> (facts, how to measure it), with every file read now."""
    plan: dict[str, tuple[Row, Any]] = {}
    for name, wanted in config.rules.items():
        facts = {"language": wanted.language, "role": wanted.role}
        plan[name] = facts, partial(score_rules, name, wanted, read_asked(context[wanted.path], wanted.prompts))
    return plan


def read_asked(artefact: Artefact, most: int | None) -> tuple[list[Asked], list[Row]]:
    """Return the prompts that can be used, and the rows that cannot, with place and reason.

    Raises:
        DataError: No row can be used.
    """
    return choose_asked(read_rows(artefact.path), most, artefact.name)


def choose_asked(rows: Iterable[tuple[str, Any]], most: int | None, name: str) -> tuple[list[Asked], list[Row]]:
    """Return what can be used of (place, row) pairs, and what cannot.

    Raises:
        DataError: No row can be used.
    """
    found: list[Asked] = []
    rejected: list[Row] = []
    for place, row in rows:
        if most is not None and len(found) >= most:
            break
        problem = row.reason if isinstance(row, Reject) else _problem(row)
        if problem:
            rejected.append({"place": place, "reason": problem})
        elif not isinstance(row, Reject):
            pairs = zip(row["instruction_id_list"], row["kwargs"], strict=True)
            rules = tuple((plain_name(n), {k: v for k, v in (a or {}).items() if v is not None}) for n, a in pairs)
            found.append(Asked(str(row.get("key", place)), row["prompt"], rules))
    if not found:
        first = f" (the first: {rejected[0]['reason']})" if rejected else ""
        expected = '{"key": 1, "prompt": "…", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'
        raise DataError(f"no row can be used{first}", place=name, expected=expected)
    return found, rejected


def _problem(row: Mapping[str, Any]) -> str:
    names, arguments = row.get("instruction_id_list"), row.get("kwargs")
    if not isinstance(row.get("prompt"), str) or not isinstance(names, list) or not isinstance(arguments, list):
        return "no prompt, instruction_id_list or kwargs"
    if len(names) != len(arguments) or not names:
        return f"{len(names)} rules and {len(arguments)} sets of arguments"
    unknown = [name for name in names if plain_name(str(name)) not in RULES]
    return f"unknown rule {unknown[0]}" if unknown else ""


def plain_name(name: str) -> str:
    """Return the name of a rule without the language some sets write before it.

    Example:
        >>> plain_name("es:punctuation:no_comma"), plain_name("punctuation:no_comma")
        ('punctuation:no_comma', 'punctuation:no_comma')
    """
    first, _, rest = name.partition(":")
    return rest if len(first) == 2 else name


def score_rules(
    name: str, config: RuleSet, given: tuple[list[Asked], list[Row]], subject: Subject, progress: Any
) -> tuple[list[Row], Row]:
    """Return one row per prompt: all rules kept, kept in the loose reading, and the share of rules kept."""
    asked, rejected = given
    answers = subject.answer([[Message(role="user", content=a.prompt)] for a in asked], config.max_new_tokens)
    writing = writing_of(config.language)
    rows = []
    for item, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Refused):
            rejected.append({"place": item.id, "reason": f"no answer: {answer.reason}"})
            continue
        text, tokens, stopped = answer
        size = {"bytes": len(text.encode()), "tokens": tokens, "words": count_words(text), "stopped": stopped}
        seen = {"prompt": item.prompt, "output": text, "empty": not text.strip()}
        place = {"set": name, "kind": "rules", "item": item.id, "group": item.id, "language": config.language}
        rows.append({**place, **seen, **size, **_verdict(item, text, writing, rejected)})
    progress(sum(row["tokens"] for row in rows))
    return rows, {"rejected": len(rejected), "rejected_rows": rejected}


def _verdict(item: Asked, text: str, writing: Writing, rejected: list[Row]) -> Row:
    """Return what became of one prompt's rules; arguments that cannot be read lose the item, not the run."""
    try:
        found: Followed = follow(text, item.rules, writing)
    except (KeyError, TypeError, ValueError) as error:
        rejected.append({"place": item.id, "reason": f"arguments of a rule cannot be used ({error})"})
        return {}
    known = [kept for kept in found.strict if kept is not None]
    share = round(sum(known) / len(known), 6) if known else None
    return {"correct": found.prompt_strict, "loose": found.prompt_loose, "score": share}


def writing_of(tag: str) -> Writing:
    """Return what rules need to know of a language, from its card."""
    card = load_card(tag)
    return Writing(card.sentence_marks, is_cased(card.script_ranges), card.spaces, is_in)


def is_in(text: str, code: str) -> bool | None:
    """Return whether a text is in the language of a code or tag; None when it is too short or nobody can say."""
    wanted = load_card(code).lid if "_" in code else code
    if not wanted or count_letters(text) < MIN_LETTERS:
        return None
    return identify(text)[0][0] == wanted
