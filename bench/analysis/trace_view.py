"""
The records of what a trace says: lines, event loops, connections, and where a connection met a second loop.

Between `bench/analysis/loops.py`, which makes them out of a trace, and those that show them. Numbers of loops are those
of `bench/results/traces.py`; a column is a test, or what wide fixtures do before the first or after the last one.
"""

from dataclasses import dataclass
from typing import Literal

from bench.results.traces import NO_LOOP

BEFORE = 0
"""The column of what wide fixtures do before the first test; a test's column is its number."""


@dataclass(frozen=True)
class Line:
    """One line of what a loop did in a column."""

    kind: Literal["who", "connection", "statement", "error", "left out"]
    """`who`: the fixture or test whose doing the lines below are. `connection`: one is opened, taken or closed."""
    column: int
    loop: int
    text: str
    pid: int = 0
    depth: int = 0
    """Of a statement: how many transactions and savepoints it stands in."""
    control: bool = False
    """Whether a statement controls a transaction."""
    refused: bool = False
    """Whether the server refused the statement."""
    strange: bool = False
    """Whether the connection was opened in another loop than the one that uses it here."""


@dataclass(frozen=True)
class Loop:
    """An event loop, and from which column to which it is there."""

    number: int
    name: str
    """What it is called; one that code made for itself has a letter."""
    scope: str
    first: int
    last: int

    @property
    def life(self) -> str:
        """For how long it is there."""
        if self.number == NO_LOOP:
            return "none was made yet"
        if self.scope == "function":
            return "this test's own"
        return f"the {self.scope}'s" if self.scope else "the code's own"

    def state(self, column: int) -> str:
        """Say what it does while a test runs in another one."""
        return "is closed" if column > self.last else "does not run now"


@dataclass(frozen=True)
class Connection:
    """A connection, and where it was first and last used."""

    pid: int
    loop: int
    """In which it was opened."""
    first: int
    last: int
    """Columns; an open connection is there to the end."""
    closed: bool


@dataclass(frozen=True)
class Meeting:
    """A connection that was taken or used in another loop than the one in which it was opened."""

    column: int
    pid: int
    loop: int
    opened_in: int
    error: str
    """That the test ended with; empty where it passed."""


@dataclass(frozen=True)
class Story:
    """What a trace says, in the order in which it happened."""

    heads: dict[int, tuple[str, str]]
    """Of each column its title, and what stands below it."""
    errors: dict[int, str]
    """By the numbers of the tests that failed."""
    loops: tuple[Loop, ...]
    connections: tuple[Connection, ...]
    lines: tuple[Line, ...]
    meetings: tuple[Meeting, ...]
    aside: tuple[str, ...]
    """What ran in loops that touch nothing of the tests, a sentence each."""
    sentence: str

    def loop(self, number: int) -> Loop:
        """Return the loop of a number."""
        return next(loop for loop in self.loops if loop.number == number)

    def cells(self, pid: int) -> list[tuple[int, int]]:
        """Return column and loop of each place where a connection is used, in order."""
        return list(dict.fromkeys((line.column, line.loop) for line in self.lines if line.pid == pid))

    def cell(self, loop: int, column: int) -> list[Line]:
        """Return what a loop did in a column."""
        return [line for line in self.lines if (line.loop, line.column) == (loop, column)]
