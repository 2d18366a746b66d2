"""
Fidelity against cost per test: a dot for each strategy, and the Pareto frontier.

All lengths are points. Everything that belongs to a strategy has an id in the SVG, so that the page can fade those that
do not suit the reader's application.
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
from bench.report.charts.axis import frame, milliseconds_reached, place, set_ticks, ticks
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
    ROUNDING,
    Look,
    text_width,
    wrap,
)
from bench.report.formatting import caution, few, listed, milliseconds, significant, tied_with
from bench.strategy.probe_catalogue import Probe

HOW_TO_READ = (
    "Probes passed against milliseconds per test; bars are 95 % confidence intervals. Blue and bold: the Pareto "
    "frontier; no significantly cheaper strategy passes as many probes. Hollow dots are not ranked. Which probes "
    "matter depends on the application."
)
ALL = len(Probe)

LEFT, BELOW = 36.0, 36.0
"""Space for the labels of the axes."""
WIDE = FULL - LEFT
"""The width of the panel."""
INSET = 14.0
"""Between the outermost dots and the edges of the panel."""
LOWEST, CROWD, GROWTH = 290.0, 4.0, 1.2
"""The least height of the panel, its least area relative to that of the labels, and its growth until all labels fit."""
NAME_SIZE, NAME_MAX = 8.5, 180.0
TICKS_APART = 5
"""Probes."""
SPACING = 4.0
"""The distance between points that represent a line."""
TWICE = 1.95
"""A ratio from this on is written as a multiple, a smaller one as a percentage."""


def picture(analysis: Analysis) -> Picture | None:
    """Draw the probes that the tests of each strategy pass against its cost; None if no strategy has both figures."""
    shown = _shown(analysis)
    if not shown:
        return None
    sheet = Sheet()
    sheet.head(sentence(analysis), HOW_TO_READ)
    panel = _panel(shown)
    sheet.panel(panel.scale.height, panel.draw, MARGIN + LEFT, WIDE)
    sheet.y += BELOW
    place_left_out(sheet, analysis, shown)
    sheet.footer(analysis)
    return sheet.picture("tradeoff", "Fidelity against cost per test")


def frontier(results: Sequence[StrategyResult]) -> list[StrategyResult]:
    """
    Return the Pareto frontier: the ranked strategies for which no cheaper one passes at least as many probes.

    A strategy is cheaper only if the difference is significant; a tie removes no strategy from the frontier.

    :param results: probed strategies, cheapest first.
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
    """State how many probes the cheapest strategies pass, and what it costs to pass the most."""
    shown, among = _shown(analysis), ""
    if analysis.need:
        among = f"Where tests must see {listed(analysis.need)}: "
    elif any(result.ranked and result not in shown for result in analysis.strategies):
        among = "Of the probed strategies: "
    return among + _finding([result for result in shown if result.ranked], analysis)


def _finding(ranked: Sequence[StrategyResult], analysis: Analysis) -> str:
    if not ranked:
        return "No probed strategy is ranked"
    best, most = ranked[0], max(map(_count, ranked))
    if len(ranked) == 1:
        return f"{best.facts.name} costs {milliseconds(best.per_test)} per test and passes {most} of {ALL} probes"
    if doubt := caution(analysis):
        return f"{doubt}: {_passing_most(most, ranked)}"
    tied = tied_with(best, ranked[1:])
    cheap = [result for result in ranked if result is best or result.facts.name in tied]
    most_of_cheap = max(map(_count, cheap))
    if all(_count(result) == most_of_cheap for result in cheap):
        one, several = f"{best.facts.name} is cheapest and", f"{len(cheap)} strategies tie as cheapest, and each"
        share = f"the most probes, {most} of {ALL}" if most == most_of_cheap else f"{most_of_cheap} of {ALL} probes"
        found = f"{one if len(cheap) == 1 else several} passes {share}"
    else:
        found = f"Of {len(cheap)} strategies that tie as cheapest, {_passing_most(most_of_cheap, cheap)}"
    return found if most == most_of_cheap else f"{found}; {_price_of_most(ranked, most, analysis)}"


def _passing_most(count: int, results: Sequence[StrategyResult]) -> str:
    """Name the strategies that pass that number of probes, which is the largest."""
    names = [result.facts.name for result in results if _count(result) == count]
    return f"{few(names)} {'passes' if len(names) == 1 else 'pass'} the most probes, {count} of {ALL}"


