"""Charts as inline SVG that keep their letters readable at any width: positions in per cent, type in page units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from newtongue.stages.report.markup import escape

ROW_PX, AXIS_PX, CURVE_PX = 44, 34, 260
LONGEST_LABEL = 34
"""Characters of a row's label; values stand on the same line."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal or vertical scale.

    Attributes:
        low: Value at the start.
        high: Value at the end, above `low`.
        ticks: Values that are labelled.
        logarithmic: Whether equal distances are equal ratios.
        label: Value -> text of a tick.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool
    label: Callable[[float], str]

    def place(self, value: float) -> float:
        """Return the position of a value in per cent of the axis, cut to its ends."""
        scale: Callable[[float], float] = math.log if self.logarithmic else float
        share = (scale(min(max(value, self.low), self.high)) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(100 * share, 2)


def logarithmic_axis(values: Sequence[float]) -> Axis:
    """Return an axis over positive values: ticks at powers of two, closer ones when it is short, room at both ends."""
    low, high = min(values) * 0.93, max(values) * 1.06
    octaves = range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)
    step = next(step for most, step in ((1.5, 0.125), (2.5, 0.25), (16.0, 0.5), (math.inf, 1.0)) if high / low <= most)
    steps = tuple(1 + step * k for k in range(int(1 / step)))
    ticks = tuple(step * 2.0**k for k in octaves for step in steps if low <= step * 2.0**k <= high)
    return Axis(low, high, ticks, True, lambda value: f"{value:g}")


def change_axis(values: Sequence[float]) -> Axis:
    """Return an axis of relative changes that holds zero, with round steps, labelled in per cent."""
    width = max(max(values), 0.0) - min(min(values), 0.0)
    low, high = min(min(values), 0.0) - 0.08 * width - 0.001, max(max(values), 0.0) + 0.08 * width + 0.001
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100) if (high - low) / s <= 7)
    ticks = tuple(k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Axis(low, high, ticks, False, lambda value: f"{100 * value:+g} %".replace("-", "−") if value else "0")


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a dot plot: a value with its interval.

    Attributes:
        label: What it is.
        text: The value as words.
        value: Its place.
        low: Lower end of the interval.
        high: Upper end.
        kind: `model`, `final` or `control`: decides the mark.
    """

    label: str
    text: str
    value: float
    low: float
    high: float
    kind: str = "model"


def dot_plot(title: str, dots: Sequence[Dot], axis: Axis, lines: Mapping[str, float]) -> str:
    """Return rows of dots with intervals over one axis, and labelled reference lines.

    Args:
        title: What it shows, for readers who cannot see it; the description lists all values.
        dots: Rows from top to bottom.
        axis: Scale of the values.
        lines: Label -> value of each reference line.
    """
    height = ROW_PX * len(dots) + AXIS_PX
    told = "; ".join(f"{dot.label}: {dot.text}" for dot in dots)
    parts = [_reference(label, axis.place(value), height) for label, value in lines.items()]
    parts += [_dot(dot, axis, ROW_PX * row) for row, dot in enumerate(dots)]
    parts += [_tick(axis, tick, height - 2) for tick in axis.ticks]
    return _figure(title, told, height, "".join(parts))


def _dot(dot: Dot, axis: Axis, top: int) -> str:
    y, low, high = top + 32, axis.place(dot.low), axis.place(dot.high)
    return (
        f'<text x="0" y="{top + 17}" class="label">{escape(_short(dot.label))}</text>'
        f'<text x="100%" y="{top + 17}" class="value" text-anchor="end">{escape(dot.text)}</text>'
        f'<line x1="0" x2="100%" y1="{y}" y2="{y}" class="track"/>'
        f'<line x1="{low}%" x2="{high}%" y1="{y}" y2="{y}" class="spread {dot.kind}"/>'
        f'<circle cx="{axis.place(dot.value)}%" cy="{y}" r="5" class="mark {dot.kind}"/>'
    )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _reference(label: str, place: float, height: int) -> str:
    foot = height - AXIS_PX + 6
    anchor, shift = ("end", -5) if place > 50 else ("start", 5)
    return (
        f'<line x1="{place}%" x2="{place}%" y1="22" y2="{foot}" class="reference"/>'
        f'<text x="{place}%" dx="{shift}" y="{foot + 2}" class="tick reference-label" text-anchor="{anchor}">'
        f"{escape(label)}</text>"
    )


def _tick(axis: Axis, tick: float, y: float) -> str:
    place = axis.place(tick)
    anchor = "start" if place < 4 else "end" if place > 96 else "middle"
    return f'<text x="{place}%" y="{y}" class="tick" text-anchor="{anchor}">{escape(axis.label(tick))}</text>'


def line_chart(title: str, series: Mapping[str, Sequence[Sequence[float]]], axis: Axis, unit: str) -> str:
    """Return curves over a common horizontal scale that starts at zero, with a legend below.

    Args:
        title: What it shows.
        series: Name -> points (x, y), x not decreasing.
        axis: Vertical scale.
        unit: Unit of x, for its last label.
    """
    right = max(point[0] for points in series.values() for point in points)
    grid = "".join(_grid(axis, tick) for tick in axis.ticks)
    curves = "".join(_curve(n, points, axis, right) for n, points in enumerate(series.values()))
    plot = f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="{CURVE_PX}">{curves}</svg>'
    foot = (
        f'<text x="0" y="{CURVE_PX + 20}" class="tick">0</text>'
        f'<text x="100%" y="{CURVE_PX + 20}" class="tick" text-anchor="end">{right:,.0f} {escape(unit)}</text>'
    )
    told = "; ".join(f"{name}: from {points[0][1]:.2f} to {points[-1][1]:.2f}" for name, points in series.items())
    keys = "".join(_key(n, name) for n, name in enumerate(series))
    return _figure(title, told, CURVE_PX + 26, grid + plot + foot, below=f'<ul class="keys">{keys}</ul>')


def _grid(axis: Axis, tick: float) -> str:
    y = round(CURVE_PX * (1 - axis.place(tick) / 100), 1)
    return (
        f'<line x1="0" x2="100%" y1="{y}" y2="{y}" class="track"/>'
        f'<text x="0" dx="-8" y="{y + 4}" class="tick" text-anchor="end">{escape(axis.label(tick))}</text>'
    )


def _curve(order: int, points: Sequence[Sequence[float]], axis: Axis, right: float) -> str:
    path = " ".join(f"{1000 * x / right:.1f},{1000 - 10 * axis.place(y):.1f}" for x, y in points)
    return f'<polyline points="{path}" class="curve series-{order % 4}" vector-effect="non-scaling-stroke"/>'


def _key(order: int, name: str) -> str:
    line = f'<line x1="0" x2="26" y1="6" y2="6" class="curve series-{order % 4}"/>'
    return f'<li><svg width="26" height="12" aria-hidden="true">{line}</svg> {escape(name)}</li>'


def _figure(title: str, told: str, height: int, inside: str, *, below: str = "") -> str:
    return (
        f'<figure class="{"curves" if below else "dots"}"><figcaption>{escape(title)}</figcaption>'
        f'<svg width="100%" height="{height}" role="img"><title>{escape(title)}</title><desc>{escape(told)}</desc>'
        f"{inside}</svg>{below}</figure>"
    )
