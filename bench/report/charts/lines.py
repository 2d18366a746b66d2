"""
A panel of curves with their names at the right end, shared by the charts of growth.

The time axis is logarithmic. Names that would overlap are moved apart, and thin lines connect them with their curves.
The panel is as high as its names need. All lengths are points.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate, bounds
from bench.analysis.statistics import Floats
from bench.report.charts.axis import frame, widened
from bench.report.charts.sheet import FULL, Sheet
from bench.report.charts.typesetting import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    LINE_HEIGHT,
    MARGIN,
    MUTED,
    PAPER,
    PURPLE,
    RUST,
    Look,
    text_width,
    wrap,
)

COLOURS = (BLUE, GREEN, PURPLE, AMBER, INK, RUST)
MOST_FULL = len(COLOURS)
"""The greatest number of curves with colours of their own; others are thin and grey."""

Emphasis = Literal["full", "thin", "floor"]

SIZE, FOOT = 8.0, 34.0
FAINT = 0.6
"""Width of the lines behind the curves."""
LEFT, LEADER, WIDEST_NAME = 44.0, 20.0, 190.0
"""Space for the numbers of the axis, for the connecting lines, and for the names."""
LEAST_HEIGHT = 270.0
AROUND = 1.05
"""Ratio between the outermost values and the ends of the axis."""


@dataclass(frozen=True)
class Curve:
    """A curve and its name. NaN makes a gap."""

    name: str
    x: Floats
    y: Floats
    low: Floats
    """Lower ends of the intervals; NaN where there is none."""
    high: Floats
    look: Emphasis


def curve(name: str, x: Sequence[float], estimates: Sequence[Estimate | None], scale: float, look: Emphasis) -> Curve:
    """Return a curve of estimates multiplied by `scale`; None makes a gap."""
    values = [(np.nan,) * 3 if one is None else (one.value, *bounds(one)) for one in estimates]
    value, low, high = np.array(values).T * scale
    return Curve(name, np.array(x, float), value, low, high, look)


@dataclass(frozen=True)
class Plot:
    """Axes, ticks and decoration of a panel."""

    x_label: str
    y_label: str
    ticks: Callable[[float, float], Mapping[float, str]]
    """Returns the labels of the time axis by position, given its two ends."""
    x_ticks: Mapping[float, str]
    x_limits: tuple[float, float]
    x_scale: Mapping[str, Any]
    """Arguments of `Axes.set_xscale`."""
    dots: bool = False
    """Whether to draw a dot at each point, because it was measured."""
    foot: float = 0
    """Height below the curves that stays free, in points."""
    decorate: Callable[[Axes, float, float], None] = field(default=lambda *_: None)
    """Draws anything else; receives axes, width and height."""


def place(sheet: Sheet, curves: Sequence[Curve], plot: Plot) -> None:
    """Place a panel with one or more curves on a sheet and move below it. Each curve needs at least one value."""
    sheet.write(plot.y_label, 8.5, MUTED)
    sheet.y += 6
    column = min(WIDEST_NAME, max(text_width(curve.name, SIZE, "bold") for curve in curves) + 2)
    width = FULL - LEFT - LEADER - column
    labels = [_Label(curve, wrap(curve.name, column, SIZE, _look(curve).get("weight", "normal"))) for curve in curves]
    height = max(LEAST_HEIGHT, sum(label.height for label in labels))
    low, high = _span(curves)
    low /= (high / low) ** (plot.foot / (height - plot.foot))
    ends = np.array([height * np.log(high / curve.y[_last(curve)]) / np.log(high / low) for curve in curves])
    centres = spread(ends, np.array([label.height for label in labels]), height)
    for label, centre in zip(labels, centres, strict=True):
        y = sheet.y + centre - label.height / 2
        for line in label.lines:
            sheet.lines.append((MARGIN + LEFT + width + LEADER, y + SIZE, line, {"size": SIZE, **_look(label.curve)}))
            y += SIZE * LINE_HEIGHT

    def draw(axes: Axes) -> None:
        _draw_frame(axes, plot, (low, high))
        _thin_out(axes, plot.x_ticks, width)
        plot.decorate(axes, width, height)
        colours = cycle(COLOURS)
        for curve, end, centre in zip(curves, ends, centres, strict=True):
            colour = next(colours) if curve.look == "full" else GREY
            _draw_curve(axes, curve, colour, dots=plot.dots)
            across, down = (1 + 3 / width, 1 + (LEADER - 3) / width), (1 - end / height, 1 - centre / height)
            axes.plot(across, down, color=colour, lw=0.6, transform=axes.transAxes, clip_on=False)

    sheet.panel(height, draw, MARGIN + LEFT, width)
    sheet.y += FOOT


def spread(wanted: Floats, heights: Floats, room: float) -> Floats:
    """
    Return the centres of labels in a column, moved apart with the least sum of squared distances.

    :param wanted: the centres that the labels would have without overlaps, from the top.
    :param heights: of the labels; their sum is at most `room`.
    """
    order = np.argsort(wanted, kind="stable")
    above = np.cumsum(heights[order]) - heights[order]
    tops = _ascending(wanted[order] - heights[order] / 2 - above).clip(0, room - heights.sum()) + above
    centres = np.empty_like(wanted)
    centres[order] = tops + heights[order] / 2
    return centres


def _ascending(values: Floats) -> Floats:
    """Return the isotonic regression: the nearest ascending values. `scipy.optimize` has it, but loads slowly."""
    places = range(len(values))
    return np.array([max(min(values[a : b + 1].mean() for b in places[i:]) for a in places[: i + 1]) for i in places])


@dataclass(frozen=True)
class _Label:
    curve: Curve
    lines: list[str]

    @property
    def height(self) -> float:
        return len(self.lines) * SIZE * LINE_HEIGHT + 1


def _look(curve: Curve) -> Look:
    return {"color": INK, "weight": "bold"} if curve.look == "full" else MUTED


def _last(curve: Curve) -> int:
    return int(np.flatnonzero(~np.isnan(curve.y))[-1])


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the two ends of the time axis."""
    values = np.concatenate([curve.y for curve in curves])
    ends = np.concatenate([end for curve in curves for end in (curve.low, curve.high)])
    # The interval of very few rounds would leave no space for the curves, so it may exceed the axis.
    low = max(np.nanmin(np.append(values, ends)), np.nanmin(values) / 2)
    high = min(np.nanmax(np.append(values, ends)), np.nanmax(values) * 2)
    return widened(float(low) / AROUND, float(high) * AROUND)


