"""The chart of loops and connections: it shows what happened, no texts overlap, and drawing is reproducible."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from bench.analysis.loops import MOST_LINES, view_trace
from bench.analysis.trace_view import LineKind
from bench.report.charts.timeline import picture
from bench.report.charts.typesetting import DARK, LOUD, ORANGE
from bench.report.trace_text import headline, line_text
from bench.results.traces import Event, Trace

Kind = Literal["setup", "call", "teardown"]
NAMES = ("create_and_list", "conflict_then_carry_on", "read_own_commits")
OTHER_LOOP = "RuntimeError: Task <Task> got Future <Future> attached to a different loop"
STRANGE = "ValueError: $x_{y} <b>&amp; \x1b[31mred\x00 \u65e5\u672c"


class Script:
    """Builds a trace event by event."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._events: list[Event] = []
        self._test = 0
        self._phase: Kind = "setup"

    def add(self, kind: Any, **details: Any) -> None:  # noqa: ANN401 - as in Event
        """Add an event."""
        self._events.append(Event(kind, self._test, self._phase, **details))

    def test(self) -> None:
        """Start a test."""
        self._test, self._phase = self._test + 1, "setup"
        self.add("test", text=NAMES[self._test - 1])

    def phase(self, phase: Kind) -> None:
        """Enter a phase of the test."""
        self._phase = phase

    def fixture(self, name: str, scope: str, work: Callable[[], None]) -> None:
        """Set a fixture up."""
        self.add("fixture begins", text=name, scope=scope)
        work()
        self.add("fixture ready", text=name, scope=scope)

    def loop(self, number: int, scope: str = "function") -> None:
        """Make a loop."""
        self.add("loop made", loop=number, scope=scope)

    def use(self, loop: int, pid: int, *statements: str, opens: bool = False, closes: bool = False) -> None:
        """Take a connection from the pool, and send statements over it."""
        if opens:
            self.add("opened", loop=loop, pid=pid)
        self.add("taken", loop=loop, pid=pid)
        for statement in statements:
            self.add("statement", loop=loop, pid=pid, text=statement)
        self.add("returned", loop=loop, pid=pid)
        if closes:
            self.add("closed", loop=loop, pid=pid)

    def trace(self) -> Trace:
        """Return the trace."""
        return Trace(self._name, "", "embedded, Postgres 18.4", NAMES[: self._test], tuple(self._events))


COMMITTED = ("BEGIN", "INSERT customers", "COMMIT")
ROLLED_BACK = ("BEGIN", "SAVEPOINT a", "INSERT customers", "RELEASE SAVEPOINT a", "ROLLBACK")


def trap() -> Trace:
    """Return the trace of a module-level engine under function-scoped loops."""
    script = Script("trap")
    for number in (1, 2, 3):
        script.test()
        script.loop(number)
        script.use(number, 4711, *(COMMITTED if number == 1 else ("BEGIN",)), opens=number == 1)
        if number > 1:
            script.add("error", text=OTHER_LOOP)
        script.add("loop closed", loop=number)
    return script.trace()


def session_trap() -> Trace:
    """Return the trace of a session-scoped engine under function-scoped loops."""
    script = Script("session_trap")
    script.test()

    def connect() -> None:
        script.loop(1, "session")
        script.use(1, 4711, "SELECT 1", opens=True)

    script.fixture("db_engine", "session", connect)
    for number in (1, 2, 3):
        if number > 1:
            script.test()
        script.loop(number + 1)
        script.use(number + 1, 4711, "BEGIN")
        script.add("error", text=OTHER_LOOP)
        script.add("loop closed", loop=number + 1)
    script.phase("teardown")
    script.add("closed", loop=1, pid=4711)
    script.add("fixture over", text="db_engine", scope="session")
    return script.trace()


def own_loop() -> Trace:
    """Return the trace of a test that uses a connection opened in a loop that a fixture started."""
    script = Script("own_loop")
    script.test()
    script.fixture("session_factory", "session", lambda: script.use(-1, 4711, opens=True))
    script.loop(1)
    script.use(1, 4711, "BEGIN")
    script.add("error", text=OTHER_LOOP)
    return script.trace()


def cure() -> Trace:
    """Return the trace of one loop with one connection."""
    script = Script("cure")
    for number in (1, 2, 3):
        script.test()
        if number == 1:
            script.loop(1, "session")
        script.phase("call")
        script.use(1, 4711, *ROLLED_BACK, opens=number == 1)
    return script.trace()


