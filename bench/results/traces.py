"""
The record of what happened around event loops and connections, and its file in a run's folder.

Beside `bench/results/records.py`: this too stands between measuring and looking, and knows neither Postgres nor pandas.
Who runs nothing traced has no such file.
"""

from dataclasses import dataclass
from typing import Literal

from bench.results.record_store import Kept

TRACES_FILE = "traces.jsonl"

NO_LOOP = 0
"""The number that stands where no event loop runs. Loops that pytest-asyncio made count up from it; those that code
made for itself, as `asyncio.run` does, count down."""


@dataclass(frozen=True)
class Event:
    """One thing that happened in a traced process; its place in `Trace.events` says when."""

    kind: Literal[
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
    Of a connection: `opened` and `closed` as the server saw it, `taken` from SQLAlchemy's pool and `returned` to it.
    `statement`: as it went to the server. `refused`: the server's answer to the connection's last statement. `error`:
    what a phase of a test ended with. `fixture over`: it is torn down; what came before it in that phase was its doing.
    """
    test: int
    """Number of the test that runs, from 1; 0 before the first."""
    phase: Literal["", "setup", "call", "teardown"]
    """Of that test; pytest sets up fixtures of a wider scope in the first one that asks for them."""
    loop: int = NO_LOOP
    """The event loop that ran when it happened."""
    pid: int = 0
    """Of the Postgres process that serves the connection, as in `pg_stat_activity`; 0 where it is about none."""
    text: str = ""
    """The fixture, the test, the statement, or the error with its type."""
    scope: str = ""
    """Of a fixture; of a loop the one that pytest-asyncio keeps it for, empty where code made it for itself."""


@dataclass(frozen=True)
class Trace:
    """What happened in a few tests under one strategy."""

    strategy: str
    source_sha256: str
    """Of the strategy's file, as it was traced."""
    server: str
    """Such as `embedded, Postgres 18.4`."""
    tests: tuple[str, ...]
    """Names of the tests, in the order in which they ran, without `test_`."""
    events: tuple[Event, ...]
    ended: str = ""
    """How the process ended if not by itself, such as `killed after 30 s`."""


TRACES = Kept(TRACES_FILE, Trace, remedy="Remove it: a report goes without; --resume makes it anew.")
"""Traces by the strategies' names; empty where none was made."""
