"""Sections on how it was made: data, training, instruction data, samples, costs, method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import charts, markup
from newtongue.stages.report.markup import escape, number
from newtongue.stages.report.wording import label_of

Facts = Mapping[str, Any]

FAILED_CHARS = 90
"""An answer that loops or does not stop is shown up to here."""
SAME_BYTES = (
    "The same recipe, package versions and thread count give the same bytes; "
    "the stages below are named by what went in and what came out."
)


FLOW = {
    "requests": "requests",
    "received": "rows received",
    "documents": "kept",
    "train": "for training",
    "heldout": "held out",
    "rejected": "set aside",
    "not_selected": "not selected",
    "language_unknown": "of unknown language",
    "failed": "requests failed",
}
"""Counts of a set of conversations in the order in which rows flow, and how they are called."""


def _named(found: Mapping[str, int]) -> str:
    """Return names with their numbers, `Apache-2.0 (461)`; a dash when there is none."""
    return escape(", ".join(f"{name} ({number(n)})" for name, n in found.items())) or "–"


def data(facts: Facts) -> str:
    """Return the section on corpora: what was kept, what was dropped and why."""
    corpora = [s for s in facts["stages"] if s["kind"] == "Corpus"]
    if not corpora:
        return ""
    rows = [
        [
            escape(stage["name"]),
            number(stage["counts"].get("rows_read")),
            number(stage["counts"].get("documents")),
            *(_side(stage["counts"], side) for side in ("train", "heldout")),
            _named(stage["rejected"]),
            _named(stage["licences"]),
        ]
        for stage in corpora
    ]
    head = ["Corpus", "Rows read", "Documents", "For training", "Held out", "Set aside, by reason", "Licences"]
    note = "Held-out text is never trained on; translations of one text stand on the same side."
    table = markup.table("What each corpus holds", head, rows, words=(0, 5, 6))
    return markup.section("data", "Text", table, markup.paragraph(note, "note"))


def _side(counts: Facts, side: str) -> str:
    documents, size = counts.get(f"{side}_documents"), counts.get(f"{side}_utf8_bytes")
    return number(documents) + (f'<span class="small">{number(size / 1000)} kB</span>' if size is not None else "")


def training(facts: Facts) -> str:
    """Return the section on training: a curve per stage, in bits per byte of its own training text."""
    parts = []
    for stage in (s for s in facts["stages"] if s.get("curve")):
        curve = stage["curve"]
        axis = charts.logarithmic_axis([point[1] for points in curve.values() for point in points])
        title = f"{stage['name']}: bits per byte of training text over training tokens, logarithmic scale"
        parts.append(charts.line_chart(title, curve, axis, "tokens"))
    return markup.section("training", "Training", *parts)


def instructions(facts: Facts) -> str:
    """Return the section on instruction data: accepted, set aside by reason, task types.

    Rows that a teacher wrote have a section of their own.
    """
    stages = [s for s in facts["stages"] if s["kind"] == "Conversations" and not s.get("synthesis")]
    return markup.section("instructions", "Instruction data", *map(_conversations, stages))


def _conversations(stage: Facts) -> str:
    counts = [f"{number(stage['counts'][k])} {name}" for k, name in FLOW.items() if stage["counts"].get(k) is not None]
    tasks = [[escape(task), number(n)] for task, n in stage["tasks"].items()]
    reasons = [[escape(reason), number(n)] for reason, n in stage["rejected"].items()]
    tables = [
        markup.table("By task type", ["Task type", "Conversations"], tasks) if tasks else "",
        markup.table("Set aside, by reason", ["Reason", "Rows"], reasons) if reasons else "",
    ]
    head = f"<h3>{escape(stage['name'])}</h3>{markup.paragraph(', '.join(counts))}"
    return f'{head}<div class="pair">{"".join(tables)}</div>'


def samples(facts: Facts) -> str:
    """Return the section of answers side by side, as they came."""
    if not facts["samples"]:
        return ""
    lead = "The first held-out prompts of each task type, answered greedily; nothing was picked by hand."
    return markup.section("samples", "Samples", markup.paragraph(lead), *map(_sample, facts["samples"]))


def _sample(sample: Facts) -> str:
    tag = sample["language"]
    title = escape((sample["task"] or "prompt").replace("_", " "))
    shown = {label: a for label, a in sample["answers"].items() if label in ("before", "after")}
    cells = [_answer(label, answer, tag) for label, answer in shown.items()]
    cells.append(f"<div><h4>Reference</h4>{markup.prose(sample['reference'], tag)}</div>")
    prompt = markup.prose(sample["prompt"], tag)
    return f'<article class="sample"><h3>{title}</h3>{prompt}<div class="answers">{"".join(cells)}</div></article>'


def _answer(label: str, answer: Facts, tag: str) -> str:
    marks = [word for key, word in (("empty", "empty"), ("looped", "looping")) if answer[key]]
    marks += [] if answer["stopped"] else ["no stop token"]
    note = f" ({', '.join(marks)})" if marks else ""
    output = (
        answer["output"][:FAILED_CHARS] + " …" if marks and len(answer["output"]) > FAILED_CHARS else answer["output"]
    )
    text = markup.prose(output, tag, automatic=True) if answer["output"].strip() else "<div>(nothing)</div>"
    kind = ' class="final"' if label == "after" else ""
    return f"<div{kind}><h4>{escape(label_of(label) + note)}</h4>{text}</div>"


def costs(found: Facts) -> str:
    """Return the section on wall time, tokens and dollars per stage."""
    rows = [
        [
            escape(s["name"]),
            escape(s["stage"]),
            markup.duration(s["seconds"]),
            number(s["tokens"]),
            markup.dollars(s["usd"]),
        ]
        for s in found["stages"]
    ]
    if not rows:
        return ""
    total = found["total"]
    rows.append(["<strong>all</strong>", "", markup.duration(total["seconds"]), "", markup.dollars(total["usd"])])
    head = ["Name", "Stage", "Wall time", "Tokens", "Dollars"]
    table = markup.table("Measured on the machine of this run", head, rows, words=(0, 1))
    note = "Wall time of stages that were resumed counts their last part only. This report’s own time is not included."
    return markup.section("costs", "Time and money", table, markup.paragraph(note, "note"))


def provenance(facts: Facts) -> str:
    """Return the section on sources, licences and the notes every stage left."""
    told = [s for s in facts["stages"] if s["sources"] or s["licences"]]
    rows = [[escape(s["name"]), _named(s["sources"]), _named(s["licences"])] for s in told]
    title = "Where rows come from (the first 2,000 of each set) and under which licence"
    table = markup.table(title, ["Made by", "Sources", "Licences"], rows, words=(0, 1, 2)) if rows else ""
    notes = [(s["name"], _card(s["card"])) for s in facts["stages"] if s["card"]]
    cards = f"<h3>What each stage notes on its card</h3>{markup.pairs(notes)}" if notes else ""
    return markup.section("provenance", "Sources, licences, limits", table, cards)


def _card(paragraphs: list[str]) -> str:
    return "".join(markup.paragraph(text.replace("**", "").replace("`", ""), "small") for text in paragraphs)


def method(facts: Facts, costs_found: Facts) -> str:
    """Return the section on how figures were measured and how to get them again."""
    measured, drawn = facts["measurement"], facts["bootstrap"]
    draws, coverage = number(drawn["draws"]), markup.percent(drawn["confidence"], 0)
    text = (
        f"Text is cut into windows of {number(measured['window_bytes'])} bytes at character boundaries, before any "
        "tokenizer sees it; each window is scored given the window before it, so context too is measured in bytes. "
        "A token counts in the window where it starts. Intervals resample whole documents, the two models together "
        f"({draws} draws, seed {drawn['seed']}, {coverage}, percentile); shares have Wilson intervals. “Kept” means "
        "that the whole interval lies below the limit; where the value does and the interval does not, the verdict "
        "is that the text is too little to decide."
    )
    steps = "newtongue run RECIPE --out STORE\nnewtongue compare STORE/BEFORE STORE/AFTER"
    return markup.section(
        "method",
        "Method, and how to get these figures again",
        markup.paragraph(text),
        f"<pre><code>{escape(steps)}</code></pre>",
        markup.paragraph(SAME_BYTES),
        _models(facts),
        _identities(facts),
        _versions(costs_found),
    )


def _models(facts: Facts) -> str:
    rows = [
        [
            escape(label_of(label)),
            number(m["parameters"] or None),
            number(m.get("vocabulary")),
            _hash(m, "tokenizer_sha256"),
            f"{escape(str(m.get('chat_template', '–')))} {_hash(m, 'prompt_sha256')}",
        ]
        for label, m in facts["models"].items()
    ]
    head = ["Model", "Parameters", "Vocabulary", "Tokenizer, sha256", "Prompt format, sha256"]
    return markup.table("Models measured", head, rows, words=(0, 3, 4))


def _hash(found: Facts, key: str) -> str:
    """Return the beginning of a hash; an endpoint shows none of its tokenizer and prompt."""
    return f"<code>{escape(found[key][:12])}</code>" if found.get(key) else "–"


def _identities(facts: Facts) -> str:
    named = [(s["name"], s) for s in facts["stages"]] + [
        (f"eval of {label_of(n)}", i) for n, i in facts["evals"].items()
    ]
    rows = [
        [escape(name), *(_hash(found, key) for key in ("fingerprint", "digest")), _seed(found)]
        for name, found in named
        if found["fingerprint"]
    ]
    head = ["Stage", "Fingerprint (what went in)", "Digest (what came out)", "Seed"]
    return markup.table("Stages", head, rows, words=(0, 1, 2)) if rows else ""


def _seed(found: Facts) -> str:
    return "default" if found.get("seed") is None else str(found["seed"])


def _versions(costs_found: Facts) -> str:
    versions = costs_found["versions"]
    return markup.paragraph(", ".join(f"{k} {v}" for k, v in versions.items()), "note") if versions else ""
