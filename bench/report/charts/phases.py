"""Setup, call and teardown of a test: a stacked bar for each strategy, on one linear axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Literal

from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts import Picture
from bench.report.charts.axis import even_ticks, frame, set_ticks, write_beside
from bench.report.charts.rows import names_width, place_left_out, place_names
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
from bench.report.formatting import caution, few, rounded, significant

Phase = Literal["setup", "call", "teardown"]
LOOKS: dict[Phase, tuple[str, str]] = {"setup": (BLUE, PAPER), "call": (LIGHT, INK), "teardown": (ORANGE, INK)}
"""The colour of each phase and of text on it; the phases differ in grey print too."""

HOW_TO_READ = (
    "Milliseconds per test in setup, call and teardown, written beside the bar: medians over tests, then over rounds, "
    "which need not add up to the cost per test. Fixed: seconds per process, independent of the number of tests. "
    "Hollow bars are not ranked."
)
CUT = "// marks a phase that is longer than {limit} ms and is not drawn to scale."

LONG, SHORTENED = 4, 1.2
"""
A phase is cut if it is longer than this multiple of the usual longest one, and then drawn longer than all others by the
second factor.
"""
BAR, VALUE_SIZE, FIXED = 11.0, 8.0, 40.0
"""Height of a bar, size of the figures, width of the column of fixed costs."""
CHIP_PADDING = 3.0
CUT_MARK, BREAK_AT = "//", 0.75
BREAK: dict[str, Any] = {"weight": "bold", "ha": "center", "va": "center_baseline", "zorder": 4}


def picture(analysis: Analysis) -> Picture | None:
    """Draw the median milliseconds of each phase and the fixed seconds; None if no timed round finished."""
    shown = [result for result in analysis.strategies if result.rounds]
    if not shown:
        return None
    scale = _scale(shown)
    sheet = Sheet()
    cut = CUT.format(limit=significant(scale.longest)) if scale.cuts else ""
    sheet.head(sentence(analysis), f"{HOW_TO_READ} {cut}".strip())
    _place_bars(sheet, shown, scale)
    place_left_out(sheet, analysis, shown)
    sheet.footer(analysis)
    return sheet.picture("phases", "Setup, call and teardown of a test")


# --- the sentence


def sentence(analysis: Analysis) -> str:
    """
    Say which phase differs most between strategies, and how long each phase takes.

    :param analysis: with at least one timed round.
    """
    shown = [result for result in analysis.strategies if result.rounds]
    compared = [result for result in shown if result.ranked] or shown
    ends = {phase: _ends(compared, phase) for phase in LOOKS}
    first, second, third = sorted(LOOKS, key=lambda phase: ends[phase][0] - ends[phase][1])
    ranges = {phase: f"{' to '.join(map(significant, dict.fromkeys(ends[phase])))} ms" for phase in LOOKS}
    low, high = ends[first]
    if low == high:
        under = compared[0].facts.name if len(compared) == 1 else "every strategy"
        setup, call, teardown = ranges.values()
        return f"Under {under}, setup takes {setup}, call {call} and teardown {teardown} per test"
    others = f"{ranges[second]}, {third} {ranges[third]}"
    if doubt := caution(analysis):
        return f"{doubt}: per test, {first} takes {ranges[first]}, {second} {others}"
    most = f"{first.capitalize()} differs most, {ranges[first]} per test{_longest(compared, first)}"
    return f"{most}; {second} takes {others}"


def _milliseconds(result: StrategyResult) -> dict[Phase, float]:
    return {phase: result.phases[phase] * 1000 for phase in LOOKS}


def _ends(results: Sequence[StrategyResult], phase: Phase) -> tuple[float, float]:
    """Return the least and the most milliseconds of a phase, rounded as they are shown."""
    values = [_milliseconds(result)[phase] for result in results]
    return rounded(min(values)), rounded(max(values))


def _longest(results: Sequence[StrategyResult], phase: Phase) -> str:
    """Name the strategies with the longest phase: all within a factor of two, as medians here have no interval."""
    half = max(result.phases[phase] for result in results) / 2
    names = [result.facts.name for result in results if result.phases[phase] >= half]
    return f", longest under {few(names)}" if len(names) < len(results) else ""


# --- the bars


@dataclass(frozen=True)
class _Scale:
    """How long phases are drawn, in milliseconds."""

    longest: float
    """The longest phase that is drawn to scale."""
    cuts: bool
    """Whether there are longer ones."""

    def shown(self, ms: float) -> float:
        """Return the length of a phase on the axis."""
        return min(ms, self.longest * SHORTENED)

    def cut(self, ms: float) -> bool:
        """Say whether a phase is longer than it is drawn."""
        return ms > self.longest


def _scale(shown: Sequence[StrategyResult]) -> _Scale:
    longest = [max(_milliseconds(result).values()) for result in shown]
    usual = LONG * median_low(longest)
    whole = [ms for result in shown for ms in _milliseconds(result).values() if ms <= usual]
    return _Scale(max(whole), max(longest) > usual)


def _place_bars(sheet: Sheet, shown: Sequence[StrategyResult], scale: _Scale) -> None:
    names = names_width(shown)
    left, right = MARGIN + names + GAP, WIDTH - MARGIN - FIXED
    _place_heads(sheet, left)
    rows = place_names(sheet, shown, names)
    for result, y in rows.rows:
        fixed = f"{significant(result.fixed)} s"
        x = WIDTH - MARGIN - text_width(fixed, VALUE_SIZE)
        sheet.lines.append((x, y + VALUE_SIZE / 2 - 1, fixed, {"size": VALUE_SIZE, **PLAIN}))
    room = max(text_width(_figures(result), VALUE_SIZE) for result in shown) + GAP
    longest = max(sum(map(scale.shown, _milliseconds(result).values())) for result in shown)
    reach = (longest or 1) * (right - left) / (right - left - room)

    def draw(axes: Axes) -> None:
        axes.set(xlim=(0, reach))
        set_ticks(axes, even_ticks(reach))
        frame(axes, "milliseconds per test", "x")
        for result, y in rows.rows:
            _draw_bar(axes, result, y, scale)

    rows.panel(left, right - left, draw)


def _draw_bar(axes: Axes, result: StrategyResult, y: float, scale: _Scale) -> None:
    left = 0.0
    for phase, ms in _milliseconds(result).items():
        (face, ink), edge = LOOKS[phase] if result.ranked else (PAPER, INK), PAPER if result.ranked else GREY
        width = scale.shown(ms)
        look: Mapping[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": 0.8}
        axes.barh(y, width, BAR, left, clip_on=False, zorder=3, **look)
        if scale.cut(ms):
            axes.text(left + width * BREAK_AT, y, CUT_MARK, size=BAR, color=ink, **BREAK)
        left += width
    write_beside(axes, _figures(result), (left, y), 6, size=VALUE_SIZE, zorder=4)


def _figures(result: StrategyResult) -> str:
    return " + ".join(significant(ms) for ms in _milliseconds(result).values())


def _place_heads(sheet: Sheet, left: float) -> None:
    x, base = left + CHIP_PADDING, sheet.y + 8
    for phase, (colour, ink) in LOOKS.items():
        chip = {"facecolor": colour, "lw": 0, "pad": CHIP_PADDING}
        sheet.lines.append((x, base, phase, {"size": 8.5, "color": ink, "bbox": chip}))
        x += text_width(phase, 8.5) + 3 * CHIP_PADDING
    sheet.lines.append((WIDTH - MARGIN - text_width("fixed", 8), base, "fixed", {"size": 8, **MUTED}))
    sheet.y += 8 + 2 * CHIP_PADDING + 4