def stairs() -> Trace:
    """Return the trace of three loops, each with its own connection."""
    script = Script("stairs")
    for number in (1, 2, 3):
        script.test()
        script.loop(number)
        script.use(number, 4710 + number, *ROLLED_BACK, opens=True, closes=True)
        script.add("loop closed", loop=number)
    return script.trace()


def crowd() -> Trace:
    """Return a trace with more connections, statements and long names than fit."""
    script = Script("a_strategy_with_a_name_that_is_longer_than_anything_else_here")
    for number in (1, 2, 3):
        script.test()
        if number == 1:
            script.loop(1, "session")
        for pid in range(1_000_001, 1_000_008):
            script.fixture(
                f"a_fixture_with_a_long_name_{pid}",
                "function",
                lambda pid=pid, first=number == 1: script.use(  # type: ignore[misc] # binds the values of this turn
                    1, pid, *COMMITTED, f"SELECT {'w' * 33}", opens=first
                ),
            )
        script.phase("call")
        script.use(1, 1_000_001, *[text for count in range(40) for text in ("BEGIN", f"SELECT t_{count}", "COMMIT")])
        script.add("error", text=STRANGE * 3)
    return script.trace()


def nothing() -> Trace:
    """Return the trace of a test that uses no connection."""
    script = Script("nothing")
    script.test()
    return script.trace()


def no_loop() -> Trace:
    """Return the trace of tests that fail before any loop exists."""
    script = Script("no_loop")
    for _ in NAMES:
        script.test()
        script.add("error", text="KeyError: 'HOME'")
    return script.trace()


TRACES = {make.__name__: make() for make in (trap, session_trap, own_loop, cure, stairs, crowd, nothing, no_loop)}
DPI = (100, 200)
"""Of a screen and of the PNG; text on whole pixels has different widths."""


@cache
def drawn(name: str, dpi: int = 100) -> tuple[Figure, list[Text]]:
    """Return the figure of one of `TRACES`, with a canvas, and every text on it."""
    figure = picture(TRACES[name]).figure
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure)
    return figure, [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]


def words(name: str) -> list[str]:
    """Return every text of a figure."""
    return [text.get_text() for text in drawn(name)[1]]


def boxes(name: str) -> list[FancyBboxPatch]:
    """Return the boxes of the loops, in order."""
    return [patch for patch in drawn(name)[0].axes[0].patches if isinstance(patch, FancyBboxPatch)]


def crosses(name: str) -> list[Line2D]:
    """Return the marks where a connection meets a second loop."""
    return [line for line in drawn(name)[0].axes[0].lines if line.get_color() == ORANGE]


@pytest.mark.parametrize("dpi", DPI)
@pytest.mark.parametrize("name", TRACES)
def test_texts_can_be_read(name: str, dpi: int) -> None:
    """Every text is inside the page, at least 8 points high, and overlaps no other."""
    figure, texts = drawn(name, dpi)
    ends = [text.get_window_extent() for text in texts]
    page = figure.bbox
    for text, end in zip(texts, ends, strict=True):
        assert page.x0 <= end.x0 < end.x1 <= page.x1, text
        assert page.y0 <= end.y0 < end.y1 <= page.y1, text
        assert float(text.get_fontsize()) >= 8
    # In adjacent lines, the space for descenders and accents may overlap.
    inner = [end.padded(-0.8 * dpi / 72) for end in ends]
    for one, other in combinations(range(len(texts)), 2):
        assert not inner[one].overlaps(inner[other]), (texts[one], texts[other])


@pytest.mark.parametrize("name", ["trap", "stairs"])
def test_same_trace_same_bytes(name: str, tmp_path: Path) -> None:
    """Two drawings are equal byte for byte, as SVG and PNG, and are named after the strategy."""
    first, second = (picture(TRACES[name]).write(tmp_path / turn) for turn in ("a", "b"))
    assert first[0].stem == f"loops-{TRACES[name].strategy}"
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", TRACES)
def test_every_colour_has_one_for_dark_screens(name: str) -> None:
    """Lines, boxes and texts use only colours that the SVG replaces on a dark screen."""
    figure, texts = drawn(name)
    (axes,) = figure.axes
    used = [*(text.get_color() for text in texts), *(line.get_color() for line in axes.lines)]
    used += [part.get_markerfacecolor() for part in axes.lines] + [part.get_markeredgecolor() for part in axes.lines]
    used += [colour for box in boxes(name) for colour in (box.get_facecolor(), box.get_edgecolor())]
    assert {to_hex(colour) for colour in used} <= DARK.keys()


