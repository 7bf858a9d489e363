"""The facts of a report as Markdown, for terminals and code hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report.markup import language_name, number, percent, signed, signed_percent, visible
from newtongue.stages.report.wording import MEASURES, WORDS, label_of, loss_text, p_text, unjudged_probe

Facts = Mapping[str, Any]


def build_markdown(facts: Facts) -> str:
    """Return verdicts and figures as Markdown; times and dollars, which change from run to run, are left out."""
    parts = [f"# {cell(facts['title'])}", verdict_lines(facts), gate_table(facts), "## Held-out text"]
    parts += [
        _text_table(facts),
        _controls(facts),
        _documents(facts),
        _shares(facts),
        _gaps(facts),
        _expansions(facts),
        "\n".join(f"- {cell(line)}" for line in facts["notices"] + facts["missing"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def cell(text: Any) -> str:
    """Return any value as the text of one cell of a table."""
    return visible(str(text)).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table; the first column is set left, the others right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval_text(found: Facts | None, show: Any, digits: int) -> str:
    """Return `value [low, high]`, or a dash."""
    if not found:
        return "–"
    return f"{show(found['value'], digits)} [{show(found['low'], digits)}, {show(found['high'], digits)}]"


def verdict_lines(facts: Facts) -> str:
    """Return the verdicts as a list."""
    lines = []
    for kind in ("gain", "controls", "retention", "fidelity", "stopping"):
        if judged := facts["verdicts"].get(kind):
            lines.append(
                f"- {kind}: **{WORDS[kind][judged['verdict']]}** ({cell(judged['set'])}) {_judged(kind, judged)}"
            )
    return "\n".join(lines)


def _judged(kind: str, judged: Facts) -> str:
    if kind in ("gain", "controls"):
        return f"{interval_text(judged['difference'], signed, 3)} bits per byte"
    if kind == "retention":
        return f"{MEASURES[judged['measure']]} {', limit '.join(loss_text(judged))}"
    return f"{interval_text(judged['fraction'], percent, 0)}, at least {percent(judged['limit'], 0)} asked"


def gate_table(facts: Facts) -> str:
    """Return every part of the retention gate as a table; nothing without any."""
    parts = (facts["verdicts"]["retention"] or {"parts": []})["parts"]
    rows = [
        [cell(p["set"]), MEASURES[p["measure"]], *loss_text(p), WORDS["retention"].get(p["verdict"], "not judged")]
        for p in parts
    ]
    head = ["kept languages", "measure", "change", "limit", "verdict"]
    unjudged = [cell(said) for name, found in facts["sets"].items() if (said := unjudged_probe(name, found))]
    return "\n\n".join([*([table(head, rows)] if rows else []), *unjudged])


def _documents(facts: Facts) -> str:
    rows = [
        [
            cell(name),
            *(number(found["change"]["documents"][k]) for k in ("better", "worse")),
            signed(found["change"]["documents"]["median"], 3),
            cell(p_text(found["change"].get("p_holm"))),
            number(found["change"]["difference"]["detectable"], 3),
        ]
        for name, found in facts["sets"].items()
        if found["change"] and "documents" in found["change"]
    ]
    head = ["documents", "better", "worse", "median difference", "p (Holm)", "detectable"]
    return table(head, rows) if rows else ""


def _text_table(facts: Facts) -> str:
    sets = {n: s for n, s in facts["sets"].items() if s["kind"] in ("text", "answers")}
    models = [m for m in facts["models"] if any(m in s["scores"] for s in sets.values())]
    rows = []
    for name, found in sets.items():
        values = [interval_text(found["scores"].get(m, {}).get("bits_per_byte"), number, 3) for m in models]
        change = found["change"] and found["change"]["relative_change"]
        rows.append(
            [
                cell(f"{name} ({language_name(found['language'])}, {found['role']})"),
                *values,
                interval_text(change, signed_percent, 1),
            ]
        )
    return table(["bits per byte", *(cell(label_of(m)) for m in models), "change"], rows)


def _controls(facts: Facts) -> str:
    rows = [
        [
            cell(name),
            cell(label),
            interval_text(c["bits_per_byte"], number, 3),
            interval_text(c["difference"], signed, 3),
            WORDS["control"][c["beaten"]],
        ]
        for name, found in facts["sets"].items()
        for label, c in found.get("controls", {}).items()
    ]
    return table(["set", "control", "bits per byte", "final less control", "verdict"], rows) if rows else ""


def _shares(facts: Facts) -> str:
    lines = []
    for name, found in facts["sets"].items():
        for label, scored in found["scores"].items():
            for key, value in scored.items():
                if key.endswith("_fraction") and value:
                    what = key.removesuffix("_fraction").replace("_", " ")
                    lines.append(f"- {cell(name)}, {cell(label_of(label))}, {what}: {interval_text(value, percent, 0)}")
    return "\n".join(["## Answers", "", *lines]) if lines else ""


def _gaps(facts: Facts) -> str:
    """Return the same items in several languages: difference, share of the reference, answered alike."""
    lines = [
        f"- {cell(gap['set'])} against {cell(gap['twin'])}, {cell(label_of(gap['model']))}, {number(gap['n'])} items: "
        f"{interval_text(gap['difference'], signed_percent, 1)} points, "
        f"{interval_text(gap['fraction_of_reference'], percent, 0)} of the reference, "
        f"answered alike {percent(gap['agreement'], 0)}"
        for gap in facts["gaps"]
    ]
    lines += [
        f"- {cell(one['set'])} against {cell(found['reference'])}, {cell(label_of(found['model']))}, "
        f"{number(found['n'])} items: {interval_text(one['fraction_of_reference'], percent, 0)} of the reference, "
        f"answered alike in all pairs {percent(found['mean_agreement'], 0)}"
        for found in facts.get("consistency", [])
        for one in found["sets"][1:]
    ]
    return "\n".join(["## Gap between languages", "", *lines]) if lines else ""


def _expansions(facts: Facts) -> str:
    lines = []
    for stage in facts["stages"]:
        for name, found in ((stage.get("expansion") or {}).get("protected") or {}).items():
            changed, documents = number(found.get("changed")), number(found.get("documents"))
            lines.append(f"- {cell(name)}: {changed} of {documents} documents with a changed id")
    return "\n".join(["## Vocabulary", "", *lines]) if lines else ""