def _draw_frame(axes: Axes, plot: Plot, limits: tuple[float, float]) -> None:
    ticks = plot.ticks(*limits)
    axes.set_xscale(**plot.x_scale)
    axes.set(yscale="log", xlim=plot.x_limits, ylim=limits)
    for axis, figures in ((axes.xaxis, plot.x_ticks), (axes.yaxis, ticks)):
        axis.set_ticks(list(figures), list(figures.values()))
        axis.set_ticks([], minor=True)
    frame(axes, plot.x_label, "both", line=FAINT)


def _thin_out(axes: Axes, figures: Mapping[float, str], width: float) -> None:
    """Remove labels below the panel that would touch their neighbour on the right."""
    to_share = axes.transData - axes.transAxes
    places = to_share.transform([(value, axes.get_ylim()[0]) for value in figures])[:, 0] * width
    left, kept = np.inf, []
    for place, (value, text) in reversed([*zip(places, figures.items(), strict=True)]):
        half = text_width(text, SIZE) / 2 + 3
        if place + half < left:
            left = place - half
            kept.append((value, text))
    axes.xaxis.set_ticks(*map(list, zip(*kept, strict=True)))


def _draw_curve(axes: Axes, curve: Curve, colour: str, *, dots: bool) -> None:
    full = curve.look == "full"
    looks: dict[Emphasis, dict[str, Any]] = {
        "full": {"lw": 1.7, "zorder": 4, "ms": 4.5, "mfc": colour},
        "thin": {"lw": 0.7, "zorder": 3, "ms": 3, "mfc": colour},
        "floor": {"lw": 1.1, "ls": (0, (4, 3)), "zorder": 3, "ms": 3.5, "mfc": PAPER},
    }
    if full:
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.14, linewidth=0, zorder=2)
    axes.plot(curve.x, curve.y, color=colour, marker="o" if dots else "", mew=0.8, clip_on=False, **looks[curve.look])
