"""
What tests see of a real Postgres against what a test costs: a dot for each strategy, and the frontier.

All lengths are points. Every artist of a strategy has an id in the SVG, so that a page can say which of them a reader
can use. Looks may change freely.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate
from bench.analysis.fidelity import seen
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import frame, milliseconds_reached, place, ticks
from bench.report.charts.footer import place_footer
from bench.report.charts.labels import Place, Point, places
from bench.report.charts.rows import place_left_out
from bench.report.charts.sheet import FULL, Sheet
from bench.report.charts.typesetting import (
    BLUE,
    BOLD,
    GREY,
    LINE_HEIGHT,
    MARGIN,
    MUTED,
    PAPER,
    Look,
    text_width,
    wrap,
)
from bench.report.formatting import caution, few, listed, milliseconds, significant, tied_with
from bench.strategy.probe_catalogue import Probe

HOW_TO_READ = (
    "Higher sees more, farther left costs less. Blue, bold: the frontier, where no strategy that is told apart as "
    "cheaper sees as many. Line across a dot: 95 % interval. Hollow: not ranked. More is not better for everyone."
)
ALL = len(Probe)

LEFT, BELOW = 36.0, 36.0
"""Room for the words of the axes."""
WIDE = FULL - LEFT
"""Width of the panel."""
INSET = 14.0
"""Between the outermost dots and the edges of the panel."""
LOWEST, CROWD, GROWTH = 290.0, 4.0, 1.2
"""Least height of the panel; how many times the labels' area it has at least; its growth until all find a place."""
NAME_SIZE, NAME_MAX = 8.5, 180.0
ROUNDING = 1.04
"""By how much letters on whole pixels may be wider than measured."""
TICKS_APART = 5
"""Probes."""
SPACING = 4.0
"""Between points that stand for a line."""
TWICE = 1.95
"""From this ratio on it is said as a multiple, below as a percentage."""


def picture(analysis: Analysis) -> Picture | None:
    """Draw how many probes the tests of each strategy see over milliseconds per test; None where none has both."""
    shown = _shown(analysis)
    if not shown:
        return None
    sheet = Sheet()
    sheet.head(sentence(analysis), HOW_TO_READ)
    panel = _panel(shown)
    sheet.panel(panel.scale.height, panel.draw, MARGIN + LEFT, WIDE)
    sheet.y += BELOW
    place_left_out(sheet, analysis, shown)
    place_footer(sheet, analysis)
    return sheet.picture("tradeoff", "What tests see, and what it costs")


def frontier(results: Sequence[StrategyResult]) -> list[StrategyResult]:
    """
    Return the ranked strategies than which none is both cheaper and sees as many probes, or more.

    Cheaper is what comes before in the order of the analysis and shares no letter: a strategy that ties with a cheaper
    one may be as cheap, so it stays. Probes are counted; which ones a reader needs, only the reader knows.

    :param results: probed, in the order of the analysis.
    """
    ranked = [result for result in results if result.ranked]
    return [
        result
        for number, result in enumerate(ranked)
        if not any(_count(other) >= _count(result) and not tied_with(other, [result]) for other in ranked[:number])
    ]


def _shown(analysis: Analysis) -> list[StrategyResult]:
    return [result for result in analysis.strategies if result.per_test and result.fidelity]


def _count(result: StrategyResult) -> int:
    return len(seen(result.fidelity)) if result.fidelity else 0


# --- the sentence


def sentence(analysis: Analysis) -> str:
    """Say what the cheapest strategies see, and what it costs to see the most."""
    shown, among = _shown(analysis), ""
    if analysis.need:
        among = f"Where tests must see {listed(analysis.need)}: "
    elif any(result.ranked and result not in shown for result in analysis.strategies):
        among = "Of those probed: "
    return among + _finding([result for result in shown if result.ranked], analysis)


