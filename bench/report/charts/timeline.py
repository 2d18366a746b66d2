"""
What happened to loops and connections in a few tests: a box for each event loop, and each connection as a thread.

Columns are tests, and time goes to the right and, within a test, down. A box is as wide as its loop lives, and boxes go
down like stairs, so that a connection that meets a second loop is a thread that leaves one box for another. What it
says comes from `bench/analysis/loops.py`. All lengths are points. Looks may change freely.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from bench.analysis.loops import read
from bench.analysis.trace_view import Connection, Line, Loop, Meeting, Story
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
from bench.results.traces import Trace

STEM = "loops-"
"""What the names of the files begin with; the strategy's name follows."""

HOW_TO_READ = (
    "Tests from left to right, and within a test down: the order of things, not how long they took. Box: an event "
    "loop, as wide as it lives. Thread: a connection, named by the pid of its server process; thick in use, thin in "
    "the pool, dashed where its loop is closed. Italic: whose doing it is. Indented: inside a transaction or savepoint."
)

SIZE, TITLE_SIZE, ROW, AIR = 8.0, 9.5, 10.8, 3.0
PAD, TRACK, INDENT = 6.0, 7.5, 7.0
HEADER, RAIL, STEP, GAP = 17.0, 7.0, 24.0, 16.0
HEADS = 30.0
NARROWEST = 66.0
CROSS = "\u2717"
ROUNDING = 1.04
"""By how much letters on whole pixels may be wider than measured."""

THREADS = (BLUE, GREEN, PURPLE, GREY)
THICK, THIN = 3.2, 1.5
DASHED = (0, (2.2, 1.4))


def picture(trace: Trace) -> Picture:
    """Draw a trace."""
    story = read(trace)
    layout = _Layout(story)
    sheet = Sheet()
    sheet.head(f"{trace.strategy}: {story.sentence}", HOW_TO_READ)
    sheet.panel(layout.height, layout.draw)
    sheet.y += 8
    for sentence in story.aside:
        sheet.write(f"Not drawn: {sentence}.", SIZE, MUTED)
    if trace.ended:
        sheet.write(f"How the process ended: {trace.ended}.", SIZE, LOUD)
    sheet.write(f"Traced on: {trace.server}.", SIZE, MUTED)
    return sheet.picture(f"{STEM}{trace.strategy}", f"Loops and connections under {trace.strategy}")


@dataclass
class _Column:
    """A test, or what is before or after all tests."""

    number: int
    tracks: dict[int, int]
    """Of each connection that is used in it."""
    left: float = 0
    width: float = 0

    @property
    def text(self) -> float:
        """Where lines begin."""
        return self.left + PAD + TRACK * (max(self.tracks.values(), default=-1) + 1) + 2

    def x(self, pid: int) -> float:
        """Where a connection's thread hangs."""
        return self.left + PAD + TRACK * self.tracks[pid] + 1


@dataclass
class _Row:
    """A line of text where it stands."""

    line: Line
    x: float
    y: float
    """Its middle."""
    words: Sequence[str]
    """Of each line that it is broken into."""


@dataclass
class _Box:
    """An event loop."""

    loop: Loop
    left: float
    right: float
    top: float
    bottom: float = 0
    rails: dict[int, float] = field(default_factory=dict)
    """Height at which a connection that was opened here, and is used in several places, goes on to the right."""
    rows: list[_Row] = field(default_factory=list)

    @property
    def stairs(self) -> float:
        """The height below which a box may begin that stands to the right."""
        return max([self.top + STEP - GAP, *self.rails.values()])

    def rows_of(self, pid: int, column: int) -> list[_Row]:
        """Return what a connection does in a column."""
        return [row for row in self.rows if row.line.pid == pid and row.line.column == column]


