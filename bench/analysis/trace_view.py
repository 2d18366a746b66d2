"""
What a trace shows, as data: loops, connections, the events of each test, and where a second loop interfered.

`bench/analysis/loops.py` makes it from a trace, `bench/report/trace_text.py` puts it into words. Loops are numbered as
in `bench/results/traces.py`. A column is a test, or what fixtures of a wider scope do before or after all tests.
"""

from dataclasses import dataclass
from enum import StrEnum

from bench.results.traces import TRANSACTION_CONTROL

BEFORE = 0
"""The column before the first test. A test's column is its number, and the next number is the column after the last."""


class LineKind(StrEnum):
    """
    What a line reports.

    - `ACTOR`: which test or fixture causes the lines below.
    - `OPENS`, `CLOSES`: a connection is opened or closed.
    - `TAKES`: a connection is taken from the pool, for the first time in this loop and column.
    - `USES`: a connection that was not taken from the pool is used, for the first time in this loop and column.
    - `STATEMENT`: one statement, or several in a row.
    - `LEFT_OUT`: statements that are only counted, because there are too many to show.
    - `ERROR`: a phase of the test failed.
    """

    ACTOR = "actor"
    OPENS = "opens"
    TAKES = "takes"
    USES = "uses"
    CLOSES = "closes"
    STATEMENT = "statement"
    LEFT_OUT = "left out"
    ERROR = "error"


@dataclass(frozen=True)
class Actor:
    """What causes events: the test, unless a fixture is named."""

    fixture: str = ""
    teardown: bool = False
    """Whether it is the fixture's teardown, not its setup."""


@dataclass(frozen=True)
class TraceError:
    """The error with which a phase of a test ended."""

    type: str
    message: str


@dataclass(frozen=True)
class TraceLine:
    """One line of what happened in one column and loop. Only the fields of its kind are set."""

    kind: LineKind
    column: int
    loop: int
    actor: Actor | None = None
    error: TraceError | None = None
    pid: int = 0
    foreign_loop: bool = False
    """Whether a connection is opened, taken, used or closed in another loop than the one that opened it."""
    text: str = ""
    """The statement; empty if the line counts different ones."""
    count: int = 1
    """Number of statements."""
    depth: int = 0
    """Number of transactions and savepoints around the statement."""
    refused: bool = False
    """Whether the server answered the statement with an error."""

    @property
    def controls_transaction(self) -> bool:
        """Whether it is a statement such as BEGIN or SAVEPOINT."""
        return self.text.partition(" ")[0].upper() in TRANSACTION_CONTROL


@dataclass(frozen=True)
class Loop:
    """An event loop, and the columns from the first to the last one in which it exists."""

    number: int
    letter: str
    """Name of a loop that code started itself; empty for pytest-asyncio's."""
    scope: str
    """Scope for which pytest-asyncio keeps it; empty for others."""
    first: int
    last: int


@dataclass(frozen=True)
class Usage:
    """What one test used, and which transaction statements it sent."""

    loops: tuple[int, ...]
    pids: tuple[int, ...]
    commits: int
    releases: int
    """Number of RELEASE SAVEPOINT statements."""
    rolled_back: bool
    """Whether the last statement is ROLLBACK."""


@dataclass(frozen=True)
class BackgroundLoop:
    """What ran in a loop that code started itself, on connections that no test uses."""

    actor: Actor
    statements: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class TraceView:
    """What a trace shows, in order of time."""

    tests: tuple[str, ...]
    """Names of the tests."""
    errors: dict[int, TraceError]
    """First error of each test that failed, by column."""
    loops: dict[int, Loop]
    """By number."""
    opened_in: dict[int, int]
    """By the pid of each connection, the number of the loop that opened it."""
    lines: tuple[TraceLine, ...]
    usage: tuple[Usage, ...]
    """One for each test."""
    background: tuple[BackgroundLoop, ...]
    handshake_statements: int
    """Statements by which SQLAlchemy inspects the server on new connections; they are not among the lines."""

    @property
    def columns(self) -> list[int]:
        """All tests, and the columns before and after them if something happened there."""
        used = {*range(1, len(self.tests) + 1), *(line.column for line in self.lines)}
        return sorted(used)

    @property
    def meetings(self) -> list[TraceLine]:
        """Where connections meet a second loop: the first line about each such connection in a column and loop."""
        found: dict[tuple[int, int, int], TraceLine] = {}
        for line in self.lines:
            if line.foreign_loop:
                found.setdefault((line.column, line.loop, line.pid), line)
        return list(found.values())

    def cells(self, pid: int) -> list[tuple[int, int]]:
        """Return column and loop of each place where a connection is used, in order."""
        return list(dict.fromkeys((line.column, line.loop) for line in self.lines if line.pid == pid))

    def cell(self, loop: int, column: int) -> list[TraceLine]:
        """Return what happened in a loop and column."""
        return [line for line in self.lines if (line.loop, line.column) == (loop, column)]
