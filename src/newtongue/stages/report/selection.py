"""The section on chosen rows: scores per language, a map of kept and dropped rows, coverage before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, language_name, number

Facts = Mapping[str, Any]

BARS_PX, MAP_PX = 90, 320
COVERAGE = {
    "clusters": "Clusters of the pool with a row in it",
    "even_clusters": "Equally filled clusters that would be as mixed",
    "new_tokens": "New tokens that occur",
}
"""Keys of the coverage that have a value before and after, and how they are called."""


def selection(facts: Facts) -> str:
    """Return the section on stages that chose rows."""
    stages = [stage for stage in facts["stages"] if stage.get("selection")]
    told = [stage for stage in stages if _shows_more_than_counts(stage["selection"])]
    return markup.section("selection", "Which rows were kept", *map(_stage, told))


def _shows_more_than_counts(found: Facts) -> bool:
    return bool(found["coverage"] or found["map"] or any("scores" in side for side in found["languages"].values()))


def _stage(stage: Facts) -> str:
    found = stage["selection"]
    scope = ", each language by itself" if found["scope"] == "language" else ""
    lead = f"{number(found['kept'])} of {number(found['available'])} rows by {found['method']}{scope}."
    parts = [markup.paragraph(" ".join([lead, *found["short"]])), _languages(found["languages"])]
    parts += [_distribution(tag, side["scores"]) for tag, side in found["languages"].items() if "scores" in side]
    parts += [_coverage(found["coverage"]), _map(found["map"])]
    return f"<h3>{escape(stage['name'])}</h3>{''.join(parts)}"


def _languages(found: Mapping[str, Facts]) -> str:
    rows = [
        [
            escape(_name(tag)),
            number(side["available"]),
            number(side["kept"]),
            *(_mean(side.get("scores", {}).get(f"mean_{which}")) for which in ("available", "kept")),
        ]
        for tag, side in found.items()
    ]
    head = ["Language", "Rows there", "Rows kept", "Mean score of all", "Mean score of kept"]
    return markup.table("Rows and scores by language", head, rows)


def _name(tag: str) -> str:
    return tag if tag == "unstated" else language_name(tag)


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _distribution(tag: str, scores: Facts) -> str:
    """Return bars of how many rows have which score, the kept part of each filled."""
    most, width = max(*scores["available"], 1), 100 / len(scores["available"])
    bars = "".join(
        _bar(place * width, width, BARS_PX * there / most, BARS_PX * kept / most)
        for place, (there, kept) in enumerate(zip(scores["available"], scores["kept"], strict=True))
    )
    ends = (
        f'<text x="0" y="{BARS_PX + 16}" class="tick">{scores["edges"][0]:.2f}</text>'
        f'<text x="100%" y="{BARS_PX + 16}" class="tick" text-anchor="end">{scores["edges"][-1]:.2f}</text>'
    )
    title = f"{_name(tag)}: rows by score, kept rows filled"
    return _figure(title, f"The fullest bar holds {most} rows.", BARS_PX + 20, bars + ends)


def _bar(left: float, width: float, there: float, kept: float) -> str:
    shape = 'x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}"'
    return "".join(
        f'<rect {shape.format(left, 0.9 * width, BARS_PX - high, high)} class="{kind}"/>'
        for high, kind in ((there, "dropped"), (kept, "kept"))
    )


def _coverage(found: Facts) -> str:
    rows = [
        [escape(label), number(found[key]["before"]), number(found[key]["after"])]
        for key, label in COVERAGE.items()
        if key in found
    ]
    if not rows:
        return ""
    notes = []
    if found.get("mean_cosine_to_kept") is not None:
        notes.append(f"A dropped row's nearest kept row has a mean cosine of {found['mean_cosine_to_kept']:.2f}.")
    if copies := found.get("kept_near_copies"):
        notes.append(f"{number(copies)} kept rows have a kept near-copy (cosine 0.9 or more).")
    table = markup.table("Coverage", ["", "Before", "After"], rows)
    return table + (markup.paragraph(" ".join(notes), "note") if notes else "")


def _map(points: Sequence[Sequence[float]]) -> str:
    """Return rows on their first two principal directions, dropped ones first so that kept ones lie on top."""
    if not points:
        return ""
    sides = [[point[axis] for point in points] for axis in (0, 1)]
    low, size = [min(side) for side in sides], [max(max(side) - min(side), 1e-9) for side in sides]
    dots = "".join(
        f'<circle cx="{2 + 96 * (x - low[0]) / size[0]:.1f}%" cy="{8 + (MAP_PX - 16) * (y - low[1]) / size[1]:.0f}" '
        f'r="{4 if kept else 3}" class="{"kept" if kept else "dropped"}"/>'
        for x, y, kept in sorted(points, key=lambda point: point[2])
    )
    kept = sum(int(point[2]) for point in points)
    told = f"{kept} kept and {len(points) - kept} dropped rows."
    return _figure("A map of rows: kept ones filled, others pale", told, MAP_PX, dots)


def _figure(title: str, told: str, height: int, inside: str) -> str:
    return (
        f'<figure class="dots"><figcaption>{escape(title)}</figcaption><svg width="100%" height="{height}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{inside}</svg></figure>"
    )
