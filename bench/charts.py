"""
From an analysis to a picture: `cost_figure` makes it, `draw_cost` writes it as SVG and PNG.

Reads records, measures nothing, and keeps no global state of matplotlib. A figure is a page filled from the
top down, in points, so that it grows with what it has to show. What it says comes from `bench/words.py`. Looks may
change freely; but a figure drawn twice from one run must stay the same to the byte: charts are committed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis import Analysis, Estimate, StrategyResult, TrapResult
from bench.strategy import FLOOR
from bench.typesetting import (
    BLUE,
    BOLD,
    GAP,
    GREY,
    INK,
    ITALIC,
    LIGHT,
    LINE_HEIGHT,
    LOUD,
    MARGIN,
    MUTED,
    PLAIN,
    Look,
    context,
    save,
    text_width,
    wrap,
)
from bench.words import frequent_errors, headline, milliseconds, tests_and_rounds, trap_verdict

HOW_TO_READ = (
    "Dot: median over tests, then rounds. Line: 95 % interval, if wider. Hollow: not ranked. Same letter: tied."
)
CROSS, WARNING = "\u2717", "\u26a0"

# In points, as all lengths below.
WIDTH = 612.0
FULL = WIDTH - 2 * MARGIN
NAMES_MIN, NAMES_MAX, TIES = 200.0, 262.0, 28.0
VALUE_SIZE = 9.0

HALO: dict[str, Any] = {"facecolor": "white", "lw": 0, "pad": 1}  # keeps the grid from crossing the figures


def draw_cost(analysis: Analysis, folder: Path) -> tuple[Path, Path]:
    """Write the figure of `cost_figure` to `cost.svg` and `cost.png` in `folder`, and return their paths."""
    with context():
        return save(cost_figure(analysis), headline(analysis), folder / "cost")


def cost_figure(analysis: Analysis) -> Figure:
    """Draw milliseconds per test: a row per strategy, cheapest first; traps with their errors at the foot."""
    widths = [text_width(f"{WARNING} {facts.name}", 9.5, "bold") for facts in analysis.run.strategies]
    page = _Page(names=min(max([NAMES_MIN, *widths]), NAMES_MAX))
    page.write(headline(analysis), 13, BOLD)
    page.y += 2
    page.write(HOW_TO_READ, 8.5, MUTED)
    page.y += 14
    panel = _place_strategies(page, analysis)
    _place_traps(page, analysis.traps)
    _place_footer(page, analysis)
    return page.figure(panel)


# --- the page and what stands on it


@dataclass
class _Page:
    """A figure in the making: lines of text and where they stand, in points from the top left corner."""

    names: float
    """Width of the column of names."""
    y: float = MARGIN
    lines: list[tuple[float, float, str, Look]] = field(default_factory=list)

    @property
    def panel_left(self) -> float:
        return MARGIN + self.names + GAP

    def write(self, text: str, size: float, look: Look = PLAIN, x: float = MARGIN, width: float = FULL) -> None:
        """Set a paragraph in a column, and go on below it."""
        for line in wrap(text, width, size, look.get("weight", "normal")):
            self.lines.append((x, self.y + size, line, {"size": size, **look}))
            self.y += size * LINE_HEIGHT

    def figure(self, panel: "_Panel") -> Figure:
        height = self.y + MARGIN
        figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="white")
        up, tall = 1 - panel.bottom / height, (panel.bottom - panel.top) / height
        panel.draw(figure.add_axes((panel.left / WIDTH, up, panel.width / WIDTH, tall)))
        for x, y, line, look in self.lines:
            figure.text(x / WIDTH, 1 - y / height, line, parse_math=False, **look)
        return figure


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
        low, high = self.limits
        return self.left + self.width * math.log(value / low) / math.log(high / low)

    def draw(self, axes: Axes) -> None:
        ticks = _ticks(*self.limits)
        axes.set(xscale="log", xlim=self.limits, ylim=(self.bottom, self.top), yticks=[])
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.tick_params(length=0, labelsize=8, labelcolor=GREY, pad=5)
        axes.set_xlabel("milliseconds per test (log scale)", size=8.5, color=GREY)
        axes.grid(axis="x", color=LIGHT, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.spines["bottom"].set(color=LIGHT)
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
    face = color if result.ranked else "white"
    axes.plot(value, y, "o", ms=6.5, color=color, markerfacecolor=face, markeredgewidth=1.5, zorder=4)
    place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center_baseline"}
    axes.annotate(milliseconds(estimate), (end, y), size=VALUE_SIZE, color=INK, bbox=HALO, zorder=5, **place)


def _place_strategies(page: _Page, analysis: Analysis) -> _Panel:
    panel = _panel(page, analysis)
    ties_left = WIDTH - MARGIN - TIES
    if any(result.letters for result in analysis.strategies):
        page.lines.append((ties_left, page.y + 8, "ties", {"size": 8, **MUTED}))
    below_heads = page.y + 12
    _place_floor_label(page, panel)
    page.y = panel.top = max(page.y, below_heads)
    page.y += 6
    for result in analysis.strategies:
        top = page.y
        page.write(result.letters, 9.5, BOLD, ties_left, TIES)
        page.y = top
        panel.rows.append((page.y + 6, result))
        page.write(result.facts.name, 9.5, BOLD, width=page.names)
        page.write(result.facts.summary, 8, MUTED, width=page.names)
        if not result.ranked:
            page.write(f"not ranked: {result.why_unranked}", 8, ITALIC, width=page.names)
        page.y += 8
    panel.bottom = page.y
    page.y += 40
    return panel


def _panel(page: _Page, analysis: Analysis) -> _Panel:
    costs = {result.facts.name: result.per_test for result in analysis.strategies if result.per_test}
    floor, twin = costs.get(FLOOR), analysis.noise.twin_ratio
    band = None
    if floor and twin and twin.low is not None and twin.high is not None:
        band = (floor.value * twin.low * 1000, floor.value * twin.high * 1000)
    width = WIDTH - MARGIN - TIES - GAP - page.panel_left
    room = max((text_width(milliseconds(cost), VALUE_SIZE) for cost in costs.values()), default=0) + 12
    low, high = _span(list(costs.values()))
    per_point = (high / low) ** (1 / (width - room - GAP))
    limits = (low / per_point**GAP, high * per_point**room)
    return _Panel(page.panel_left, width, limits, high, floor, band)


def _span(costs: Sequence[Estimate]) -> tuple[float, float]:
    """Return the milliseconds between which dots and intervals are drawn."""
    dots = [cost.value * 1000 for cost in costs] or [1.0]
    ends = [end * 1000 for cost in costs for end in (cost.low, cost.high) if end is not None]
    # The interval of very few rounds would leave the dots no room, so it may run off the axis.
    low = max(min(dots + ends), min(dots) / 3)
    high = min(max(dots + ends), max(dots) * 3)
    # An axis over less than a factor of three would make noise look like a result.
    widen = max(1.0, math.sqrt(3 * low / high))
    return low / widen, high * widen


def _ticks(low: float, high: float) -> list[float]:
    wide = math.log10(high / low)
    steps = (1, 1.5, 2, 3, 4, 6) if wide < 1 else (1, 2, 5) if wide < 3 else (1,)  # noqa: PLR2004 - decades
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))]
    return [step * decade for decade in decades for step in steps if low <= step * decade <= high]


def _place_floor_label(page: _Page, panel: _Panel) -> None:
    if panel.floor is None:
        return
    words = f"dashed: the floor ({FLOOR}), {milliseconds(panel.floor)}"
    if panel.band:
        words += "; shaded: A/A band, mere noise"
    widest = max(text_width(line, 8) for line in wrap(words, panel.width, 8))
    x = min(panel.x(panel.floor.value * 1000), panel.left + panel.width - widest)
    page.write(words, 8, MUTED, x, panel.width)
    page.y += 2


def _place_traps(page: _Page, traps: Sequence[TrapResult]) -> None:
    if not traps:
        return
    page.write("Traps: people write them, and they fail", 10.5, BOLD)
    page.y += 6
    for trap in traps:
        top = page.y
        sign = WARNING if trap.finding else CROSS
        page.write(f"{sign} {trap.facts.name}", 9.5, BOLD, width=page.names)
        page.write(trap.facts.summary, 8, MUTED, width=page.names)
        below_name, page.y = page.y, top + 1
        column = (page.panel_left, WIDTH - MARGIN - page.panel_left)
        page.write(trap_verdict(trap), 8.5, LOUD if trap.finding else PLAIN, *column)
        for error, count in frequent_errors(trap.facts, trap.failures):
            page.write(f"{error} ({count})", 8.5, PLAIN, *column)
        page.y = max(page.y, below_name) + 8


def _place_footer(page: _Page, analysis: Analysis) -> None:
    run, noise = analysis.run, analysis.noise
    page.y += 6
    look = MUTED if noise.verdict == "quiet" else LOUD
    page.write(f"Noise: {noise.verdict}. {' '.join(noise.reasons)}", 8, look)
    if analysis.unfinished:
        page.write(f"Cells that did not finish: {len(analysis.unfinished)}.", 8, LOUD)
    page.y += 3
    machine, server = run.machine, run.server
    fsync = server.settings.get("fsync", "unknown")
    page.write(f"{machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}", 8, MUTED)
    page.write(f"Postgres {server.version}, {server.kind}, {server.transport}, fsync={fsync}", 8, MUTED)
    page.write(f"{tests_and_rounds(analysis)}, seed {run.seed}, {run.started[:10]}", 8, MUTED)
