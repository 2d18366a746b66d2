"""Write-ahead log and statements per test, which hardly depend on the machine's speed: a row for each strategy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import even_ticks, frame, guide, set_ticks, ticks, widened, write_beside
from bench.report.charts.rows import Rows, names_width, place_left_out, place_names
from bench.report.charts.sheet import WIDTH, Sheet
from bench.report.charts.typesetting import BLUE, GAP, GREY, MARGIN, PAPER, text_width
from bench.report.formatting import few, rounded, significant

HOW_TO_READ = (
    "Mean over the tests of a process, then median over rounds. Both counts hardly vary between runs, so they hold "
    "where times are noisy. Statements are those sent by SQLAlchemy. -: not known. Hollow dots are not ranked."
)
NOTHING = "-"
VALUE_SIZE = 8.5
MOST_TICKS = 6
"""A log axis with more ticks than this labels every other one, or fewer."""
INSET, BETWEEN = 12.0, 28.0
"""Points between the outermost dots and the ends of an axis, and between the two panels."""
TWICE = 1.95
"""A ratio from this on is written as a multiple, a smaller one as a percentage."""


def picture(analysis: Analysis) -> Picture | None:
    """Draw kilobytes of write-ahead log and statements per test; None if neither is known of any strategy."""
    shown = [result for result in analysis.strategies if result.rounds]
    logs, counts = _logs(shown), _counts(shown)
    if not logs and not counts:
        return None
    sheet = Sheet()
    sheet.head(sentence(analysis), HOW_TO_READ)
    names = names_width(shown)
    left = MARGIN + names + GAP
    width = (WIDTH - MARGIN - left - BETWEEN) / 2
    rows = place_names(sheet, shown, names)
    log = _Panel(rows, logs, "write-ahead log per test, kB (log scale)", width, is_log=True)
    statements = _Panel(rows, counts, "statements per test", width, is_log=False)
    rows.panel(left, width, log.draw)
    rows.panel(left + width + BETWEEN, width, statements.draw)
    place_left_out(sheet, analysis, shown)
    sheet.footer(analysis)
    return sheet.picture("witnesses", "Write-ahead log and statements per test")


def _logs(results: Sequence[StrategyResult]) -> dict[str, float]:
    """Return kilobytes per test by the names of the strategies, where they are known."""
    return {result.facts.name: result.wal_bytes / 1000 for result in results if result.wal_bytes is not None}


def _counts(results: Sequence[StrategyResult]) -> dict[str, float]:
    """Return statements per test by the names of the strategies, where they are known."""
    return {result.facts.name: result.statements for result in results if result.statements is not None}


# --- the sentence


def sentence(analysis: Analysis) -> str:
    """
    Say where tests write least and most log, and how many statements they send.

    :param analysis: in which one of both is known of at least one strategy.
    """
    shown = [result for result in analysis.strategies if result.rounds]
    compared = [result for result in shown if result.ranked] or shown
    said = []
    if logs := _logs(compared):
        said.append(f"writes {_about_logs(logs)}")
    if counts := [*_counts(compared).values()]:
        said.append(f"sends {' to '.join(dict.fromkeys(map(significant, _ends(counts))))} statements")
    return f"A test {'; it '.join(said)}"


def _about_logs(logs: Mapping[str, float]) -> str:
    """State the least and the most, with all strategies that show the same rounded figure."""
    low, high = _ends([*logs.values()])
    bottom, top = ([name for name, log in logs.items() if rounded(log) == rounded(end)] for end in (low, high))
    said = f"{significant(low)} kB of write-ahead log under"
    if bottom == top:
        return f"{said} {'every strategy' if len(top) > 1 else top[0]}"
    most = f"{significant(high)} kB"
    if low > 0:
        ratio = high / low
        more = f"{significant(ratio, 2)}x as much" if ratio >= TWICE else f"{100 * ratio - 100:.0f} % more"
        most = f"{more}, {most},"
    return f"{said} {few(bottom)} and {most} under {few(top)}"


# --- the panels


@dataclass(frozen=True)
class _Panel:
    """One count of all strategies."""

    rows: Rows
    values: Mapping[str, float]
    label: str
    width: float
    is_log: bool
    """Whether the axis is logarithmic; a linear one begins at zero."""

    def draw(self, axes: Axes) -> None:
        values = [*self.values.values()]
        room = max((text_width(significant(value), VALUE_SIZE) for value in values), default=0) + GAP
        if self.is_log:
            low, high = widened(*_ends([value for value in values if value > 0] or [1.0]))
            per_point = (high / low) ** (1 / (self.width - room - INSET))
            limits = (low / per_point**INSET, high * per_point**room)
            shown = ticks(*limits)
            shown = shown[:: 1 + len(shown) // MOST_TICKS]
            axes.set(xscale="log", xlim=limits)
        else:
            reach = (max(values, default=0) or 1) * self.width / (self.width - room)
            shown = even_ticks(reach)
            axes.set(xlim=(0, reach))
        set_ticks(axes, shown)
        frame(axes, self.label, "x")
        for result, y in self.rows.rows:
            self._draw_row(axes, result, y)

    def _draw_row(self, axes: Axes, result: StrategyResult, y: float) -> None:
        guide(axes, y)
        value, x = self.values.get(result.facts.name), axes.get_xlim()[0]
        # Zero has no place on a log axis.
        if value is not None and value >= x:
            x, (colour, face) = value, (BLUE, BLUE) if result.ranked else (GREY, PAPER)
            axes.plot(x, y, "o", ms=6.5, color=colour, markerfacecolor=face, zorder=4)
        text = NOTHING if value is None else significant(value)
        write_beside(axes, text, (x, y), 7, size=VALUE_SIZE, zorder=3)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
