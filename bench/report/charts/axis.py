"""What axes of the pictures share: their looks, how far they reach, where their ticks stand, and where a value does."""

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate
from bench.report.charts.typesetting import GREY, INK, LIGHT, PAPER

NARROWEST = 3.0
"""An axis over less than this factor would make noise look like a result."""


def milliseconds_reached(costs: Sequence[Estimate]) -> tuple[float, float]:
    """Return the milliseconds between which dots and intervals are drawn."""
    dots = [cost.value * 1000 for cost in costs] or [1.0]
    ends = [end * 1000 for cost in costs for end in (cost.low, cost.high) if end is not None]
    # The interval of very few rounds would leave the dots no room, so it may run off the axis.
    return widened(max(min(dots + ends), min(dots) / 3), min(max(dots + ends), max(dots) * 3))


def widened(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis that holds both values, in the middle of it if they are close."""
    widen = max(1.0, math.sqrt(NARROWEST * low / high))
    return low / widen, high * widen


def ticks(low: float, high: float) -> list[float]:
    """Return round values between both, the fewer to a decade the more decades there are."""
    wide = math.log10(high / low)
    steps = (1, 1.5, 2, 3, 4, 6) if wide < 1 else (1, 2, 5) if wide < 3 else (1,)  # noqa: PLR2004 - decades
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))]
    return [step * decade for decade in decades for step in steps if low <= step * decade <= high]


def even_ticks(reach: float) -> list[float]:
    """Return round values from 0 on, six at most: the ticks of a linear axis."""
    decade = 10.0 ** math.floor(math.log10(reach / 5))
    step = next(steps * decade for steps in (1, 2, 5, 10) if steps * decade * 5 >= reach)
    return [step * number for number in range(math.floor(reach / step) + 1)]


def place(value: float, limits: tuple[float, float], width: float) -> float:
    """Return how many points from the left end of an axis of that width a value stands."""
    low, high = limits
    return width * math.log(value / low) / math.log(high / low)


def frame(axes: Axes, x_label: str, grid: Literal["both", "x", "y"], *, line: float = 0.7) -> None:
    """Give a panel the looks of all: figures without ticks, a faint grid below everything, a line at the foot."""
    axes.tick_params(length=0, labelsize=8, labelcolor=GREY, pad=5)
    axes.set_xlabel(x_label, size=8.5, color=GREY)
    axes.grid(axis=grid, color=LIGHT, linewidth=line)
    axes.set_axisbelow(True)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set(color=LIGHT)


def write_beside(axes: Axes, words: str, at: tuple[float, float], gap: float, *, size: float, zorder: float) -> None:
    """Write to the right of a point of the data, so many points away, on a ground that keeps the grid from crossing."""
    halo = {"facecolor": PAPER, "lw": 0, "pad": 1}
    axes.annotate(
        words,
        at,
        xytext=(gap, 0),
        textcoords="offset points",
        va="center_baseline",
        size=size,
        color=INK,
        bbox=halo,
        zorder=zorder,
    )
