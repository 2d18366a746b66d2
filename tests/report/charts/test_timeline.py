"""The picture of loops and connections: what happened stands on it, nothing collides, and drawing is reproducible."""

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

from bench.analysis.loops import MOST_LINES, read
from bench.report.charts.timeline import picture
from bench.report.charts.typesetting import DARK, LOUD, ORANGE
from bench.results.traces import Event, Trace

Kind = Literal["setup", "call", "teardown"]
NAMES = ("create_and_list", "conflict_then_carry_on", "read_own_commits")
OTHER_LOOP = "RuntimeError: Task <Task> got Future <Future> attached to a different loop"
STRANGE = "ValueError: $x_{y} <b>&amp; \x1b[31mred\x00 \u65e5\u672c"


class Script:
    """Writes a trace by hand, in the order in which things happen."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._events: list[Event] = []
        self._test = 0
        self._phase: Kind = "setup"

    def tell(self, kind: Any, **details: Any) -> None:  # noqa: ANN401 - as in Event
        """Add an event."""
        self._events.append(Event(kind, self._test, self._phase, **details))

    def test(self) -> None:
        """Begin a test."""
        self._test, self._phase = self._test + 1, "setup"
        self.tell("test", text=NAMES[self._test - 1])

    def phase(self, phase: Kind) -> None:
        """Go on to a phase of it."""
        self._phase = phase

    def fixture(self, name: str, scope: str, work: Callable[[], None]) -> None:
        """Set a fixture up."""
        self.tell("fixture begins", text=name, scope=scope)
        work()
        self.tell("fixture ready", text=name, scope=scope)

    def loop(self, number: int, scope: str = "function") -> None:
        """Make a loop."""
        self.tell("loop made", loop=number, scope=scope)

    def use(self, loop: int, pid: int, *statements: str, opens: bool = False, closes: bool = False) -> None:
        """Take a connection from the pool, and send statements over it."""
        if opens:
            self.tell("opened", loop=loop, pid=pid)
        self.tell("taken", loop=loop, pid=pid)
        for statement in statements:
            self.tell("statement", loop=loop, pid=pid, text=statement)
        self.tell("returned", loop=loop, pid=pid)
        if closes:
            self.tell("closed", loop=loop, pid=pid)

    def trace(self) -> Trace:
        """Return what was written."""
        return Trace(self._name, "", "embedded, Postgres 18.4", NAMES[: self._test], tuple(self._events))


COMMITTED = ("BEGIN", "INSERT customers", "COMMIT")
ROLLED_BACK = ("BEGIN", "SAVEPOINT a", "INSERT customers", "RELEASE SAVEPOINT a", "ROLLBACK")


def trap() -> Trace:
    """Return what a module's engine does in loops of tests."""
    script = Script("trap")
    for number in (1, 2, 3):
        script.test()
        script.loop(number)
        script.use(number, 4711, *(COMMITTED if number == 1 else ("BEGIN",)), opens=number == 1)
        if number > 1:
            script.tell("error", text=OTHER_LOOP)
        script.tell("loop closed", loop=number)
    return script.trace()


def session_trap() -> Trace:
    """Return what a session's engine does in loops of tests."""
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
        script.tell("error", text=OTHER_LOOP)
        script.tell("loop closed", loop=number + 1)
    script.phase("teardown")
    script.tell("closed", loop=1, pid=4711)
    script.tell("fixture over", text="db_engine", scope="session")
    return script.trace()


def own_loop() -> Trace:
    """Return what tests do with a connection of a loop that a fixture ran for itself."""
    script = Script("own_loop")
    script.test()
    script.fixture("session_factory", "session", lambda: script.use(-1, 4711, opens=True))
    script.loop(1)
    script.use(1, 4711, "BEGIN")
    script.tell("error", text=OTHER_LOOP)
    return script.trace()


def cure() -> Trace:
    """Return what one loop with one connection does."""
    script = Script("cure")
    for number in (1, 2, 3):
        script.test()
        if number == 1:
            script.loop(1, "session")
        script.phase("call")
        script.use(1, 4711, *ROLLED_BACK, opens=number == 1)
    return script.trace()


def stairs() -> Trace:
    """Return what loops with connections of their own do."""
    script = Script("stairs")
    for number in (1, 2, 3):
        script.test()
        script.loop(number)
        script.use(number, 4710 + number, *ROLLED_BACK, opens=True, closes=True)
        script.tell("loop closed", loop=number)
    return script.trace()


def crowd() -> Trace:
    """Return more connections, statements and letters than there is room for."""
    script = Script("a_strategy_with_a_name_that_is_longer_than_anything_else_here")
    for number in (1, 2, 3):
        script.test()
        if number == 1:
            script.loop(1, "session")
        for pid in range(1_000_001, 1_000_008):
            script.fixture(
                f"a_fixture_with_a_long_name_{pid}",
                "function",
                lambda pid=pid, first=number == 1: script.use(  # type: ignore[misc] # of this turn
                    1, pid, *COMMITTED, f"SELECT {'w' * 33}", opens=first
                ),
            )
        script.phase("call")
        script.use(1, 1_000_001, *[text for count in range(40) for text in ("BEGIN", f"SELECT t_{count}", "COMMIT")])
        script.tell("error", text=STRANGE * 3)
    return script.trace()


def nothing() -> Trace:
    """Return tests that use no connection."""
    script = Script("nothing")
    script.test()
    return script.trace()


def no_loop() -> Trace:
    """Return tests that fail before there is a loop."""
    script = Script("no_loop")
    for _ in NAMES:
        script.test()
        script.tell("error", text="KeyError: 'HOME'")
    return script.trace()


