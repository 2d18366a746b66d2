"""
Where the time of a test goes: a bar of setup, call and teardown for each strategy, on one linear axis.

All lengths are points. Looks may change freely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Literal

from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import even_ticks, frame, write_beside
from bench.report.charts.footer import place_footer
from bench.report.charts.rows import Row, names_width, place_left_out, place_names
from bench.report.charts.sheet import WIDTH, Sheet
from bench.report.charts.typesetting import (
    BLUE,
    GAP,
    GREY,
    INK,
    LIGHT,
    MARGIN,
    MUTED,
    ORANGE,
    PAPER,
    PLAIN,
    text_width,
)
from bench.report.formatting import caution, few, significant

Phase = Literal["setup", "call", "teardown"]
LOOKS: dict[Phase, tuple[str, str]] = {"setup": (BLUE, PAPER), "call": (LIGHT, INK), "teardown": (ORANGE, INK)}
"""Colour of each phase, and of words on it; they differ in grey print too."""

HOW_TO_READ = (
    "Medians over the tests of a process, then over rounds, so they need not add up to the cost. Figures beside a bar: "
    "its phases in ms. Hollow: not ranked. Fixed: seconds of a process, however many tests it runs."
)
CUT = "// cuts a phase that is longer than {limit} ms: from there on read the figures, not the axis."

LONG, SHORTENED = 4, 1.2
"""A phase is cut when it is longer than so many times the usual longest one; how far it then passes the others."""
BAR, VALUE_SIZE, FIXED = 11.0, 8.0, 40.0
"""Height of a bar, size of the figures, width of the column of fixed costs."""
CHIP_PADDING = 3.0
CUT_MARK, BREAK_AT = "//", 0.75
BREAK: dict[str, Any] = {"weight": "bold", "ha": "center", "va": "center_baseline", "zorder": 4}


def picture(analysis: Analysis) -> Picture | None:
    """Draw the median milliseconds of each phase, with the fixed seconds; None where no timed round finished."""
    shown = _shown(analysis)
    if not shown:
        return None
    scale = _scale(shown)
    sheet = Sheet()
    cut = CUT.format(limit=significant(scale.longest)) if scale.cuts else ""
    sheet.head(sentence(analysis), f"{HOW_TO_READ} {cut}".strip())
    _place_bars(sheet, shown, scale)
    place_left_out(sheet, analysis, shown)
    place_footer(sheet, analysis)
    return sheet.picture("phases", "Where the time of a test goes")


def _shown(analysis: Analysis) -> list[StrategyResult]:
    return [result for result in analysis.strategies if result.rounds]


# --- the sentence


def sentence(analysis: Analysis) -> str:
    """
    Say which phase differs most between strategies, and how long all take.

    :param analysis: with one timed round at least.
    """
    shown = _shown(analysis)
    compared = [result for result in shown if result.ranked] or shown
    ends = {phase: _ends(compared, phase) for phase in LOOKS}
    first, second, third = sorted(LOOKS, key=lambda phase: float(ends[phase][0]) - float(ends[phase][-1]))
    ranges = {phase: f"{' to '.join(ends[phase])} ms" for phase in LOOKS}
    if len(ends[first]) == 1:
        under = compared[0].facts.name if len(compared) == 1 else "every strategy"
        setup, call, teardown = ranges.values()
        return f"Under {under} setup takes {setup}, call {call} and teardown {teardown} per test"
    others = f"{ranges[second]}, {third} {ranges[third]}"
    if doubt := caution(analysis):
        return f"{doubt}: per test {first} takes {ranges[first]}, {second} {others}"
    most = f"{first.capitalize()} differs most, {ranges[first]} per test{_longest(compared, first)}"
    return f"{most}; {second} takes {others}"


def _milliseconds(result: StrategyResult) -> dict[Phase, float]:
    return {phase: result.phases[phase] * 1000 for phase in LOOKS}


def _ends(results: Sequence[StrategyResult], phase: Phase) -> list[str]:
    """Return the least and the most milliseconds of a phase, or the one figure that both show."""
    values = [_milliseconds(result)[phase] for result in results]
    return list(dict.fromkeys((significant(min(values)), significant(max(values)))))


def _longest(results: Sequence[StrategyResult], phase: Phase) -> str:
    """Name where a phase takes longest, with all that come within a factor of two, for medians have no interval."""
    half = max(result.phases[phase] for result in results) / 2
    names = [result.facts.name for result in results if result.phases[phase] >= half]
    return f", longest under {few(names)}" if len(names) < len(results) else ""


# --- the bars


@dataclass(frozen=True)
class _Scale:
    """How long phases are drawn, in milliseconds."""

    longest: float
    """Of those that are drawn in full."""
    cuts: bool
    """Whether there are longer ones."""

    def shown(self, ms: float) -> float:
        """Return the length of a phase on the axis."""
        return min(ms, self.longest * SHORTENED) if self.cut(ms) else ms

    def cut(self, ms: float) -> bool:
        """Say whether a phase is longer than it is drawn."""
        return ms > self.longest


def _scale(shown: Sequence[StrategyResult]) -> _Scale:
    longest = [max(_milliseconds(result).values()) for result in shown]
    usual = LONG * median_low(longest)
    whole = [ms for result in shown for ms in _milliseconds(result).values() if ms <= usual]
    return _Scale(max(whole), max(longest) > usual)


@dataclass(frozen=True)
class _Panel:
    """The bars, in rows of the sheet."""

    rows: Sequence[Row]
    scale: _Scale
    top: float
    bottom: float
    reach: float
    """Milliseconds at the right end of the axis, beyond the longest bar and its figures."""

    def draw(self, axes: Axes) -> None:
        axes.set(xlim=(0, self.reach), ylim=(self.bottom, self.top), yticks=[])
        shown = even_ticks(self.reach)
        axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
        frame(axes, "milliseconds per test", "x")
        for row in self.rows:
            self._draw_row(axes, row)

    def _draw_row(self, axes: Axes, row: Row) -> None:
        left, values = 0.0, _milliseconds(row.result)
        for phase, ms in values.items():
            (face, ink), edge = LOOKS[phase], PAPER
            if not row.result.ranked:
                face, ink, edge = PAPER, INK, GREY
            width = self.scale.shown(ms)
            look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": 0.8}
            axes.barh(row.middle, width, BAR, left, clip_on=False, zorder=3, **look)
            if self.scale.cut(ms):
                axes.text(left + width * BREAK_AT, row.middle, CUT_MARK, size=BAR, color=ink, **BREAK)
            left += width
        write_beside(axes, _figures(row.result), (left, row.middle), 6, size=VALUE_SIZE, zorder=4)


def _figures(result: StrategyResult) -> str:
    return " + ".join(significant(ms) for ms in _milliseconds(result).values())


def _place_bars(sheet: Sheet, shown: Sequence[StrategyResult], scale: _Scale) -> None:
    names = names_width(shown)
    left, right = MARGIN + names + GAP, WIDTH - MARGIN - FIXED
    _place_heads(sheet, left)
    top = sheet.y
    rows = place_names(sheet, shown, names)
    for row in rows:
        words = f"{significant(row.result.fixed)} s"
        x = WIDTH - MARGIN - text_width(words, VALUE_SIZE)
        sheet.lines.append((x, row.middle + VALUE_SIZE / 2 - 1, words, {"size": VALUE_SIZE, **PLAIN}))
    room = max(text_width(_figures(result), VALUE_SIZE) for result in shown) + GAP
    longest = max(sum(map(scale.shown, _milliseconds(result).values())) for result in shown)
    reach = (longest or 1) * (right - left) / (right - left - room)
    panel = _Panel(rows, scale, top, sheet.y, reach)
    sheet.panels.append((left, top, right - left, sheet.y - top, panel.draw))
    sheet.y += 40


def _place_heads(sheet: Sheet, left: float) -> None:
    x, base = left + CHIP_PADDING, sheet.y + 8
    for phase, (colour, ink) in LOOKS.items():
        chip = {"facecolor": colour, "lw": 0, "pad": CHIP_PADDING}
        sheet.lines.append((x, base, phase, {"size": 8.5, "color": ink, "bbox": chip}))
        x += text_width(phase, 8.5) + 3 * CHIP_PADDING
    sheet.lines.append((WIDTH - MARGIN - text_width("fixed", 8), base, "fixed", {"size": 8, **MUTED}))
    sheet.y += 8 + 2 * CHIP_PADDING + 4