def _price_of_most(ranked: Sequence[StrategyResult], most: int, analysis: Analysis) -> str:
    """State the cost of the cheapest strategy that passes the most probes, and which strategies tie with it."""
    able, *others = [result for result in ranked if _count(result) == most]
    names = few([able.facts.name, *tied_with(able, others)])
    what = f"passing all {ALL} costs" if most == ALL else f"passing {most}, the most, costs"
    ratio, cheapest = able.to_best, next(result.facts.name for result in analysis.strategies if result.ranked)
    if ratio is None:
        return f"{what} {milliseconds(able.per_test)} per test, under {names}"
    more = f"{100 * ratio.value - 100:.0f} % more than"
    times = f"{significant(ratio.value, 2)}x as much as" if ratio.value >= TWICE else more
    return f"{what} {times} {cheapest}, under {names}"


# --- the panel


@dataclass(frozen=True)
class _Scale:
    """Converts figures to points from the bottom left corner of the panel."""

    limits: tuple[float, float]
    """Of the cost axis, in milliseconds."""
    fewest: int
    """The number of probes at which the axis begins."""
    height: float

    def x(self, seconds: float) -> float:
        """Return the position of a cost, clipped to the axis."""
        low, high = self.limits
        return INSET + place(min(max(seconds * 1000, low), high), self.limits, WIDE - 2 * INSET)

    def y(self, probes: int) -> float:
        """Return the position of a number of probes."""
        return INSET + (probes - self.fewest) / (ALL - self.fewest) * (self.height - 2 * INSET)


@dataclass(frozen=True)
class _Dot:
    """A strategy on the panel."""

    name: str
    ranked: bool
    on_frontier: bool
    at: Point
    interval: tuple[float, float]
    """Left and right end; without an interval, both are the position of the dot."""

    @property
    def lines(self) -> list[str]:
        """Return the lines of its label."""
        name = wrap(self.name, NAME_MAX, NAME_SIZE, self.look.get("weight", "normal"))
        return name if self.ranked else [*name, "not ranked"]

    @property
    def size(self) -> Point:
        """Return the width and height of its label."""
        widths = [text_width(line, NAME_SIZE, self.look.get("weight", "normal")) for line in self.lines]
        return ROUNDING * max(widths), len(widths) * NAME_SIZE * LINE_HEIGHT

    @property
    def look(self) -> Look:
        """Return the style of its label."""
        if self.on_frontier:
            return BOLD
        return MUTED if self.ranked else {**MUTED, "style": "italic"}


@dataclass(frozen=True)
class _Panel:
    """Everything that is drawn between the axes."""

    scale: _Scale
    dots: Sequence[_Dot]
    labels: Sequence[Place]
    """One for each dot."""

    def draw(self, axes: Axes) -> None:
        scale = self.scale
        axes.set(xlim=(0, WIDE), ylim=(0, scale.height))
        shown = ticks(*scale.limits)
        set_ticks(axes, shown, [scale.x(tick / 1000) for tick in shown])
        counts = [*range(scale.fewest, ALL - 1, TICKS_APART), ALL]
        axes.set_yticks([scale.y(count) for count in counts], [str(count) for count in counts])
        frame(axes, "milliseconds per test (log scale)", "both")
        axes.set_ylabel(f"probes passed, of {ALL}", size=8.5, color=GREY)
        if steps := _steps(self.dots):
            axes.plot(*zip(*steps, strict=True), color=BLUE, linewidth=0.9, zorder=2, gid="tradeoff-frontier")
        for dot, label in zip(self.dots, self.labels, strict=True):
            _draw_dot(axes, dot)
            _draw_label(axes, dot, label)


def _panel(shown: Sequence[StrategyResult], height: float = LOWEST) -> _Panel:
    """Return a panel of that height, or a higher one if the labels need more space."""
    # An axis that begins above half would exaggerate a difference of a few probes.
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
    """Return the corners of the frontier, from its cheapest dot to the upper right."""
    corners: list[Point] = []
    for x, y in sorted(dot.at for dot in dots if dot.on_frontier):
        level = corners[-1][1] if corners else y
        corners += [(x, level), (x, max(y, level))]
    return [*corners, (WIDE, corners[-1][1])] if corners else []


def _labels(dots: Sequence[_Dot], height: float) -> list[Place] | None:
    """Place the labels, those of the frontier first; return None if they need a higher panel."""
    sizes = [dot.size for dot in dots]
    if CROWD * sum(width * high for width, high in sizes) > WIDE * height:
        return None
    intervals = [tuple((end, dot.at[1]) for end in dot.interval) for dot in dots]
    drawn = [point for line in [*pairwise(_steps(dots)), *intervals] for point in _along(*line)]
    return places([dot.at for dot in dots], sizes, (WIDE, height), drawn)


def _along(start: Point, end: Point) -> list[Point]:
    """Return points along a line, which labels avoid."""
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
