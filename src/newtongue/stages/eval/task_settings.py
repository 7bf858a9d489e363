"""What a task file sets for all of its items: fields, metrics, filters, generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.harness.prompting import Fields
from newtongue.adapters.harness.requests import Generate
from newtongue.adapters.harness.task_file import TaskFile
from newtongue.core.errors import DataError
from newtongue.methods.answer_filters import Filter, build_filter
from newtongue.methods.task_metrics import DEFAULTS, unknown_metrics

GREEDY = ("do_sample", "temperature", "until", "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
DEFAULT_ANSWER_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a task and its settings."""

    name: str
    settings: Mapping[str, Any]
    higher_is_better: bool = True


def fields_of(file: TaskFile) -> Fields:
    """Return how the fields of a row are found."""
    s = file.settings
    delimiters = {k: str(s[k]) for k in ("target_delimiter", "fewshot_delimiter") if s.get(k) is not None}
    return Fields(
        s.get("doc_to_text"), s.get("doc_to_target"), s.get("doc_to_choice"),
        gen_prefix=s.get("gen_prefix"), place=file.place, **delimiters,
    )  # fmt: skip


def metrics_of(file: TaskFile, kind: str) -> list[Metric]:
    """Return the metrics a task names, or those usual for its kind.

    Raises:
        DataError: One is not computed here.
    """
    listed = file.settings.get("metric_list")
    if listed is None:
        return [Metric(name, {}) for name in DEFAULTS[kind]]
    if unknown := unknown_metrics(kind, listed):
        raise DataError(
            f"the metric {unknown[0]} of {kind} tasks is not computed here",
            place=file.place,
            fix="take another metric, or run this task in lm-evaluation-harness itself",
        )
    kept = ("metric", "aggregation", "higher_is_better", "hf_evaluate", "weight_by_size")
    return [
        Metric(m["metric"], {k: v for k, v in m.items() if k not in kept}, bool(m.get("higher_is_better", True)))
        for m in listed
    ]


def filters_of(file: TaskFile) -> dict[str, list[Filter]]:
    """Return name -> filters of an answer, in turn.

    Raises:
        DataError: One is unknown or has wrong settings.
    """
    listed = file.settings.get("filter_list") or [{"name": "none", "filter": [{"function": "take_first"}]}]
    found: dict[str, list[Filter]] = {}
    for entry in listed:
        try:
            steps = [
                (dict(step).pop("function"), {k: v for k, v in step.items() if k != "function"})
                for step in entry["filter"]
            ]
            found[str(entry.get("name", "none"))] = [build_filter(name, settings) for name, settings in steps]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"`filter_list`: {error}", place=file.place) from None
    return found


def generation_of(file: TaskFile, context: str) -> Generate:
    """Return the request to continue a prompt, as the task says.

    Raises:
        DataError: A setting of the generation is not supported.
    """
    given = dict(file.settings.get("generation_kwargs") or {})
    if unknown := sorted(set(given) - set(GREEDY)):
        raise DataError(
            f"`generation_kwargs.{unknown[0]}` is not supported", place=file.place, expected=", ".join(GREEDY)
        )
    until = given.get("until", [file.settings.get("fewshot_delimiter") or "\n\n"])
    until = [until] if isinstance(until, str) else until
    named = [given[k] for k in GREEDY[3:] if given.get(k) is not None]
    sampled = bool(given.get("do_sample", float(given.get("temperature") or 0) > 0))
    temperature = float(given.get("temperature") or 0.0) if sampled else 0.0
    return Generate(context, tuple(map(str, until)), int(named[0]) if named else DEFAULT_ANSWER_TOKENS, temperature)


def repeats_of(settings: Mapping[str, Any]) -> int:
    """Return the answers per item: several only where they are sampled."""
    sampled = float((settings.get("generation_kwargs") or {}).get("temperature") or 0) > 0
    return int(settings.get("repeats") or 1) if sampled else 1
