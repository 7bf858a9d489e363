"""Curves of a measure over data size as one inline SVG: a line per method, whiskers for the intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from newtongue.methods.ladder import Rung
from newtongue.stages.report.markup import escape

WIDTH, HEIGHT, LEFT, FOOT = 640, 320, 70, 46
COLOURS = ("#6b7280", "#0f766e", "#b45309", "#4338ca", "#be123c", "#15803d")
"""One per method, the control first."""


def ladder_chart(name: str, rungs: Sequence[Rung]) -> str:
    """Return the chart of one measured set, sizes on a logarithmic scale, bits per byte upwards.

    Args:
        name: The set.
        rungs: Every method and size, at least one.
    """
    low, high = min(r.value.low for r in rungs), max(r.value.high for r in rungs)
    first, last = min(r.size for r in rungs), max(r.size for r in rungs)

    def x(size: int, number: int) -> float:
        share = (math.log(size) - math.log(first)) / (math.log(last) - math.log(first)) if last > first else 0.5
        return LEFT + 20 + share * (WIDTH - LEFT - 60) + 5 * number

    def y(value: float) -> float:
        return 16 + (HEIGHT - FOOT - 16) * (1 - (value - low) / ((high - low) or 1.0))

    methods = list(dict.fromkeys(r.method for r in rungs))
    parts = [_axis(y, low, high), *(_tick(x(size, 0), size) for size in sorted({r.size for r in rungs}))]
    for number, method in enumerate(methods):
        colour = COLOURS[number % len(COLOURS)]
        mine = sorted((r for r in rungs if r.method == method), key=lambda rung: rung.size)
        points = " ".join(f"{x(r.size, number):.1f},{y(r.value.value):.1f}" for r in mine)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_mark(x(r.size, number), (y(r.value.low), y(r.value.value), y(r.value.high)), colour) for r in mine]
        parts.append(
            f'<text x="{LEFT + 130 * (number % 4)}" y="{HEIGHT - 14 + 16 * (number // 4)}" fill="{colour}">'
            f"{escape(method)}</text>"
        )
    title = f"{name}: bits per byte over rows trained on, 95 % intervals"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT + 20}" width="100%" '
        f'role="img" font-family="sans-serif" font-size="13"><title>{escape(title)}</title>{"".join(parts)}'
        "</svg></figure>"
    )


def _axis(y: Callable[[float], float], low: float, high: float) -> str:
    lines = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = low + share * (high - low)
        place = y(value)
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{place:.1f}" y2="{place:.1f}" stroke="#d1d5db"/>'
            f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end" fill="#6b7280">{value:.3f}</text>'
        )
    return "".join(lines)


def _tick(place: float, size: int) -> str:
    return f'<text x="{place:.1f}" y="{HEIGHT - FOOT + 18}" text-anchor="middle" fill="#6b7280">{size:,}</text>'


def _mark(place: float, ends: tuple[float, float, float], colour: str) -> str:
    low, middle, high = ends
    return (
        f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" opacity="0.5"/>'
        f'<circle cx="{place:.1f}" cy="{middle:.1f}" r="4" fill="{colour}"/>'
    )