@pytest.mark.parametrize(
    ("name", "count"), [("trap", 2), ("session_trap", 3), ("own_loop", 1), ("cure", 0), ("stairs", 0)]
)
def test_cross_where_a_connection_meets_a_second_loop(name: str, count: int) -> None:
    """A cross is on the top edge of each box that a connection of another loop enters, and nowhere else."""
    found = crosses(name)
    assert len(found) == count
    tops = [box.get_bbox().y0 for box in boxes(name)[-count:]] if count else []
    assert [np.asarray(cross.get_ydata())[0] for cross in found] == tops


def test_width_of_a_box_is_the_lifetime_of_its_loop() -> None:
    """A session loop is one box across all tests; function loops are side by side, each lower than the one before."""
    (one,) = boxes("cure")
    steps = boxes("stairs")
    assert len(steps) == 3
    assert one.get_bbox().width > 2.5 * max(step.get_bbox().width for step in steps)
    for left, right in combinations([step.get_bbox() for step in steps], 2):
        assert left.x1 < right.x0
        assert left.y0 < right.y0
    session, *tests = (box.get_bbox() for box in boxes("session_trap"))
    assert all(session.x0 < test.x0 and test.x1 < session.x1 and session.y1 < test.y0 for test in tests)


@pytest.mark.parametrize("name", TRACES)
def test_text_stays_in_the_box_of_its_loop(name: str) -> None:
    """A text that begins inside a box ends inside it."""
    figure, texts = drawn(name)
    for box in (patch.get_window_extent() for patch in boxes(name)):
        for end in (text.get_window_extent() for text in texts if text.axes is not None):
            if box.x0 < end.x0 < box.x1 and box.y0 < end.y0 < end.y1 < box.y1:
                assert end.x1 < box.x1 + figure.dpi / 72, name


def test_words_of_the_trap() -> None:
    """The error is in its test, the state of the first loop beside the cross, and the summary above."""
    said = words("trap")
    assert "\u2717 RuntimeError: ... attached to a" in said
    assert said.count("loop 1 is closed") == 2
    assert words("session_trap").count("loop 1 is not running") == 3
    loud = [text.get_text() for text in drawn("trap")[1] if text.get_bbox_patch() is not None]
    assert {"takes 4711", "test 2: RuntimeError"} <= set(loud)
    assert LOUD["bbox"]["facecolor"] == ORANGE
    assert picture(TRACES["trap"]).sentence.startswith(
        "trap: Test 2 runs in loop 2 but takes connection 4711 from the pool."
    )


def test_transactions_are_indented() -> None:
    """Statements inside a transaction or savepoint are indented; the one that ends it is aligned with its beginning."""
    left = {
        text.get_text(): float(text.get_position()[0]) for text in reversed(drawn("cure")[1]) if text.axes is not None
    }
    assert left["BEGIN"] == left["ROLLBACK"] < left["SAVEPOINT"] == left["RELEASE"] < left["INSERT customers"]


def test_many_statements_are_folded() -> None:
    """Too many lines become a count in the middle, equal ones in a row are counted, and connections are kept."""
    view = view_trace(TRACES["crowd"])
    cell = view.cell(1, 2)
    shown = [line for line in cell if line.kind is LineKind.STATEMENT]
    assert len(shown) < MOST_LINES
    (left_out,) = (line for line in cell if line.kind is LineKind.LEFT_OUT)
    assert sum(line.count for line in (*shown, left_out)) == 7 * 4 + 40 * 3
    assert line_text(left_out) == f"... {left_out.count} more statements ..."
    assert {line.pid for line in cell if line.kind is LineKind.TAKES} == set(range(1_000_001, 1_000_008))
    assert f"{3 * (7 + 40)} COMMITs reach the server" in headline(view)
    assert folded("SELECT a", "SELECT a", "SELECT a") == ["SELECT a x 3"]
    assert folded("SELECT a", "SELECT b", "SELECT c") == ["3 statements"]
    assert folded("SELECT a", "SELECT b") == ["SELECT a", "SELECT b"]


def folded(*statements: str) -> Sequence[str]:
    """Return the lines of a test that sends these statements in a row."""
    script = Script("folded")
    script.test()
    script.loop(1)
    script.use(1, 4711, *statements, opens=True)
    return [line_text(line) for line in view_trace(script.trace()).lines if line.kind is LineKind.STATEMENT]