class _Layout:
    """Where everything stands; what is placed is drawn as it is."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._columns = _columns(story)
        self._boxes: list[_Box] = []
        for loop in story.loops:
            self._place(loop)
        self._box = {box.loop.number: box for box in self._boxes}
        self.height = max([HEADS, *(box.bottom + 2 for box in self._boxes)])
        pids = [connection.pid for connection in story.connections if story.cells(connection.pid)]
        self._colour = _colours([connection for connection in story.connections if connection.pid in pids])
        self._home = {connection.pid: connection.loop for connection in story.connections}

    def _place(self, loop: Loop) -> None:
        first, last = self._columns[loop.first], self._columns[min(loop.last, max(self._columns))]
        box = _Box(loop, first.left + 2, last.left + last.width - 2, HEADS)
        for earlier in self._boxes:
            apart = earlier.right < box.left or box.right < earlier.left
            box.top = max(box.top, (earlier.stairs if apart else earlier.bottom) + GAP)
        below = box.top + HEADER
        for connection in self._story.connections:
            if connection.loop == loop.number and len(self._story.cells(connection.pid)) > 1:
                box.rails[connection.pid] = below + 1
                below += RAIL
        box.bottom = below + PAD
        for number in range(loop.first, last.number + 1):
            bottom = self._fill(box, self._columns[number], below) if number in self._columns else below
            box.bottom = max(box.bottom, bottom + PAD - 1)
        self._boxes.append(box)

    def _fill(self, box: _Box, column: _Column, y: float) -> float:
        """Set a cell's lines, and return where they end."""
        for number, line in enumerate(self._story.cell(box.loop.number, column.number)):
            y += AIR if number and line.kind in {"who", "error"} else 0
            x = column.text + INDENT * line.depth
            words = wrap(_words(line), (column.left + column.width - PAD / 2 - x) / ROUNDING, SIZE, _weight(line))
            box.rows.append(_Row(line, x, y + ROW / 2, words))
            y += ROW * len(words)
        return y

    def draw(self, axes: Axes) -> None:
        """Draw it on axes that fill the panel."""
        axes.set(xlim=(0, FULL), ylim=(self.height, 0))
        axes.set_axis_off()
        self._draw_heads(axes)
        for box in self._boxes:
            _draw_box(axes, box)
        for pid in self._colour:
            self._draw_thread(axes, pid)
        for box in self._boxes:
            for row in box.rows:
                _draw_row(axes, row)
        for met in self._story.meetings:
            self._draw_meeting(axes, met)

    def _draw_heads(self, axes: Axes) -> None:
        for number, (title, below) in self._story.heads.items():
            column = self._columns[number]
            if column.left:
                axes.plot([column.left] * 2, [0, self.height], color=LIGHT, linewidth=0.7, zorder=0)
            look = LOUD if number in self._story.errors else BOLD
            _write(axes, (column.left + PAD, 7), title, TITLE_SIZE, look)
            _write(axes, (column.left + PAD, 20), below, SIZE, MUTED)

    def _draw_thread(self, axes: Axes, pid: int) -> None:
        """Draw a connection: the rail along which it goes on, and where it hangs down into the boxes."""
        colour, cells = self._colour[pid], self._story.cells(pid)
        home = self._box[self._home[pid]]
        rail = home.rails.get(pid)

        def line(x: Sequence[float], y: Sequence[float], **look: Any) -> None:  # noqa: ANN401 - matplotlib's own
            axes.plot(x, y, color=colour, zorder=3, solid_capstyle="round", **look)

        if rail is not None:
            start, end = (self._columns[column].x(pid) for column, _ in (cells[0], cells[-1]))
            inside = min(end, home.right)
            line([start, inside], [rail, rail], linewidth=THIN)
            line([inside, end], [rail, rail], linewidth=THIN, linestyle=DASHED)
        for column, loop in cells:
            rows = self._box[loop].rows_of(pid, column)
            x, top = self._columns[column].x(pid), rows[0].y
            if rail is not None:
                line([x, x], [rail, top], linewidth=THIN, linestyle=DASHED if x > home.right else "-")
            line([x, x], [top, rows[-1].y], linewidth=THICK)
            for row in rows:
                _draw_mark(axes, x, row, colour)

    def _draw_meeting(self, axes: Axes, met: Meeting) -> None:
        """Mark where a connection comes into a second loop, and say what the first one does."""
        column, home = self._columns[met.column], self._box[met.opened_in]
        x, y = column.x(met.pid), self._box[met.loop].top
        axes.plot(x, y, "o", ms=13, color=ORANGE, markeredgecolor=INK, markeredgewidth=0.8, zorder=6)
        axes.plot(x, y, "x", ms=6.5, color=INK, markeredgewidth=2, zorder=7)
        if not self._story.cell(met.opened_in, met.column):
            words = f"{home.loop.name} {home.loop.state(met.column)}"
            _write(axes, (x + 6, home.rails[met.pid] + 7), words, SIZE, {**ITALIC, **MUTED})


def _draw_box(axes: Axes, box: _Box) -> None:
    place, width, height = (box.left, box.top), box.right - box.left, box.bottom - box.top
    look: Look = {"facecolor": PALE, "edgecolor": GREY, "linewidth": 0.8, "zorder": 1}
    axes.add_patch(FancyBboxPatch(place, width, height, boxstyle="round,pad=0,rounding_size=4", **look))
    name = drawable(box.loop.name)
    x = box.left + PAD + (8 if any(row.line.strange for row in box.rows) else -2)
    _write(axes, (x, box.top + 9), name, TITLE_SIZE, BOLD)
    beside = x + ROUNDING * text_width(name, TITLE_SIZE, "bold") + 4
    _write(axes, (beside, box.top + 9), box.loop.life, SIZE, MUTED)