TRACES = {make.__name__: make() for make in (trap, session_trap, own_loop, cure, stairs, crowd, nothing, no_loop)}
DPI = (100, 200)
"""Of a screen, and of the PNG: letters stand on whole pixels, so their widths differ."""


@cache
def drawn(name: str, dpi: int = 100) -> tuple[Figure, list[Text]]:
    """Return the figure of one of `TRACES`, ready to be measured, and every text on it."""
    figure = picture(TRACES[name]).figure
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure)
    return figure, [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]


def words(name: str) -> list[str]:
    """Return every text of a figure."""
    return [text.get_text() for text in drawn(name)[1]]


def boxes(name: str) -> list[FancyBboxPatch]:
    """Return the loops of a figure, in their order."""
    return [patch for patch in drawn(name)[0].axes[0].patches if isinstance(patch, FancyBboxPatch)]


def crosses(name: str) -> list[Line2D]:
    """Return the marks of a figure that say where a connection meets a second loop."""
    return [line for line in drawn(name)[0].axes[0].lines if line.get_color() == ORANGE]


@pytest.mark.parametrize("dpi", DPI)
@pytest.mark.parametrize("name", TRACES)
def test_texts_can_be_read(name: str, dpi: int) -> None:
    """Every text lies on the page, is 8 points or more, and touches no other."""
    figure, texts = drawn(name, dpi)
    ends = [text.get_window_extent() for text in texts]
    page = figure.bbox
    for text, end in zip(texts, ends, strict=True):
        assert page.x0 <= end.x0 < end.x1 <= page.x1, text
        assert page.y0 <= end.y0 < end.y1 <= page.y1, text
        assert float(text.get_fontsize()) >= 8
    # Of lines that stand close, the room for descenders and accents may touch.
    inner = [end.padded(-0.8 * dpi / 72) for end in ends]
    for one, other in combinations(range(len(texts)), 2):
        assert not inner[one].overlaps(inner[other]), (texts[one], texts[other])


@pytest.mark.parametrize("name", ["trap", "stairs"])
def test_same_trace_same_bytes(name: str, tmp_path: Path) -> None:
    """Drawn twice it is the same, SVG and PNG; its name has the strategy's."""
    first, second = (picture(TRACES[name]).write(tmp_path / turn) for turn in ("a", "b"))
    assert first[0].stem == f"loops-{TRACES[name].strategy}"
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", TRACES)
def test_every_colour_has_one_for_dark_screens(name: str) -> None:
    """Lines, boxes and words are of the colours that the SVG turns on a dark screen."""
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
    """A cross stands on the edge of each box that a connection of another loop comes into, and nowhere else."""
    found = crosses(name)
    assert len(found) == count
    tops = [box.get_bbox().y0 for box in boxes(name)[-count:]] if count else []
    assert [np.asarray(cross.get_ydata())[0] for cross in found] == tops


def test_boxes_are_loops_as_wide_as_they_live() -> None:
    """One loop is one box over all tests; loops of tests stand beside each other, each below the one before."""
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
def test_words_stand_in_the_box_of_their_loop(name: str) -> None:
    """Whatever begins inside of a box ends there."""
    figure, texts = drawn(name)
    for box in (patch.get_window_extent() for patch in boxes(name)):
        for end in (text.get_window_extent() for text in texts if text.axes is not None):
            if box.x0 < end.x0 < box.x1 and box.y0 < end.y0 < end.y1 < box.y1:
                assert end.x1 < box.x1 + figure.dpi / 72, name


def test_words_of_the_trap() -> None:
    """The error stands where it came, what became of the first loop beside the cross, and the sentence above."""
    said = words("trap")
    assert "\u2717 RuntimeError: ... attached to a" in said
    assert said.count("loop 1 is closed") == 2
    assert words("session_trap").count("loop 1 does not run now") == 3
    loud = [text.get_text() for text in drawn("trap")[1] if text.get_bbox_patch() is not None]
    assert {"takes 4711", "test 2: RuntimeError"} <= set(loud)
    assert LOUD["bbox"]["facecolor"] == ORANGE
    assert picture(TRACES["trap"]).sentence.startswith("trap: Test 2 runs in loop 2, but takes connection 4711")


def test_transactions_are_told_by_indentation() -> None:
    """What stands inside of a transaction or savepoint is indented, and what ends it stands where it began."""
    left = {
        text.get_text(): float(text.get_position()[0]) for text in reversed(drawn("cure")[1]) if text.axes is not None
    }
    assert left["BEGIN"] == left["ROLLBACK"] < left["SAVEPOINT"] == left["RELEASE"] < left["INSERT customers"]


def test_many_statements_are_folded() -> None:
    """Of more lines than can be read the middle is a number, equal ones are counted, and connections stay."""
    story = read(TRACES["crowd"])
    cell = story.cell(1, 2)
    assert sum(line.kind == "statement" for line in cell) < MOST_LINES
    assert any(line.text.endswith("statements more ...") for line in cell)
    assert {line.pid for line in cell if line.kind == "connection"} == set(range(1_000_001, 1_000_008))
    assert f"{3 * (7 + 40)} COMMITs reach the server" in story.sentence
    assert folded("SELECT a", "SELECT a", "SELECT a") == ["SELECT a x 3"]
    assert folded("SELECT a", "SELECT b", "SELECT c") == ["3 statements"]
    assert folded("SELECT a", "SELECT b") == ["SELECT a", "SELECT b"]


def folded(*statements: str) -> Sequence[str]:
    """Return how statements in a row are told."""
    script = Script("folded")
    script.test()
    script.loop(1)
    script.use(1, 4711, *statements, opens=True)
    return [line.text for line in read(script.trace()).lines if line.kind == "statement"]
