"""
What the clock cannot blur: the write-ahead log and the statements of a test, a row for each strategy.

All lengths are points. Looks may change freely.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import even_ticks, frame, ticks, widened, write_beside
from bench.report.charts.footer import place_footer
from bench.report.charts.rows import Row, names_width, place_left_out, place_names
from bench.report.charts.sheet import WIDTH, Sheet
from bench.report.charts.typesetting import BLUE, GAP, GREY, LIGHT, MARGIN, PAPER, text_width
from bench.report.formatting import few, significant

HOW_TO_READ = (
    "Means over the tests of a process, the median over rounds. They hardly change from run to run: trust them where "
    "the clock is noisy. Statements: those that SQLAlchemy sent. -: not known. Hollow: not ranked."
)
NOTHING = "-"
VALUE_SIZE = 8.5
MOST_TICKS = 6
"""Of a log axis; of more than so many decades every other one is named, or fewer."""
INSET, BETWEEN = 12.0, 28.0
"""Between the outermost dots and the ends of the axes; between the panels, where figures of both axes meet."""
TWICE = 1.95
"""From this ratio on it is said as a multiple, below as a percentage."""


def picture(analysis: Analysis) -> Picture | None:
    """Draw kilobytes of write-ahead log and statements per test; None where neither is known of any strategy."""
    shown = _shown(analysis)
    if all(value(result) is None for value in (_log, _statements) for result in shown):
        return None
    sheet = Sheet()
    sheet.head(sentence(analysis), HOW_TO_READ)
    _place_panels(sheet, shown)
    place_left_out(sheet, analysis, shown)
    place_footer(sheet, analysis)
    return sheet.picture("witnesses", "Write-ahead log and statements per test")


def _shown(analysis: Analysis) -> list[StrategyResult]:
    return [result for result in analysis.strategies if result.rounds]


def _log(result: StrategyResult) -> float | None:
    """Return kilobytes per test."""
    return None if result.wal_bytes is None else result.wal_bytes / 1000


def _statements(result: StrategyResult) -> float | None:
    return result.statements


# --- the sentence


def sentence(analysis: Analysis) -> str:
    """
    Say where tests write least and most, and how many statements they send.

    :param analysis: in which one of both is known, of one strategy at least.
    """
    shown = _shown(analysis)
    compared = [result for result in shown if result.ranked] or shown
    said = []
    if logs := {result.facts.name: log for result in compared if (log := _log(result)) is not None}:
        said.append(f"writes {_about_logs(logs)}")
    if counts := [count for result in compared if (count := _statements(result)) is not None]:
        said.append(f"sends {' to '.join(dict.fromkeys(map(significant, _ends(counts))))} statements")
    return f"A test {'; it '.join(said)}"


def _about_logs(logs: dict[str, float]) -> str:
    """Give the least and the most, each with all that show the same figure: what is counted ties where it is equal."""
    (low, least), (high, most) = ((end, significant(end)) for end in _ends([*logs.values()]))
    bottom, top = ([name for name, log in logs.items() if significant(log) == end] for end in (least, most))
    said = f"{least} kB of write-ahead log under"
    if least == most:
        return f"{said} {'every strategy' if len(top) > 1 else top[0]}"
    times = f"{most} kB"
    if low > 0:
        ratio = high / low
        more = f"{significant(ratio, 2)}x as much" if ratio >= TWICE else f"{100 * ratio - 100:.0f} % more"
        times = f"{more}, {most} kB,"
    return f"{said} {few(bottom)} and {times} under {few(top)}"


# --- the panels


def _place_panels(sheet: Sheet, shown: Sequence[StrategyResult]) -> None:
    names = names_width(shown)
    left = MARGIN + names + GAP
    width = (WIDTH - MARGIN - left - BETWEEN) / 2
    top = sheet.y
    rows = place_names(sheet, shown, names)
    for x, panel in (
        (left, _Panel(rows, _log, "write-ahead log, kB per test (log scale)", top, sheet.y, width, log=True)),
        (left + width + BETWEEN, _Panel(rows, _statements, "statements per test", top, sheet.y, width, log=False)),
    ):
        sheet.panels.append((x, top, width, sheet.y - top, panel.draw))
    sheet.y += 40


@dataclass(frozen=True)
class _Panel:
    """One figure of all strategies, in rows of the sheet."""

    rows: Sequence[Row]
    value: Callable[[StrategyResult], float | None]
    label: str
    top: float
    bottom: float
    width: float
    log: bool
    """Whether the axis is logarithmic; else it begins at zero."""

    def draw(self, axes: Axes) -> None:
        values = [value for row in self.rows if (value := self.value(row.result)) is not None]
        room = max((text_width(significant(value), VALUE_SIZE) for value in values), default=0) + GAP
        axes.set(ylim=(self.bottom, self.top), yticks=[])
        if self.log:
            low, high = widened(*_ends([value for value in values if value > 0] or [1.0]))
            per_point = (high / low) ** (1 / (self.width - room - INSET))
            limits = (low / per_point**INSET, high * per_point**room)
            shown = ticks(*limits)
            shown = shown[:: 1 + len(shown) // MOST_TICKS]
            axes.set(xscale="log", xlim=limits)
            axes.set_xticks([], minor=True)
        else:
            reach = (max(values, default=0) or 1) * self.width / (self.width - room)
            shown = even_ticks(reach)
            axes.set(xlim=(0, reach))
        axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
        frame(axes, self.label, "x")
        for row in self.rows:
            self._draw_row(axes, row)

    def _draw_row(self, axes: Axes, row: Row) -> None:
        value, (left, right) = self.value(row.result), axes.get_xlim()
        axes.hlines(row.middle, left, right, color=LIGHT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        x = left
        # Without a figure there is no dot; nor is there a place for zero on a log axis.
        if value is not None and value >= left:
            x, (colour, face) = value, (BLUE, BLUE) if row.result.ranked else (GREY, PAPER)
            axes.plot(x, row.middle, "o", ms=6.5, color=colour, markerfacecolor=face, zorder=4)
        words = NOTHING if value is None else significant(value)
        write_beside(axes, words, (x, row.middle), 7, size=VALUE_SIZE, zorder=3)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