def _finding(ranked: Sequence[StrategyResult], analysis: Analysis) -> str:
    if not ranked:
        return "No strategy that was probed is ranked"
    best, most = ranked[0], max(map(_count, ranked))
    if len(ranked) == 1:
        return f"{best.facts.name} costs {milliseconds(best.per_test)} per test and sees {most} of {ALL}"
    if doubt := caution(analysis):
        return f"{doubt}: {_seeing(most, ranked)} most, {most} of {ALL}"
    tied = tied_with(best, ranked[1:])
    cheap = [result for result in ranked if result is best or result.facts.name in tied]
    most_of_cheap = max(map(_count, cheap))
    if len(cheap) == 1:
        found = f"{best.facts.name} costs least and sees {'most, ' if most == most_of_cheap else ''}{most_of_cheap}"
    elif all(_count(result) == most_of_cheap for result in cheap):
        found = f"{len(cheap)} strategies tie for the least cost, and each sees {most_of_cheap}"
    else:
        tie = f"Of {len(cheap)} strategies that tie for the least cost, {_seeing(most_of_cheap, cheap)} most"
        found = f"{tie}, {most_of_cheap}"
    dearer = "" if most == most_of_cheap else f"; {_price_of_most(ranked, most, analysis)}"
    return f"{found} of {ALL}{dearer}"


def _seeing(count: int, results: Sequence[StrategyResult]) -> str:
    """Name those whose tests see so many probes."""
    names = [result.facts.name for result in results if _count(result) == count]
    return f"{few(names)} {'sees' if len(names) == 1 else 'see'}"


def _price_of_most(ranked: Sequence[StrategyResult], most: int, analysis: Analysis) -> str:
    """Say what it costs to see the most, with the cheapest strategy that does and those that tie with it."""
    able, *others = [result for result in ranked if _count(result) == most]
    names = few([able.facts.name, *tied_with(able, others)])
    what = f"all {ALL} cost" if most == ALL else f"the most, {most}, cost"
    ratio, cheapest = able.to_best, next(result.facts.name for result in analysis.strategies if result.ranked)
    if ratio is None:
        return f"{what} {milliseconds(able.per_test)} per test, with {names}"
    more = f"{100 * ratio.value - 100:.0f} % more than"
    times = f"{significant(ratio.value, 2)}x as much as" if ratio.value >= TWICE else more
    return f"{what} {times} {cheapest}, with {names}"


# --- the panel


@dataclass(frozen=True)
class _Scale:
    """From figures to points from the panel's bottom left corner."""

    limits: tuple[float, float]
    """Of the axis, in milliseconds."""
    fewest: int
    """Probes seen where the axis begins."""
    height: float

    def x(self, seconds: float) -> float:
        """Return the place of a cost; an interval may run off the axis."""
        low, high = self.limits
        return INSET + place(min(max(seconds * 1000, low), high), self.limits, WIDE - 2 * INSET)

    def y(self, probes: int) -> float:
        """Return the place of so many probes."""
        return INSET + (probes - self.fewest) / (ALL - self.fewest) * (self.height - 2 * INSET)


@dataclass(frozen=True)
class _Dot:
    """A strategy on the panel."""

    name: str
    ranked: bool
    on_frontier: bool
    at: Point
    interval: tuple[float, float]
    """Left and right end; both are the dot's where there is none."""

    @property
    def lines(self) -> list[str]:
        """Return the words of its label."""
        name = wrap(self.name, NAME_MAX, NAME_SIZE, self.look.get("weight", "normal"))
        return name if self.ranked else [*name, "not ranked"]

    @property
    def size(self) -> Point:
        """Return the width and height of its label."""
        widths = [text_width(line, NAME_SIZE, self.look.get("weight", "normal")) for line in self.lines]
        return ROUNDING * max(widths), len(widths) * NAME_SIZE * LINE_HEIGHT

    @property
    def look(self) -> Look:
        """Return how its label is set."""
        if self.on_frontier:
            return BOLD
        return MUTED if self.ranked else {**MUTED, "style": "italic"}


