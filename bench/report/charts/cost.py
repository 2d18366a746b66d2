"""Milliseconds per test: a dot with its confidence interval for each strategy."""

from matplotlib.axes import Axes

from bench.analysis.estimates import Estimate
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import frame, guide, milliseconds_reached, set_ticks, ticks, write_beside
from bench.report.charts.rows import names_width, place_names
from bench.report.charts.sheet import WIDTH, Sheet
from bench.report.charts.typesetting import BLUE, BOLD, GAP, GREY, INK, MARGIN, MUTED, PAPER, text_width
from bench.report.findings_text import not_ranked_text
from bench.report.formatting import headline, milliseconds
from bench.strategy.declaration import FLOOR

HOW_TO_READ = (
    "Milliseconds per test (median over tests, then over rounds); bars are 95 % confidence intervals; strategies that "
    "share a letter are tied. Hollow dots are not ranked."
)
NAMES_MIN, TIES = 200.0, 28.0
"""Widths of the columns of names and of tie letters, in points."""
VALUE_SIZE = 9.0


def picture(analysis: Analysis) -> Picture:
    """Draw the cost per test, with a row per strategy, cheapest first."""
    sheet = Sheet()
    sheet.head(headline(analysis), HOW_TO_READ)
    results, ties_left = analysis.strategies, WIDTH - MARGIN - TIES
    names = max(NAMES_MIN, names_width(results))
    left = MARGIN + names + GAP
    width = ties_left - GAP - left
    costs = {result.facts.name: result.per_test for result in results if result.per_test}
    floor, twin = costs.get(FLOOR), analysis.noise.twin_ratio
    band = (floor.value * twin.low, floor.value * twin.high) if floor and twin and twin.low and twin.high else None
    if any(result.letters for result in results):
        sheet.lines.append((ties_left, sheet.y + 8, "ties", {"size": 8, **MUTED}))
    legend = f"dashed: the floor ({FLOOR}), {milliseconds(floor)}" if floor else " "
    legend += "; shaded: noise in the A/A test" if band else ""
    sheet.write(legend, 8, MUTED, left, width)
    sheet.y += 4
    rows = place_names(sheet, results, names, lambda result: f"not ranked: {not_ranked_text(result)}", summaries=True)
    below, letters_size = sheet.y, 9.5
    for result, y in rows.rows:
        sheet.y = y - letters_size * 0.65
        sheet.write(result.letters, letters_size, BOLD, ties_left, TIES)
    sheet.y = below
    low, high = milliseconds_reached([*costs.values()])
    # Space beyond the outermost dots; on the right, the text beside a dot needs it.
    room = max((text_width(milliseconds(cost), VALUE_SIZE) for cost in costs.values()), default=0) + 12
    per_point = (high / low) ** (1 / (width - room - GAP))
    limits = (low / per_point**GAP, high * per_point**room)

    def draw(axes: Axes) -> None:
        axes.set(xscale="log", xlim=limits)
        set_ticks(axes, ticks(*limits))
        frame(axes, "milliseconds per test (log scale)", "x")
        if band:
            axes.axvspan(band[0] * 1000, band[1] * 1000, color=GREY, alpha=0.18, linewidth=0)
        if floor:
            axes.axvline(floor.value * 1000, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        for result, y in rows.rows:
            if result.per_test:
                _draw_row(axes, y, result, result.per_test, high)

    rows.panel(left, width, draw)
    sheet.footer(analysis)
    return sheet.picture("cost", "Milliseconds per test")


def _draw_row(axes: Axes, y: float, result: StrategyResult, cost: Estimate, reach: float) -> None:
    """Draw a dot, its interval as far as `reach` milliseconds, and the cost in words beside it."""
    guide(axes, y)
    colour, end = BLUE if result.ranked else GREY, cost.value * 1000
    if cost.low is not None and cost.high is not None:
        end = min(cost.high * 1000, reach)
        axes.hlines(y, max(cost.low * 1000, axes.get_xlim()[0]), end, color=colour, linewidth=2.2, zorder=3)
    face = colour if result.ranked else PAPER
    axes.plot(cost.value * 1000, y, "o", ms=6.5, color=colour, markerfacecolor=face, markeredgewidth=1.5, zorder=4)
    write_beside(axes, milliseconds(cost), (end, y), 8, size=VALUE_SIZE, zorder=5)