def _draw_row(axes: Axes, row: _Row) -> None:
    for number, words in enumerate(row.words):
        _write(axes, (row.x, row.y + number * ROW), words, SIZE, _look(row.line))


def _draw_mark(axes: Axes, x: float, row: _Row, colour: str) -> None:
    """Mark on a thread where a connection is opened, closed, and used."""
    if row.line.text.startswith("closes"):
        axes.plot([x - 2.6, x + 2.6], [row.y] * 2, color=colour, linewidth=2, zorder=4)
    elif row.line.text.startswith("opens"):
        axes.plot(x, row.y, "o", ms=6, color=colour, zorder=4)
    elif row.line.kind == "connection":
        axes.plot(x, row.y, "o", ms=4, color=colour, zorder=4)
    elif row.line.kind == "statement":
        axes.plot(x, row.y, "o", ms=3.6, color=PAPER, markeredgecolor=colour, markeredgewidth=1, zorder=4)


def _write(axes: Axes, place: tuple[float, float], text: str, size: float, look: Look) -> None:
    axes.text(*place, drawable(text), size=size, va="center_baseline", parse_math=False, zorder=5, **look)


def _words(line: Line) -> str:
    """Return a line as it is drawn: what a savepoint is called says nothing where it is indented."""
    words = line.text.split()
    if line.control and words[0].upper() in {"SAVEPOINT", "RELEASE"}:
        text = words[0]
    elif line.control and words[:2] == ["ROLLBACK", "TO"]:
        text = "ROLLBACK TO"
    else:
        text = line.text
    if line.kind == "error":
        return f"{CROSS} {text}"
    return f"{text} {CROSS} refused" if line.refused else text


def _weight(line: Line) -> str:
    return "bold" if line.control or line.kind == "error" else "normal"


def _look(line: Line) -> Look:
    if line.kind == "error" or (line.strange and line.kind == "connection"):
        return LOUD
    return {"who": {**ITALIC, **MUTED}, "left out": MUTED}.get(line.kind, BOLD if line.control else PLAIN)


def _columns(story: Story) -> dict[int, _Column]:
    """Return the columns, each as wide as its words, or the widest ones narrower; what is left over is shared."""
    columns = {number: _Column(number, _tracks(story, number)) for number in story.heads}
    natural = {number: _natural_width(story, column) for number, column in columns.items()}
    cap = _cap(list(natural.values()))
    spare = max(0, FULL - sum(natural.values())) / len(columns)
    left = 0.0
    for number, column in columns.items():
        column.left, column.width = left, min(natural[number], cap) + spare
        left += column.width
    return columns


def _cap(widths: Sequence[float]) -> float:
    """Return how wide a column may be so that all of them fit on the sheet."""
    rest, narrower = FULL, sorted(widths)
    for number, width in enumerate(narrower):
        if width * (len(narrower) - number) > rest:
            return rest / (len(narrower) - number)
        rest -= width
    return max(widths)


def _natural_width(story: Story, column: _Column) -> float:
    title, below = story.heads[column.number]
    widths = [NARROWEST, text_width(title, TITLE_SIZE, "bold") + 2 * PAD, text_width(below, SIZE) + 2 * PAD]
    widths += [_head_width(loop) for loop in story.loops if loop.first == loop.last == column.number]
    for line in story.lines:
        if line.column == column.number and line.kind != "error":
            indent = column.text - column.left + INDENT * line.depth
            widths.append(indent + ROUNDING * text_width(drawable(_words(line)), SIZE, _weight(line)) + PAD)
    return max(widths)


def _head_width(loop: Loop) -> float:
    """Return how wide a box is that has room for its head, and for a cross beside it."""
    words = text_width(loop.name, TITLE_SIZE, "bold") + text_width(loop.life, SIZE)
    return 2 * PAD + 16 + ROUNDING * words


def _colours(connections: Sequence[Connection]) -> dict[int, str]:
    """Give connections that are there at the same time different colours, as far as there are any."""
    colours: dict[int, str] = {}
    for number, connection in enumerate(connections):
        beside = [colours[one.pid] for one in connections[:number] if one.last >= connection.first]
        used = [*beside * len(connections), *colours.values()]
        colours[connection.pid] = min(THREADS, key=used.count)
    return colours


def _tracks(story: Story, column: int) -> dict[int, int]:
    """Give each connection a track of its own in a column; one that is here alone may have that of a closed one."""
    tracks: dict[int, int] = {}
    closed: list[int] = []
    for line in story.lines:
        if line.column != column or not line.pid:
            continue
        if line.pid not in tracks:
            free = closed and len(story.cells(line.pid)) == 1
            tracks[line.pid] = closed.pop() if free else len(set(tracks.values()))
        if line.text.startswith("closes"):
            closed.append(tracks[line.pid])
    return tracks
