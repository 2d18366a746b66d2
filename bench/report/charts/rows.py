"""Charts with one row per strategy: names in a column at the left, panels with axes to the right of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import BOLD, ITALIC, MUTED, text_width

NAME_SIZE, DETAIL_SIZE, NAMES_MAX = 9.0, 8.0, 190.0
BETWEEN = 7.0
"""Points between two rows."""
AXIS = 40.0
"""Height of the labels below a panel."""


@dataclass(frozen=True)
class Rows:
    """Rows of strategies on a sheet; `y` of each row is the middle of its first line, in points from the top."""

    sheet: Sheet
    rows: Sequence[tuple[StrategyResult, float]]
    top: float
    bottom: float

    def panel(self, left: float, width: float, draw: Callable[[Axes], None]) -> None:
        """Place a panel beside the names, as high as all rows; `draw` sets its horizontal axis."""

        def draw_rows(axes: Axes) -> None:
            axes.set(ylim=(self.bottom, self.top), yticks=[])
            draw(axes)

        self.sheet.panels.append((left, self.top, width, self.bottom - self.top, draw_rows))


def names_width(results: Sequence[StrategyResult]) -> float:
    """Return the width of a column for the names; names that are longer than `NAMES_MAX` are broken."""
    return min(max((text_width(result.facts.name, NAME_SIZE, "bold") for result in results), default=0) + 1, NAMES_MAX)


def place_names(
    sheet: Sheet,
    results: Sequence[StrategyResult],
    width: float,
    not_ranked: Callable[[StrategyResult], str] = lambda _: "not ranked",
    *,
    summaries: bool = False,
) -> Rows:
    """
    Place the names, one below the other, with what `not_ranked` says of a strategy that is not ranked.

    :param width: of the column, in points.
    """
    rows, top = [], sheet.y
    sheet.y += BETWEEN / 2
    for result in results:
        rows.append((result, sheet.y + NAME_SIZE * 0.65))
        sheet.write(result.facts.name, NAME_SIZE, BOLD if result.ranked else MUTED, width=width)
        if summaries:
            sheet.write(result.facts.summary, DETAIL_SIZE, MUTED, width=width)
        if not result.ranked:
            sheet.write(not_ranked(result), DETAIL_SIZE, ITALIC, width=width)
        sheet.y += BETWEEN
    found = Rows(sheet, rows, top, sheet.y)
    sheet.y += AXIS
    return found


def place_left_out(sheet: Sheet, analysis: Analysis, shown: Sequence[StrategyResult]) -> None:
    """Name the strategies that the chart does not show, and why."""
    reasons = [
        f"{result.facts.name} ({'not probed' if result.rounds else 'no timed round finished'})"
        for result in analysis.strategies
        if result not in shown
    ]
    if reasons:
        sheet.write(f"Not shown: {', '.join(reasons)}.", DETAIL_SIZE, MUTED)
