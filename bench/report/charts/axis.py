"""Axes of charts: their looks, limits and ticks."""

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate
from bench.report.charts.typesetting import GREY, INK, LIGHT, PAPER

NARROWEST = 3.0
"""The least ratio of a log axis's ends: a shorter axis would make noise look like a result."""


def milliseconds_reached(costs: Sequence[Estimate]) -> tuple[float, float]:
    """Return the limits of an axis for dots and their intervals, in milliseconds."""
    dots = [cost.value * 1000 for cost in costs] or [1.0]
    ends = [end * 1000 for cost in costs for end in (cost.low, cost.high) if end is not None]
    # The interval of very few rounds is so wide that the dots would have no room, so it may be cut off.
    return widened(max(min(dots + ends), min(dots) / 3), min(max(dots + ends), max(dots) * 3))


def widened(low: float, high: float) -> tuple[float, float]:
    """Return the limits of a log axis that shows both values, centred if they are close together."""
    widen = max(1.0, math.sqrt(NARROWEST * low / high))
    return low / widen, high * widen


def ticks(low: float, high: float) -> list[float]:
    """Return round values for the ticks of a log axis: the more decades, the fewer values in each."""
    wide = math.log10(high / low)
    steps = (1, 1.5, 2, 3, 4, 6) if wide < 1 else (1, 2, 5) if wide < 3 else (1,)  # noqa: PLR2004 - decades
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))]
    return [step * decade for decade in decades for step in steps if low <= step * decade <= high]


def even_ticks(reach: float) -> list[float]:
    """Return at most six round values from 0 on, for the ticks of a linear axis."""
    decade = 10.0 ** math.floor(math.log10(reach / 5))
    step = next(steps * decade for steps in (1, 2, 5, 10) if steps * decade * 5 >= reach)
    return [step * number for number in range(math.floor(reach / step) + 1)]


def place(value: float, limits: tuple[float, float], width: float) -> float:
    """Return the distance of a value from the left end of a log axis, in the unit of `width`."""
    low, high = limits
    return width * math.log(value / low) / math.log(high / low)


def set_ticks(axes: Axes, values: Sequence[float], at: Sequence[float] | None = None) -> None:
    """Label the horizontal axis with values; `at` gives their positions if these are not the values themselves."""
    axes.set_xticks(values if at is None else at, [f"{value:g}" for value in values])
    axes.set_xticks([], minor=True)


def frame(axes: Axes, x_label: str, grid: Literal["both", "x", "y"], *, line: float = 0.7) -> None:
    """Give a panel the common looks: labels without tick marks, a faint grid behind everything, and a base line."""
    axes.tick_params(length=0, labelsize=8, labelcolor=GREY, pad=5)
    axes.set_xlabel(x_label, size=8.5, color=GREY)
    axes.grid(axis=grid, color=LIGHT, linewidth=line)
    axes.set_axisbelow(True)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set(color=LIGHT)


def guide(axes: Axes, y: float) -> None:
    """Draw a faint dotted line across a panel, which leads from a name to its dot."""
    axes.hlines(y, *axes.get_xlim(), color=LIGHT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)


def write_beside(axes: Axes, text: str, at: tuple[float, float], gap: float, *, size: float, zorder: float) -> None:
    """Write to the right of a data point, `gap` points away, with a background that covers the grid."""
    background = {"facecolor": PAPER, "lw": 0, "pad": 1}
    axes.annotate(
        text,
        at,
        xytext=(gap, 0),
        textcoords="offset points",
        va="center_baseline",
        size=size,
        color=INK,
        bbox=background,
        zorder=zorder,
    )