@dataclass(frozen=True)
class _Panel:
    """Everything that stands between the axes."""

    scale: _Scale
    dots: Sequence[_Dot]
    labels: Sequence[Place]
    """One for each dot."""

    def draw(self, axes: Axes) -> None:
        scale = self.scale
        axes.set(xlim=(0, WIDE), ylim=(0, scale.height))
        shown = ticks(*scale.limits)
        axes.set_xticks([scale.x(tick / 1000) for tick in shown], [f"{tick:g}" for tick in shown])
        counts = [*range(scale.fewest, ALL - 1, TICKS_APART), ALL]
        axes.set_yticks([scale.y(count) for count in counts], [str(count) for count in counts])
        frame(axes, "milliseconds per test (log scale)", "both")
        axes.set_ylabel(f"probes that tests see, of {ALL}", size=8.5, color=GREY)
        if steps := _steps(self.dots):
            axes.plot(*zip(*steps, strict=True), color=BLUE, linewidth=0.9, zorder=2, gid="tradeoff-frontier")
        for dot, label in zip(self.dots, self.labels, strict=True):
            _draw_dot(axes, dot)
            _draw_label(axes, dot, label)


def _panel(shown: Sequence[StrategyResult], height: float = LOWEST) -> _Panel:
    """Make a panel of that height, or as much higher as the labels need it."""
    # An axis that began above half would make a few probes look like a gulf.
    fewest = min(ALL // 2, *map(_count, shown)) // TICKS_APART * TICKS_APART
    costs = {result.facts.name: result.per_test for result in shown if result.per_test}
    scale = _Scale(milliseconds_reached([*costs.values()]), fewest, height)
    best = frontier(shown)
    dots = [_dot(result, costs[result.facts.name], scale, on_frontier=True) for result in best]
    dots += [_dot(one, costs[one.facts.name], scale, on_frontier=False) for one in shown if one not in best]
    labels = _labels(dots, height)
    return _panel(shown, height * GROWTH) if labels is None else _Panel(scale, dots, labels)


def _dot(result: StrategyResult, cost: Estimate, scale: _Scale, *, on_frontier: bool) -> _Dot:
    low, high = (cost.value if end is None else end for end in (cost.low, cost.high))
    return _Dot(
        name=result.facts.name,
        ranked=result.ranked,
        on_frontier=on_frontier,
        at=(scale.x(cost.value), scale.y(_count(result))),
        interval=(scale.x(low), scale.x(high)),
    )


def _steps(dots: Sequence[_Dot]) -> list[Point]:
    """Return the corners of the frontier: from its cheapest dot up and to the right, never down."""
    corners: list[Point] = []
    for x, y in sorted(dot.at for dot in dots if dot.on_frontier):
        level = corners[-1][1] if corners else y
        corners += [(x, level), (x, max(y, level))]
    return [*corners, (WIDE, corners[-1][1])] if corners else []


def _labels(dots: Sequence[_Dot], height: float) -> list[Place] | None:
    """Place the labels, those of the frontier first; None where they need a higher panel."""
    sizes = [dot.size for dot in dots]
    if CROWD * sum(width * high for width, high in sizes) > WIDE * height:
        return None
    intervals = [tuple((end, dot.at[1]) for end in dot.interval) for dot in dots]
    drawn = [point for line in [*pairwise(_steps(dots)), *intervals] for point in _along(*line)]
    return places([dot.at for dot in dots], sizes, (WIDE, height), drawn)


def _along(start: Point, end: Point) -> list[Point]:
    """Return points on a line, for labels to keep off."""
    steps = max(1, round(math.dist(start, end) / SPACING))
    return [(float(x), float(y)) for x, y in np.linspace(start, end, steps + 1)]


def _draw_dot(axes: Axes, dot: _Dot) -> None:
    (x, y), color = dot.at, BLUE if dot.on_frontier else GREY
    axes.plot(dot.interval, (y, y), color=color, linewidth=2.2, zorder=3, gid=f"tradeoff-interval-{dot.name}")
    face, size = color if dot.ranked else PAPER, 7 if dot.on_frontier else 5
    axes.plot(x, y, "o", ms=size, color=color, markerfacecolor=face, zorder=4, gid=f"tradeoff-dot-{dot.name}")


def _draw_label(axes: Axes, dot: _Dot, label: Place) -> None:
    if label.line:
        line = zip(*label.line, strict=True)
        axes.plot(*line, color=GREY, linewidth=0.5, zorder=2, gid=f"tradeoff-leader-{dot.name}")
    words, look = "\n".join(dot.lines), {"size": NAME_SIZE, "parse_math": False, **dot.look}
    axes.text(label.left, label.bottom, words, va="bottom", zorder=5, gid=f"tradeoff-label-{dot.name}", **look)
