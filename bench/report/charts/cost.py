"""
Milliseconds per test of each strategy: a dot with its confidence interval.

What it says comes from `bench/report/formatting.py`. Looks may change freely.
"""

from dataclasses import dataclass, field

from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import frame, milliseconds_reached, place, ticks, write_beside
from bench.report.charts.footer import place_footer
from bench.report.charts.sheet import WIDTH, Sheet
from bench.report.charts.typesetting import (
    BLUE,
    BOLD,
    GAP,
    GREY,
    INK,
    ITALIC,
    LIGHT,
    MARGIN,
    MUTED,
    PAPER,
    text_width,
    wrap,
)
from bench.report.findings_text import not_ranked_text
from bench.report.formatting import headline, milliseconds
from bench.strategy.declaration import FLOOR

HOW_TO_READ = (
    "Dot: median over tests, then rounds. Line: 95 % interval, if wider. Hollow: not ranked. Same letter: tied."
)

# In points, as all lengths below.
NAMES_MIN, NAMES_MAX, TIES = 200.0, 262.0, 28.0
VALUE_SIZE = 9.0


def picture(analysis: Analysis) -> Picture:
    """Draw milliseconds per test: a row per strategy, cheapest first."""
    widths = [text_width(result.facts.name, 9.5, "bold") for result in analysis.strategies]
    sheet = _Sheet(names=min(max([NAMES_MIN, *widths]), NAMES_MAX))
    sheet.head(headline(analysis), HOW_TO_READ)
    _place_strategies(sheet, analysis)
    place_footer(sheet, analysis)
    return sheet.picture("cost", "Milliseconds per test")


# --- what stands on the sheet


@dataclass
class _Sheet(Sheet):
    names: float = NAMES_MIN
    """Width of the column of names."""

    @property
    def panel_left(self) -> float:
        return MARGIN + self.names + GAP


@dataclass
class _Panel:
    """The part with the axis: where it stands on the page, and the rows in it."""

    left: float
    width: float
    limits: tuple[float, float]
    """Of the axis, in milliseconds."""
    reach: float
    """Milliseconds to which dots and intervals go; beyond is room for their values."""
    floor: Estimate | None
    band: tuple[float, float] | None
    """Milliseconds between which a difference from the floor is noise."""
    top: float = 0
    bottom: float = 0
    rows: list[tuple[float, StrategyResult]] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Return the place on the page of so many milliseconds."""
        return self.left + place(value, self.limits, self.width)

    def draw(self, axes: Axes) -> None:
        shown = ticks(*self.limits)
        axes.set(xscale="log", xlim=self.limits, ylim=(self.bottom, self.top), yticks=[])
        axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
        axes.set_xticks([], minor=True)
        frame(axes, "milliseconds per test (log scale)", "x")
        if self.band:
            axes.axvspan(*self.band, color=GREY, alpha=0.18, linewidth=0)
        if self.floor:
            axes.axvline(self.floor.value * 1000, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        for y, result in self.rows:
            _draw_row(axes, y, result, self.reach)


def _draw_row(axes: Axes, y: float, result: StrategyResult, reach: float) -> None:
    estimate = result.per_test
    if estimate is None:
        return
    left, right = axes.get_xlim()
    value = end = estimate.value * 1000
    axes.hlines(y, left, right, color=LIGHT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    color = BLUE if result.ranked else GREY
    if estimate.low is not None and estimate.high is not None:
        end = min(estimate.high * 1000, reach)
        axes.hlines(y, max(estimate.low * 1000, left), end, color=color, linewidth=2.2, zorder=3)
    face = color if result.ranked else PAPER
    axes.plot(value, y, "o", ms=6.5, color=color, markerfacecolor=face, markeredgewidth=1.5, zorder=4)
    write_beside(axes, milliseconds(estimate), (end, y), 8, size=VALUE_SIZE, zorder=5)


def _place_strategies(sheet: _Sheet, analysis: Analysis) -> None:
    panel = _panel(sheet, analysis)
    ties_left = WIDTH - MARGIN - TIES
    if any(result.letters for result in analysis.strategies):
        sheet.lines.append((ties_left, sheet.y + 8, "ties", {"size": 8, **MUTED}))
    below_heads = sheet.y + 12
    _place_floor_label(sheet, panel)
    sheet.y = panel.top = max(sheet.y, below_heads)
    sheet.y += 6
    for result in analysis.strategies:
        top = sheet.y
        sheet.write(result.letters, 9.5, BOLD, ties_left, TIES)
        sheet.y = top
        panel.rows.append((sheet.y + 6, result))
        sheet.write(result.facts.name, 9.5, BOLD, width=sheet.names)
        sheet.write(result.facts.summary, 8, MUTED, width=sheet.names)
        if not result.ranked:
            sheet.write(f"not ranked: {not_ranked_text(result)}", 8, ITALIC, width=sheet.names)
        sheet.y += 8
    panel.bottom = sheet.y
    sheet.panels.append((panel.left, panel.top, panel.width, panel.bottom - panel.top, panel.draw))
    sheet.y += 40


def _panel(sheet: _Sheet, analysis: Analysis) -> _Panel:
    costs = {result.facts.name: result.per_test for result in analysis.strategies if result.per_test}
    floor, twin = costs.get(FLOOR), analysis.noise.twin_ratio
    band = None
    if floor and twin and twin.low is not None and twin.high is not None:
        band = (floor.value * twin.low * 1000, floor.value * twin.high * 1000)
    width = WIDTH - MARGIN - TIES - GAP - sheet.panel_left
    room = max((text_width(milliseconds(cost), VALUE_SIZE) for cost in costs.values()), default=0) + 12
    low, high = milliseconds_reached(list(costs.values()))
    per_point = (high / low) ** (1 / (width - room - GAP))
    limits = (low / per_point**GAP, high * per_point**room)
    return _Panel(sheet.panel_left, width, limits, high, floor, band)


def _place_floor_label(sheet: _Sheet, panel: _Panel) -> None:
    if panel.floor is None:
        return
    words = f"dashed: the floor ({FLOOR}), {milliseconds(panel.floor)}"
    if panel.band:
        words += "; shaded: A/A band, mere noise"
    widest = max(text_width(line, 8) for line in wrap(words, panel.width, 8))
    x = min(panel.x(panel.floor.value * 1000), panel.left + panel.width - widest)
    sheet.write(words, 8, MUTED, x, panel.width)
    sheet.y += 2
