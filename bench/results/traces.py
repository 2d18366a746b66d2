"""
The record of what happened to event loops and connections while a few tests ran, and its file in a run's folder.

A run without traces has no such file.
"""

from dataclasses import dataclass
from typing import Literal

from bench.results.record_store import RecordStore

TRACES_FILE = "traces.jsonl"

NO_LOOP = 0
"""The number that means that no loop runs. Loops of pytest-asyncio are numbered 1, 2, 3 ...; loops that code starts
itself, as `asyncio.run` does, are numbered -1, -2, -3 ..."""

TRANSACTION_CONTROL = frozenset({"BEGIN", "START", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "END", "ABORT"})
"""The first words of the statements that control transactions. Traces keep these statements whole."""

EventKind = Literal[
    "loop made",
    "loop closed",
    "fixture begins",
    "fixture ready",
    "fixture over",
    "test",
    "opened",
    "taken",
    "returned",
    "closed",
    "statement",
    "refused",
    "error",
    "contract broken",
]
"""
What happened:

- `opened`, `closed`: a connection, as seen by the server.
- `taken`, `returned`: a connection, from and to SQLAlchemy's pool.
- `statement`: sent to the server. `refused`: the server answered the connection's last statement with an error.
- `error`: a phase of a test failed.
- `fixture over`: a fixture was torn down; it caused the events that precede this one in the same teardown.
"""


@dataclass(frozen=True)
class Event:
    """One event in a traced process. The order of `Trace.events` is the order in time."""

    kind: EventKind
    test: int
    """Number of the running test, from 1; 0 before the first test."""
    phase: Literal["", "setup", "call", "teardown"]
    """Phase of the test. pytest sets up a fixture of a wider scope in the first test that requests it."""
    loop: int = NO_LOOP
    """The event loop that was running."""
    pid: int = 0
    """The server process behind the connection, as in `pg_stat_activity`; 0 if the event concerns no connection."""
    text: str = ""
    """Name of the fixture or test, the statement, or the error as `Type: message`."""
    scope: str = ""
    """Scope of a fixture, or of a loop of pytest-asyncio; empty for a loop that code started itself."""


@dataclass(frozen=True)
class Trace:
    """What happened in a few tests under one strategy."""

    strategy: str
    source_sha256: str
    """Hash of the strategy's file when it was traced."""
    server: str
    """Such as `embedded, Postgres 18.4`."""
    tests: tuple[str, ...]
    """Names of the tests in the order in which they ran, without `test_`."""
    events: tuple[Event, ...]
    ended: str = ""
    """How the process ended if it did not exit normally, such as `killed after 30 s`."""


TRACES = RecordStore(TRACES_FILE, Trace, remedy="Remove it: a report works without it, and --resume makes it again.")
"""Traces by strategy name; empty if none was made."""
