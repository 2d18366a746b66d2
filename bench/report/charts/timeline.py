"""
The chart of what happened to event loops and connections in a few tests: each loop is a box, each connection a thread.

Columns are tests; time runs to the right and, within a test, down. The width of a box is the lifetime of its loop, and
each box begins lower than the one before, so a connection that meets a second loop is a thread that leaves its box.
All lengths are points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from bench.analysis.loops import view_trace
from bench.analysis.trace_view import LineKind, Loop, TraceLine, TraceView
from bench.report.charts import Picture
from bench.report.charts.sheet import FULL, Sheet
from bench.report.charts.typesetting import (
    BLUE,
    BOLD,
    GREEN,
    GREY,
    INK,
    ITALIC,
    LIGHT,
    LOUD,
    MUTED,
    ORANGE,
    PALE,
    PAPER,
    PLAIN,
    PURPLE,
    Look,
    drawable,
    text_width,
    wrap,
)
from bench.report.trace_text import (
    column_title,
    headline,
    how_it_ended,
    line_text,
    loop_name,
    loop_scope,
    loop_state,
    not_shown,
)
from bench.results.traces import Trace

STEM = "loops-"
"""Prefix of the files' names; the strategy's name follows."""

HOW_TO_READ = (
    "Columns are tests; within a test, time runs down. The chart shows the order of events, not how long they took. "
    "Box: an event loop, as wide as its lifetime. Thread: a connection, labelled with the pid of its server process; "
    "thick in use, thin in the pool, dashed where its loop is closed. Italic: the test or fixture that acts. Indented: "
    "inside a transaction or savepoint."
)

SIZE, TITLE_SIZE, ROW, AIR = 8.0, 9.5, 10.8, 3.0
PAD, TRACK, INDENT = 6.0, 7.5, 7.0
HEADER, RAIL, STEP, GAP = 17.0, 7.0, 24.0, 16.0
HEADS = 30.0
NARROWEST = 66.0
ROUNDING = 1.04
"""Text on whole pixels can be this much wider than measured."""

THREADS = (BLUE, GREEN, PURPLE, GREY)
THICK, THIN = 3.2, 1.5
DASHED = (0, (2.2, 1.4))


def picture(trace: Trace) -> Picture:
    """Draw a trace."""
    view = view_trace(trace)
    layout = _Layout(view)
    sheet = Sheet()
    sheet.head(f"{trace.strategy}: {headline(view)}", HOW_TO_READ)
    sheet.panel(layout.height, layout.draw)
    sheet.y += 8
    for sentence in not_shown(view):
        sheet.write(sentence, SIZE, MUTED)
    if ended := how_it_ended(trace):
        sheet.write(ended, SIZE, LOUD)
    sheet.write(f"Traced on: {trace.server}.", SIZE, MUTED)
    return sheet.picture(f"{STEM}{trace.strategy}", f"Loops and connections under {trace.strategy}")


@dataclass
class _Column:
    """A test, or what happens before or after all tests."""

    number: int
    tracks: dict[int, int]
    """Position of each connection that is used in it, by pid."""
    left: float = 0
    width: float = 0

    @property
    def text(self) -> float:
        """Left edge of the text."""
        return self.left + PAD + TRACK * (max(self.tracks.values(), default=-1) + 1) + 2

    def x(self, pid: int) -> float:
        """Where the thread of a connection runs."""
        return self.left + PAD + TRACK * self.tracks[pid] + 1


@dataclass
class _Row:
    """A line of text and its position."""

    line: TraceLine
    x: float
    y: float
    """Middle of its first line."""
    texts: Sequence[str]
    """The lines into which it is broken."""


@dataclass
class _Box:
    """An event loop."""

    loop: Loop
    left: float
    right: float
    top: float
    bottom: float = 0
    rails: dict[int, float] = field(default_factory=dict)
    """Height at which a connection that was opened here and is used in several places runs to the right, by pid."""
    rows: list[_Row] = field(default_factory=list)

    @property
    def stairs(self) -> float:
        """The height below which a box to the right may begin."""
        return max([self.top + STEP - GAP, *self.rails.values()])

    def rows_of(self, pid: int, column: int) -> list[_Row]:
        """Return the lines of a connection in a column."""
        return [row for row in self.rows if row.line.pid == pid and row.line.column == column]


class _Layout:
    """Computes all positions, then draws."""

    def __init__(self, view: TraceView) -> None:
        self._view = view
        self._columns = _columns(view)
        self._boxes: dict[int, _Box] = {}
        for loop in view.loops.values():
            self._place(loop)
        self.height = max([HEADS, *(box.bottom + 2 for box in self._boxes.values())])
        self._colours = dict(zip(view.opened_in, cycle(THREADS), strict=False))

    def _place(self, loop: Loop) -> None:
        first, last = self._columns[loop.first], self._columns[min(loop.last, max(self._columns))]
        box = _Box(loop, first.left + 2, last.left + last.width - 2, HEADS)
        for earlier in self._boxes.values():
            apart = earlier.right < box.left or box.right < earlier.left
            box.top = max(box.top, (earlier.stairs if apart else earlier.bottom) + GAP)
        below = box.top + HEADER
        for pid, opened_in in self._view.opened_in.items():
            if opened_in == loop.number and len(self._view.cells(pid)) > 1:
                box.rails[pid] = below + 1
                below += RAIL
        box.bottom = below + PAD
        for number in range(loop.first, last.number + 1):
            bottom = self._fill(box, self._columns[number], below) if number in self._columns else below
            box.bottom = max(box.bottom, bottom + PAD - 1)
        self._boxes[loop.number] = box

    def _fill(self, box: _Box, column: _Column, y: float) -> float:
        """Place the lines of a loop in a column, and return where they end."""
        for number, line in enumerate(self._view.cell(box.loop.number, column.number)):
            y += AIR if number and line.kind in {LineKind.ACTOR, LineKind.ERROR} else 0
            x = column.text + INDENT * line.depth
            texts = wrap(_text(line), (column.left + column.width - PAD / 2 - x) / ROUNDING, SIZE, _weight(line))
            box.rows.append(_Row(line, x, y + ROW / 2, texts))
            y += ROW * len(texts)
        return y

    def draw(self, axes: Axes) -> None:
        """Draw it on axes that fill the panel."""
        axes.set(xlim=(0, FULL), ylim=(self.height, 0))
        axes.set_axis_off()
        self._draw_heads(axes)
        for box in self._boxes.values():
            _draw_box(axes, box)
        for pid in self._view.opened_in:
            self._draw_thread(axes, pid)
        for box in self._boxes.values():
            for row in box.rows:
                for number, text in enumerate(row.texts):
                    _write(axes, (row.x, row.y + number * ROW), text, SIZE, _look(row.line))
        for met in self._view.meetings:
            self._draw_meeting(axes, met)

    def _draw_heads(self, axes: Axes) -> None:
        for number, column in self._columns.items():
            title, below = column_title(self._view, number)
            if column.left:
                _draw_line(axes, [column.left] * 2, [0, self.height], color=LIGHT, linewidth=0.7, zorder=0)
            look = LOUD if number in self._view.errors else BOLD
            _write(axes, (column.left + PAD, 7), title, TITLE_SIZE, look)
            _write(axes, (column.left + PAD, 20), below, SIZE, MUTED)

    def _draw_thread(self, axes: Axes, pid: int) -> None:
        """Draw a connection: a rail from its first use to its last, and a thread down into each box that uses it."""
        colour, cells = self._colours[pid], self._view.cells(pid)
        home = self._boxes[self._view.opened_in[pid]]
        rail = home.rails.get(pid)

        def line(x: Sequence[float], y: Sequence[float], **look: Any) -> None:  # noqa: ANN401 - of matplotlib
            _draw_line(axes, x, y, color=colour, zorder=3, solid_capstyle="round", **look)

        if rail is not None:
            start, end = (self._columns[column].x(pid) for column, _ in (cells[0], cells[-1]))
            inside = min(end, home.right)
            line([start, inside], [rail, rail], linewidth=THIN)
            line([inside, end], [rail, rail], linewidth=THIN, linestyle=DASHED)
        for column, loop in cells:
            rows = self._boxes[loop].rows_of(pid, column)
            x, top = self._columns[column].x(pid), rows[0].y
            if rail is not None:
                line([x, x], [rail, top], linewidth=THIN, linestyle=DASHED if x > home.right else "-")
            line([x, x], [top, rows[-1].y], linewidth=THICK)
            for row in rows:
                _draw_mark(axes, x, row, colour)

    def _draw_meeting(self, axes: Axes, met: TraceLine) -> None:
        """Mark where a connection meets a second loop, and say what the loop that opened it does meanwhile."""
        home = self._view.loops[self._view.opened_in[met.pid]]
        x, y = self._columns[met.column].x(met.pid), self._boxes[met.loop].top
        _draw_marker(axes, x, y, "o", ms=13, color=ORANGE, markeredgecolor=INK, markeredgewidth=0.8, zorder=6)
        _draw_marker(axes, x, y, "x", ms=6.5, color=INK, markeredgewidth=2, zorder=7)
        if not self._view.cell(home.number, met.column):
            words = f"{loop_name(home)} {loop_state(home, met.column)}"
            _write(axes, (x + 6, self._boxes[home.number].rails[met.pid] + 7), words, SIZE, {**ITALIC, **MUTED})


def _draw_box(axes: Axes, box: _Box) -> None:
    place, width, height = (box.left, box.top), box.right - box.left, box.bottom - box.top
    look: Look = {"facecolor": PALE, "edgecolor": GREY, "linewidth": 0.8, "zorder": 1}
    axes.add_patch(FancyBboxPatch(place, width, height, boxstyle="round,pad=0,rounding_size=4", **look))
    name = loop_name(box.loop)
    x = box.left + PAD + (8 if any(row.line.foreign_loop for row in box.rows) else -2)
    _write(axes, (x, box.top + 9), name, TITLE_SIZE, BOLD)
    beside = x + ROUNDING * text_width(name, TITLE_SIZE, "bold") + 4
    _write(axes, (beside, box.top + 9), loop_scope(box.loop), SIZE, MUTED)


def _draw_mark(axes: Axes, x: float, row: _Row, colour: str) -> None:
    """Mark on a thread where a connection is opened, taken, used and closed."""
    if row.line.kind is LineKind.CLOSES:
        _draw_line(axes, [x - 2.6, x + 2.6], [row.y] * 2, color=colour, linewidth=2, zorder=4)
    elif row.line.kind is LineKind.OPENS:
        _draw_marker(axes, x, row.y, "o", ms=6, color=colour, zorder=4)
    elif row.line.kind in {LineKind.TAKES, LineKind.USES}:
        _draw_marker(axes, x, row.y, "o", ms=4, color=colour, zorder=4)
    elif row.line.kind is LineKind.STATEMENT:
        _draw_marker(axes, x, row.y, "o", ms=3.6, color=PAPER, markeredgecolor=colour, markeredgewidth=1, zorder=4)


def _draw_marker(axes: Axes, x: float, y: float, marker: str, **look: Any) -> None:  # noqa: ANN401 - of matplotlib
    _draw_line(axes, [x], [y], marker=marker, linestyle="", **look)


def _draw_line(axes: Axes, x: Sequence[float], y: Sequence[float], **look: Any) -> None:  # noqa: ANN401 - of matplotlib
    """Draw a line as `Axes.plot` does, in half the time: its limits are set, and there are hundreds of lines."""
    axes.add_artist(Line2D(x, y, **look))


def _write(axes: Axes, place: tuple[float, float], text: str, size: float, look: Look) -> None:
    axes.text(*place, drawable(text), size=size, va="center_baseline", parse_math=False, zorder=5, **look)


def _text(line: TraceLine) -> str:
    # Indentation tells which savepoint it is.
    return line_text(line, savepoint_names=False)


def _weight(line: TraceLine) -> str:
    return "bold" if line.controls_transaction or line.error else "normal"


def _look(line: TraceLine) -> Look:
    if line.error or line.foreign_loop:
        return LOUD
    looks = {LineKind.ACTOR: {**ITALIC, **MUTED}, LineKind.LEFT_OUT: MUTED}
    return looks.get(line.kind, BOLD if line.controls_transaction else PLAIN)


def _columns(view: TraceView) -> dict[int, _Column]:
    """Return the columns: as wide as their text, the widest ones narrowed if the sheet is too small."""
    columns = {number: _Column(number, _tracks(view, number)) for number in view.columns}
    natural = {number: _natural_width(view, column) for number, column in columns.items()}
    cap = _cap(list(natural.values()))
    spare = max(0, FULL - sum(natural.values())) / len(columns)
    left = 0.0
    for number, column in columns.items():
        column.left, column.width = left, min(natural[number], cap) + spare
        left += column.width
    return columns


def _cap(widths: Sequence[float]) -> float:
    """Return the greatest width of a column with which all of them fit on the sheet."""
    rest, narrower = FULL, sorted(widths)
    for number, width in enumerate(narrower):
        if width * (len(narrower) - number) > rest:
            return rest / (len(narrower) - number)
        rest -= width
    return max(widths)


def _natural_width(view: TraceView, column: _Column) -> float:
    title, below = column_title(view, column.number)
    widths = [NARROWEST, text_width(title, TITLE_SIZE, "bold") + 2 * PAD, text_width(below, SIZE) + 2 * PAD]
    widths += [_head_width(loop) for loop in view.loops.values() if loop.first == loop.last == column.number]
    for line in view.lines:
        if line.column == column.number and not line.error:
            indent = column.text - column.left + INDENT * line.depth
            widths.append(indent + ROUNDING * text_width(drawable(_text(line)), SIZE, _weight(line)) + PAD)
    return max(widths)


def _head_width(loop: Loop) -> float:
    """Return the width that a box needs for its title and a cross beside it."""
    words = text_width(loop_name(loop), TITLE_SIZE, "bold") + text_width(loop_scope(loop), SIZE)
    return 2 * PAD + 16 + ROUNDING * words


def _tracks(view: TraceView, column: int) -> dict[int, int]:
    """Give each connection a track in a column; one that is used only here may reuse the track of a closed one."""
    tracks: dict[int, int] = {}
    closed: list[int] = []
    for line in view.lines:
        if line.column != column or not line.pid:
            continue
        if line.pid not in tracks:
            free = closed and len(view.cells(line.pid)) == 1
            tracks[line.pid] = closed.pop() if free else len(set(tracks.values()))
        if line.kind is LineKind.CLOSES:
            closed.append(tracks[line.pid])
    return tracks
